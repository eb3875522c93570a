"""Where a run goes: which source comes before which, and what is said where nothing usable is set."""

from __future__ import annotations

from typing import Any

import pytest

from nbassist.errors import SettingsError
from nbassist.settings import display_kind, resolve

URL = {"NBASSIST_BASE_URL": "http://127.0.0.1:9/v1"}


def test_an_argument_comes_before_config_before_ours_before_openais() -> None:
    environ = {"OPENAI_BASE_URL": "http://openai/v1", "OPENAI_API_KEY": "o"}
    assert resolve(environ=environ).base_url == "http://openai/v1"
    environ |= {"NBASSIST_BASE_URL": "http://ours/v1/", "NBASSIST_API_KEY": "n", "NBASSIST_MODEL": "m"}
    settings = resolve(environ=environ)
    assert (settings.base_url, settings.api_key, settings.model) == ("http://ours/v1", "n", "m")
    assert resolve(config={"base_url": "http://config/v1"}, environ=environ).base_url == "http://config/v1"
    both = resolve(arguments={"base_url": "http://flag/v1"}, config={"base_url": "http://config/v1"}, environ=environ)
    assert both.base_url == "http://flag/v1"
    assert both.sources == {
        "base_url": "argument",
        "api_key": "NBASSIST_API_KEY",
        "model": "NBASSIST_MODEL",
    }


def test_nothing_set_means_the_embedded_server() -> None:
    settings = resolve(environ={})
    assert settings.local
    assert settings.backend == "assistants"


def test_an_endpoint_that_is_not_named_is_asked_what_it_speaks() -> None:
    assert resolve(environ=URL).backend == "auto"
    assert resolve(environ=URL | {"NBASSIST_BACKEND": "chat"}).backend == "chat"


def test_a_key_alone_means_the_hosted_endpoint_which_no_longer_speaks_assistants() -> None:
    settings = resolve(environ={"OPENAI_API_KEY": "k"})
    assert (settings.base_url, settings.backend) == ("https://api.openai.com/v1", "chat")
    with pytest.raises(SettingsError, match="2026-08-26"):
        resolve(environ={"OPENAI_API_KEY": "k", "NBASSIST_BACKEND": "assistants"})


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"NBASSIST_BACKEND": "assistant"}, "known are assistants, chat"),
        ({"NBASSIST_BACKEND": "chat"}, "NBASSIST_BASE_URL"),
    ],
)
def test_what_contradicts_itself_is_one_line(environ: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        resolve(environ=environ)


def test_without_the_extra_the_line_says_what_to_install_or_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        return None if name == "xllamacpp" else object()

    monkeypatch.setattr("nbassist.settings.find_spec", missing)
    with pytest.raises(SettingsError, match=r"pip install 'nbassist\[local\]'.*NBASSIST_BASE_URL"):
        resolve(environ={})
    assert resolve(environ=URL).base_url == "http://127.0.0.1:9/v1"


def test_the_key_is_not_in_the_repr() -> None:
    assert "sk-secret" not in repr(resolve(environ=URL | {"NBASSIST_API_KEY": "sk-secret"}))


def test_the_display_is_named_or_refused() -> None:
    assert display_kind({}) == "auto"
    assert display_kind({"NBASSIST_DISPLAY": "static"}) == "static"
    with pytest.raises(SettingsError, match="known are auto"):
        display_kind({"NBASSIST_DISPLAY": "loud"})
