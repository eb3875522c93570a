"""Where backend, endpoint, key and model come from, in order; the environment is read when asked, never at import.

A flag or an argument comes first, then `%assistant use`, then `%config NbAssist`, then `NBASSIST_*`, then
`OPENAI_BASE_URL` and `OPENAI_API_KEY`, then the embedded server. A profile that is named at one of these settles all
that the ones before it left open, and those after it are not asked: a key of one endpoint never goes to another.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import Literal, TypeAlias, get_args

from ..core.installing import install_engine
from ..errors import SettingsError
from .plugins import plugin_names
from .profiles import PRESETS, find
from .quirk_names import Access

DisplayKind: TypeAlias = Literal["auto", "live", "static", "terminal", "plain"]

BACKENDS = ("assistants", "responses", "chat")
"""The protocols that can be named."""
DISPLAYS: tuple[str, ...] = get_args(DisplayKind)
_FIELDS = ("backend", "base_url", "api_key", "model")
_NEEDED_LOCALLY = ("starlette", "uvicorn", "sqlalchemy", "xllamacpp")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run goes to.

    Parameters
    ----------
    backend : str
        The wire protocol: one of `BACKENDS`, one that an installed package adds, or "auto" to ask the endpoint what it
        speaks.
    base_url : str
        Up to and with `/v1`; empty for the embedded server.
    api_key : str
        Left out of the repr. Empty where none is needed.
    model : str
        Empty for the endpoint's own choice.
    sources : mapping of str to str
        For each field that is set, where its value came from, in words.
    profile : str
        The profile that settled what was left open; empty where none was named.
    free : bool
        Whether the endpoint costs nothing.
    access : Access
        What else its endpoint is reached by, as the profile says; left out of the repr.
    """

    backend: str
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    model: str = ""
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)
    profile: str = ""
    free: bool = False
    access: Access = field(default=Access(), repr=False, compare=False)

    @property
    def local(self) -> bool:
        """Whether the embedded server is meant."""
        return not self.base_url


def resolve(
    *,
    arguments: Mapping[str, str] | None = None,
    chosen: Mapping[str, str] | None = None,
    config: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    offline: bool = False,
) -> Settings:
    """Settle where a run goes.

    Parameters
    ----------
    arguments, chosen, config : mapping of str to str
        `profile`, `backend`, `base_url`, `api_key`, `model`; a missing or empty value leaves the choice to the next
        source. `chosen` is what `%assistant use` said.
    environ : mapping of str to str, optional
        The environment of the process by default.
    offline : bool
        Whether nothing will be asked: then no key and no embedded server is needed.

    Raises
    ------
    SettingsError
        Where a backend or profile is not known, a profile's variable is not set, or nothing is set and the embedded
        server is not installed.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, str] = {}
    sources: dict[str, str] = {}
    # In the order in which they count. A level that names a profile is the last that is asked.
    levels = (
        (arguments or {}, dict.fromkeys(_FIELDS, "argument")),
        (chosen or {}, dict.fromkeys(_FIELDS, "%assistant use")),
        (config or {}, dict.fromkeys(_FIELDS, "%config")),
        _from_environment(environ, "NBASSIST", ("profile", *_FIELDS)),
        _from_environment(environ, "OPENAI", ("base_url", "api_key")),
    )
    for level, labels in levels:
        # What stands beside a profile on its own level goes before what the profile says.
        for name in _FIELDS:
            if level.get(name) and name not in values and not _is_of_another(name, level, labels, values):
                values[name], sources[name] = level[name], labels[name]
        if level.get("profile"):
            profile = find(level["profile"])
            settled = profile.values(environ, offline=offline)
            access = profile.access(environ, offline=offline)
            if values.get("base_url", "").rstrip("/") not in ("", settled["base_url"]):
                settled["api_key"] = ""  # the key belongs to the profile's own endpoint
                access = Access()
            for name, value in settled.items():
                if value and name not in values:
                    values[name], sources[name] = value, f"profile {profile.name}"
            # Another URL in place of the profile's may be anyone's, and is not taken to cost nothing.
            free = profile.free and values.get("base_url", "") == settled["base_url"]
            if values.get("api_key") != settled["api_key"]:
                access = replace(access, key_from="")
            return _complete(values, sources, profile.name, free, offline, access)
    return _complete(values, sources, offline=offline)


def _is_of_another(name: str, level: Mapping[str, str], labels: Mapping[str, str], values: Mapping[str, str]) -> bool:
    """Whether it is the key of OpenAI's own variables, and another endpoint was chosen: a key goes to no other."""
    if name != "api_key" or labels[name] != "OPENAI_API_KEY":
        return False
    chosen = values.get("base_url", "").rstrip("/")
    return chosen not in ("", level.get("base_url", "").rstrip("/"), PRESETS["openai"].base_url)


