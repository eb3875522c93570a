"""Where backend, endpoint, key and model come from, in order; the environment is read when asked, never at import.

A flag or an argument comes first, then `%config NbAssist`, then `NBASSIST_*`, then `OPENAI_BASE_URL` and
`OPENAI_API_KEY`, then the embedded server.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Literal, TypeAlias

from .errors import SettingsError

DisplayKind: TypeAlias = Literal["auto", "live", "static", "terminal", "plain"]

BACKENDS = ("assistants", "chat")
"""The protocols that can be named."""
DISPLAYS = ("auto", "live", "static", "terminal", "plain")
_HOSTED = "https://api.openai.com/v1"
_NEEDED_LOCALLY = ("starlette", "uvicorn", "sqlalchemy", "xllamacpp")
_VARIABLES = {
    "backend": ("NBASSIST_BACKEND",),
    "base_url": ("NBASSIST_BASE_URL", "OPENAI_BASE_URL"),
    "api_key": ("NBASSIST_API_KEY", "OPENAI_API_KEY"),
    "model": ("NBASSIST_MODEL",),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run goes to.

    Parameters
    ----------
    backend : str
        The wire protocol: one of `BACKENDS`, or "auto" to ask the endpoint what it speaks.
    base_url : str
        Up to and with `/v1`; empty for the embedded server.
    api_key : str
        Left out of the repr. Empty where none is needed.
    model : str
        Empty for the endpoint's own choice.
    sources : mapping of str to str
        For each field that is set, where its value came from, in words.
    """

    backend: str
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    model: str = ""
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def local(self) -> bool:
        """Whether the embedded server is meant."""
        return not self.base_url


def resolve(
    *,
    arguments: Mapping[str, str] | None = None,
    config: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Settle where a run goes.

    Parameters
    ----------
    arguments, config : mapping of str to str
        `backend`, `base_url`, `api_key`, `model`; a missing or empty value leaves the choice to the next source.
    environ : mapping of str to str, optional
        The environment of the process by default.

    Raises
    ------
    SettingsError
        Where a backend is not known, or nothing is set and the embedded server is not installed.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, str] = {}
    sources: dict[str, str] = {}
    for name, variables in _VARIABLES.items():
        candidates = [
            ((arguments or {}).get(name), "argument"),
            ((config or {}).get(name), "%config"),
            *((environ.get(variable), variable) for variable in variables),
        ]
        for value, source in candidates:
            if value:
                values[name], sources[name] = value, source
                break
    return _complete(values, sources)


def _complete(values: dict[str, str], sources: dict[str, str]) -> Settings:
    backend = values.get("backend", "")
    if backend and backend not in BACKENDS:
        raise SettingsError(f"there is no backend {backend!r}; known are {', '.join(BACKENDS)}")
    base_url = values.get("base_url", "").rstrip("/")
    if not base_url and values.get("api_key"):
        base_url = _HOSTED
    if base_url == _HOSTED and backend in ("", "assistants"):
        if backend:
            raise SettingsError("OpenAI shut its Assistants API down on 2026-08-26; set NBASSIST_BACKEND=chat")
        backend = "chat"
    if not base_url:
        if backend not in ("", "assistants"):
            raise SettingsError(f"the backend {backend!r} needs an endpoint: set NBASSIST_BASE_URL")
        _check_installed()
        sources.setdefault("base_url", "embedded server")
    key = values.get("api_key", "")
    return Settings(backend or ("auto" if base_url else "assistants"), base_url, key, values.get("model", ""), sources)


def _check_installed() -> None:
    missing = [name for name in _NEEDED_LOCALLY if find_spec(name) is None]
    if missing:
        raise SettingsError(
            "no endpoint is set and the embedded server is not installed: pip install 'nbassist[local]', "
            "or set NBASSIST_BASE_URL (and NBASSIST_API_KEY)"
        )


def display_kind(environ: Mapping[str, str] | None = None) -> DisplayKind:
    """Return how replies are shown: `NBASSIST_DISPLAY`, else "auto".

    Raises
    ------
    SettingsError
        Where the variable holds an unknown kind.
    """
    value = (os.environ if environ is None else environ).get("NBASSIST_DISPLAY", "") or "auto"
    if value not in DISPLAYS:
        raise SettingsError(f"NBASSIST_DISPLAY is {value!r}; known are {', '.join(DISPLAYS)}")
    return value  # type: ignore[return-value]  # checked against the same names
