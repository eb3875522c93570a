"""Endpoints by name: the person's file, and that it never holds a key."""

from __future__ import annotations

import pytest

from nbassist.config.profiles import PRESETS, Profile, find, own_file, profiles, save
from nbassist.errors import SettingsError


def write(text: str) -> None:
    own_file().parent.mkdir(parents=True, exist_ok=True)
    own_file().write_text(text, encoding="utf-8")


def test_what_is_saved_is_read_again_and_may_replace_a_preset() -> None:
    mine = Profile("wörk", "chat", "https://gate.example/v1", 'a "quoted" model', "WORK_KEY", free=True)
    save(mine)
    save(Profile("ollama", "chat", "http://other:11434/v1"))
    assert find("wörk") == mine
    assert profiles()["ollama"].base_url == "http://other:11434/v1"
    assert profiles()["vllm"] == PRESETS["vllm"]


def test_an_unknown_name_is_one_line_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match="did you mean ollama"):
        find("olama")
    with pytest.raises(SettingsError, match="or a URL"):
        find("zzzzzz")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[a]\napi_key = "sk-1"', "holds a key; put it into an environment variable"),
        ('[a]\nbase_ulr = "x"', "did you mean base_url"),
        ('[a]\nfree = "yes"', "true or false"),
        ('a = "x"', "is no table"),
        ("[a", "can't be read"),
    ],
)
def test_a_file_that_is_wrong_says_where(text: str, words: str) -> None:
    write(text)
    with pytest.raises(SettingsError, match=words) as caught:
        profiles()
    assert str(own_file()) in str(caught.value)
    assert "sk-1" not in str(caught.value)


def test_a_file_that_can_not_be_read_is_not_written_over() -> None:
    write("[a")
    with pytest.raises(SettingsError):
        save(Profile("b"))
    assert own_file().read_text(encoding="utf-8") == "[a"