def _from_environment(
    environ: Mapping[str, str], prefix: str, names: tuple[str, ...]
) -> tuple[dict[str, str], dict[str, str]]:
    variables = {name: f"{prefix}_{name.upper()}" for name in names}
    return {name: environ.get(variable, "") for name, variable in variables.items()}, variables


def _complete(
    values: dict[str, str],
    sources: dict[str, str],
    profile: str = "",
    free: bool = False,
    offline: bool = False,
    access: Access = Access(),
) -> Settings:
    backend = values.get("backend", "")
    if backend and backend not in BACKENDS and backend not in (added := plugin_names("nbassist.backends")):
        raise SettingsError(f"there is no backend {backend!r}; known are {', '.join((*BACKENDS, *added))}")
    hosted = PRESETS["openai"]
    base_url = values.get("base_url", "").rstrip("/")
    # A key without a URL is OpenAI's, as in its own SDK.
    if not base_url and values.get("api_key"):
        base_url = hosted.base_url
    # Elsewhere the endpoint may choose the model; the hosted service wants one named.
    if base_url == hosted.base_url:
        if backend == "assistants":
            raise SettingsError("OpenAI shut its Assistants API down on 2026-08-26; set NBASSIST_BACKEND=responses")
        backend = backend or hosted.backend
        if not values.get("model"):
            values["model"], sources["model"] = hosted.model, "nbassist's default for OpenAI"
    if not base_url:
        if backend not in ("", "assistants"):
            raise SettingsError(f"the backend {backend!r} needs an endpoint: set NBASSIST_BASE_URL")
        if not offline:
            _check_installed()
        sources.setdefault("base_url", "embedded server")
        free = True
    key = values.get("api_key", "")
    backend = backend or ("auto" if base_url else "assistants")
    source = sources.get("api_key", "")
    if source.isupper() and not access.key_from:  # a variable's name
        access = replace(access, key_from=source)
    return Settings(backend, base_url, key, values.get("model", ""), sources, profile, free, access)


def _check_installed() -> None:
    # Looked for and not imported, which would take a second in the kernel for what another process needs.
    missing = [name for name in _NEEDED_LOCALLY if find_spec(name) is None]
    if missing:
        raise SettingsError(
            f"no endpoint is set and the embedded server is not installed: {install_engine()}; or name an endpoint, "
            "with %assistant use ollama or use URL, or OPENAI_API_KEY or NBASSIST_BASE_URL in the environment"
        )


def makes_vectors(environ: Mapping[str, str] | None = None) -> bool:
    """Return whether passages of a notebook's files get vectors: not where `NBASSIST_EMBEDDINGS` is `none`."""
    return (os.environ if environ is None else environ).get("NBASSIST_EMBEDDINGS", "") != "none"


def display_kind(environ: Mapping[str, str] | None = None) -> str:
    """Return how replies are shown: `NBASSIST_DISPLAY`, a kind of ours or of an installed package; else "auto".

    Raises
    ------
    SettingsError
        Where the variable holds an unknown kind.
    """
    value = (os.environ if environ is None else environ).get("NBASSIST_DISPLAY", "") or "auto"
    if value not in DISPLAYS and value not in (added := plugin_names("nbassist.displays")):
        raise SettingsError(f"NBASSIST_DISPLAY is {value!r}; known are {', '.join((*DISPLAYS, *added))}")
    return value
