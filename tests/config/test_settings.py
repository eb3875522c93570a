"""Where a run goes: which source comes before which, and what is said where nothing usable is set."""

from __future__ import annotations

from typing import Any

import pytest

from nbassist.config.settings import display_kind, resolve
from nbassist.errors import SettingsError

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
    assert (settings.base_url, settings.backend) == ("https://api.openai.com/v1", "responses")
    assert settings.model == "gpt-5-mini"
    assert resolve(environ={"OPENAI_API_KEY": "k", "NBASSIST_MODEL": "m"}).model == "m"
    with pytest.raises(SettingsError, match="2026-08-26"):
        resolve(environ={"OPENAI_API_KEY": "k", "NBASSIST_BACKEND": "assistants"})


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"NBASSIST_BACKEND": "assistant"}, "known are assistants, responses, chat"),
        ({"NBASSIST_BACKEND": "chat"}, "NBASSIST_BASE_URL"),
    ],
)
def test_what_contradicts_itself_is_one_line(environ: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        resolve(environ=environ)


def test_without_the_extra_the_line_says_what_to_install_or_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        return None if name == "xllamacpp" else object()

    monkeypatch.setattr("nbassist.config.settings.find_spec", missing)
    with pytest.raises(SettingsError, match=r'pip install .*\[local\]".*NBASSIST_BASE_URL'):
        resolve(environ={})
    assert resolve(environ=URL).base_url == "http://127.0.0.1:9/v1"


def test_the_key_is_not_in_the_repr() -> None:
    assert "sk-secret" not in repr(resolve(environ=URL | {"NBASSIST_API_KEY": "sk-secret"}))


def test_the_display_is_named_or_refused() -> None:
    assert display_kind({}) == "auto"
    assert display_kind({"NBASSIST_DISPLAY": "static"}) == "static"
    with pytest.raises(SettingsError, match="known are auto"):
        display_kind({"NBASSIST_DISPLAY": "loud"})


def test_a_profile_settles_what_stands_open_and_no_key_of_another_endpoint_goes_to_it() -> None:
    environ = {"OPENAI_API_KEY": "sk-hosted", "NBASSIST_MODEL": "of-the-environment"}
    settings = resolve(chosen={"profile": "ollama"}, environ=environ)
    assert (settings.base_url, settings.backend) == ("http://127.0.0.1:11434/v1", "chat")
    assert (settings.api_key, settings.model, settings.free) == ("", "", True)
    assert settings.sources["base_url"] == "profile ollama"
    assert resolve(arguments={"model": "m"}, chosen={"profile": "ollama"}, environ=environ).model == "m"


def test_a_profile_for_one_cell_comes_before_the_one_in_use() -> None:
    settings = resolve(arguments={"profile": "vllm"}, chosen={"profile": "ollama"}, environ={})
    assert settings.profile == "vllm"


def test_a_profile_reads_its_key_from_the_variable_that_it_names() -> None:
    settings = resolve(config={"profile": "openai"}, environ={"OPENAI_API_KEY": "sk-1"})
    assert (settings.api_key, settings.backend, settings.free) == ("sk-1", "responses", False)
    with pytest.raises(SettingsError, match="'openai' needs OPENAI_API_KEY"):
        resolve(config={"profile": "openai"}, environ={})


def test_a_profiles_key_does_not_go_to_a_url_that_was_set_beside_it() -> None:
    environ = {"OPENAI_API_KEY": "sk-1"}
    settings = resolve(arguments={"base_url": "http://elsewhere/v1"}, config={"profile": "openai"}, environ=environ)
    assert settings.api_key == ""


def test_azure_is_reached_under_the_resources_own_host() -> None:
    environ = {"AZURE_OPENAI_ENDPOINT": "https://mine.openai.azure.com/", "AZURE_OPENAI_API_KEY": "k"}
    settings = resolve(chosen={"profile": "azure"}, environ=environ)
    assert settings.base_url == "https://mine.openai.azure.com/openai/v1"


def test_local_means_the_embedded_server_whatever_the_environment_says() -> None:
    settings = resolve(chosen={"profile": "local"}, environ=URL | {"OPENAI_API_KEY": "k"})
    assert settings.local
    assert settings.free


def test_a_url_is_a_profile_without_a_key() -> None:
    settings = resolve(chosen={"profile": "http://127.0.0.1:1/v1/"}, environ={"OPENAI_API_KEY": "k"})
    assert (settings.base_url, settings.api_key, settings.backend) == ("http://127.0.0.1:1/v1", "", "auto")


@pytest.mark.parametrize(
    ("environ", "key"),
    [
        ({"NBASSIST_BASE_URL": "http://elsewhere/v1"}, ""),
        ({"NBASSIST_BASE_URL": "http://elsewhere/v1", "OPENAI_BASE_URL": "http://mine/v1"}, ""),
        ({"NBASSIST_BASE_URL": "http://mine/v1", "OPENAI_BASE_URL": "http://mine/v1/"}, "openais"),
        ({"NBASSIST_BASE_URL": "https://api.openai.com/v1"}, "openais"),
        ({"OPENAI_BASE_URL": "http://mine/v1"}, "openais"),
        ({}, "openais"),
    ],
)
def test_openais_key_goes_to_openais_endpoint_and_to_no_other(environ: dict[str, str], key: str) -> None:
    assert resolve(environ={"OPENAI_API_KEY": "openais", **environ}).api_key == key


def test_openais_key_does_not_go_to_an_endpoint_that_an_argument_names() -> None:
    environ = {"OPENAI_API_KEY": "openais"}
    assert resolve(arguments={"base_url": "http://elsewhere/v1"}, environ=environ).api_key == ""
    assert resolve(chosen={"base_url": "http://elsewhere/v1"}, environ=environ).api_key == ""
