"""Endpoints by name: those that are known, and the person's own in `profiles.toml`; a file never holds a key."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from .errors import SettingsError
from .paths import config_file

_KEYS = ("api_key", "key", "token", "secret")


@dataclass(frozen=True, slots=True)
class Profile:
    """An endpoint and how it is spoken to.

    Parameters
    ----------
    name : str
        What it is called.
    backend : str
        The wire protocol; empty to ask the endpoint.
    base_url : str
        Up to and with `/v1`; empty for the embedded server.
    model : str
        Empty for the endpoint's own choice.
    key_env : str
        The name of the environment variable that holds the key; empty where none is needed.
    url_env : str
        The name of the variable that holds the URL, where it differs from person to person.
    free : bool
        Whether it runs on one's own machine and costs nothing.
    start : str
        What starts it, told where nothing answers; may be empty.
    """

    name: str
    backend: str = ""
    base_url: str = ""
    model: str = ""
    key_env: str = ""
    url_env: str = ""
    free: bool = False
    start: str = ""

    def values(self, environ: Mapping[str, str], *, offline: bool = False) -> dict[str, str]:
        """Return backend, base_url, api_key and model, each empty where it says nothing, or is not set `offline`.

        Raises
        ------
        SettingsError
            Where a variable that it names is not set.
        """
        url = self.base_url
        if self.url_env and not url:
            url = _variable(self.url_env, self.name, environ, offline).rstrip("/")
            if self.name == "azure":  # where Azure serves the protocols of OpenAI, under the resource's own host
                url = url.removesuffix("/openai/v1") + "/openai/v1"
        key = _variable(self.key_env, self.name, environ, offline) if self.key_env else ""
        return {"backend": self.backend, "base_url": url, "api_key": key, "model": self.model}


def _variable(variable: str, profile: str, environ: Mapping[str, str], offline: bool) -> str:
    value = environ.get(variable, "")
    if not value and not offline:
        raise SettingsError(f"the profile {profile!r} needs {variable} in the environment, and it is not set")
    return value


PRESETS: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("local", "assistants", free=True),
        Profile("openai", "responses", "https://api.openai.com/v1", "gpt-5-mini", "OPENAI_API_KEY"),
        Profile("azure", "responses", key_env="AZURE_OPENAI_API_KEY", url_env="AZURE_OPENAI_ENDPOINT"),
        Profile("ollama", "chat", "http://127.0.0.1:11434/v1", free=True, start="ollama serve"),
        Profile("lmstudio", "chat", "http://127.0.0.1:1234/v1", free=True, start="lms server start"),
        Profile("vllm", "chat", "http://127.0.0.1:8000/v1", free=True, start="vllm serve MODEL"),
        Profile("llamacpp", "chat", "http://127.0.0.1:8080/v1", free=True, start="llama-server -m MODEL.gguf --jinja"),
    )
}
"""The ports are those on which each engine listens unless it is told otherwise."""


def own_file() -> Path:
    """Return where the person's profiles stand."""
    return config_file("profiles.toml")


def profiles() -> dict[str, Profile]:
    """Return all profiles by name: the presets, then the person's, which may replace a preset.

    Raises
    ------
    SettingsError
        Where the person's file can't be read, or holds a key.
    """
    return {**PRESETS, **_read(own_file())}


def find(name: str) -> Profile:
    """Return the profile called `name`; a URL is a profile of its own, without a key.

    Raises
    ------
    SettingsError
        Where there is none, with the nearest that there is.
    """
    if name.startswith(("http://", "https://")):
        return Profile(name, base_url=name.rstrip("/"))
    known = profiles()
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}, or a URL"
        raise SettingsError(f"there is no profile {name!r}; {hint}")
    return known[name]


def save(profile: Profile) -> Path:
    """Write `profile` into the person's file, in place of one of the same name, and return the file.

    Raises
    ------
    SettingsError
        Where the file that is there can't be read: it is left as it is.
    """
    path = own_file()
    kept = {**_read(path), profile.name: profile}
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    draft.write_text("\n".join(_table(one) for one in kept.values()), encoding="utf-8")
    os.replace(draft, path)
    return path


def _table(profile: Profile) -> str:
    lines = [f"[{json.dumps(profile.name, ensure_ascii=False)}]"]
    for field in fields(Profile)[1:]:
        value = getattr(profile, field.name)
        if value != field.default:
            lines.append(f"{field.name} = {json.dumps(value, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


def _read(path: Path) -> dict[str, Profile]:
    import tomllib

    try:
        with path.open("rb") as file:
            tables = tomllib.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} can't be read: {error}") from error
    return {name: _profile(name, table, path) for name, table in tables.items()}


def _profile(name: str, table: Any, path: Path) -> Profile:
    if not isinstance(table, dict):
        raise SettingsError(f"{path}: {name!r} is no table; a profile begins with [{name}]")
    known = {field.name for field in fields(Profile)} - {"name"}
    for entry, value in table.items():
        if entry in _KEYS:
            raise SettingsError(
                f"{path}: [{name}] holds a key; put it into an environment variable, and that one's name into key_env"
            )
        if entry not in known:
            near = get_close_matches(entry, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"
            raise SettingsError(f"{path}: [{name}] has an entry {entry!r}; {hint}")
        if not isinstance(value, bool if entry == "free" else str):
            raise SettingsError(f"{path}: [{name}] {entry} is {value!r}, which is of the wrong type")
    return Profile(name, **table)
