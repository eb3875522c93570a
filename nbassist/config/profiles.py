"""Endpoints by name: those that are known, and the person's own in `profiles.toml`; a file never holds a key."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..core.files import put_in_place
from ..errors import SettingsError
from .paths import config_file
from .quirk_names import ENTRIES, Access, problem_with

_KEYS = ("api_key", "key", "token", "secret")
_SECRET = re.compile(r"auth|key|token|secret|cookie|password", re.IGNORECASE)


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
    headers, query : mapping of str to str
        Sent with every request. A value such as `$NAME` is that variable's; a key has to be one.
    habits : mapping
        What is known of the endpoint beside the table of providers: `provider`, the name of a row of it, and the
        entries of `nbassist.config.quirk_names.Quirks`. In the file they stand beside the others.
    """

    name: str
    backend: str = ""
    base_url: str = ""
    model: str = ""
    key_env: str = ""
    url_env: str = ""
    free: bool = False
    start: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    habits: Mapping[str, Any] = field(default_factory=dict)

    def access(self, environ: Mapping[str, str], *, offline: bool = False) -> Access:
        """Return what else its endpoint is reached by.

        Raises
        ------
        SettingsError
            Where a variable that it names is not set.
        """

        def filled(given: Mapping[str, str]) -> dict[str, str]:
            return {
                name: _variable(value[1:], self.name, environ, offline) if value.startswith("$") else value
                for name, value in given.items()
            }

        return Access(filled(self.headers), filled(self.query), self.key_env, self.habits)

    def values(self, environ: Mapping[str, str], *, offline: bool = False) -> dict[str, str]:
        """Return backend, base_url, api_key and model, each empty where it says nothing, or is not set `offline`.

        Raises
        ------
        SettingsError
            Where a variable that it names is not set.
        """
        url = self.base_url
        # A URL in the profile itself goes before the variable.
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
        # The hosted service has no Assistants API any more (shut down on 2026-08-26), and a model has to be named
        # there.
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
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}, or a URL that begins with http"
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
    # Whole or not at all: the file may hold what the person wrote by hand.
    put_in_place(draft, path)
    return path


def _table(profile: Profile) -> str:
    # A JSON string is a TOML string, too, but for the surrogate pairs that JSON makes of emoji where it writes ASCII:
    # TOML refuses those. True and false are the same in both.
    lines = [f"[{json.dumps(profile.name, ensure_ascii=False)}]"]
    for entry in fields(Profile)[1:]:
        value = getattr(profile, entry.name)
        if entry.name == "habits":
            lines += [f"{name} = {_toml(one)}" for name, one in value.items()]
        elif value not in (entry.default, {}):
            lines.append(f"{entry.name} = {_toml(value)}")
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(name)} = {_toml(one)}" for name, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


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
    known = ({entry.name for entry in fields(Profile)} - {"name", "habits"}) | {"provider", *ENTRIES}
    for entry, value in table.items():
        # Before the unknown entries: someone who writes a key into the file is to be told where keys go.
        if entry in _KEYS:
            raise SettingsError(
                f"{path}: [{name}] holds a key; put it into an environment variable, and that one's name into key_env"
            )
        if entry not in known:
            near = get_close_matches(entry, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"
            raise SettingsError(f"{path}: [{name}] has an entry {entry!r}; {hint}")
        # TOML has numbers and dates as well; none of ours is one.
        if problem := _problem_with(entry, value):
            raise SettingsError(f"{path}: [{name}] {entry} is {value!r}; it {problem}")
    habits = {entry: value for entry, value in table.items() if entry == "provider" or entry in ENTRIES}
    return Profile(name, **{entry: value for entry, value in table.items() if entry not in habits}, habits=habits)


def _problem_with(entry: str, value: Any) -> str:
    """Return what is wrong with an entry; empty where nothing is."""
    if entry in ENTRIES:
        return problem_with(entry, value)
    if entry in ("headers", "query"):
        if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
            return "is a table of texts"
        if any(_SECRET.search(name) and not one.startswith("$") for name, one in value.items()):
            return "holds a key; put it into an environment variable, and $ with that one's name in its place"
        return ""
    right = isinstance(value, bool if entry == "free" else str)
    return "" if right else f"is {'true or false' if entry == 'free' else 'a text'}"
