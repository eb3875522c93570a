"""What is installed: Python, the packages that nbassist needs, its extras, and the model file."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator
from importlib import metadata

from .. import __version__
from ..errors import ModelFileError, SettingsError
from ..settings import DISPLAYS, display_kind
from .finding import Finding

_SHOWN = ("openai", "ipython", "ipywidgets", "anywidget", "pydantic", "SQLAlchemy")
_USES = {
    "local": "the embedded server and its model",
    "postgres": "the server's store in PostgreSQL",
    "mcp": "tools of MCP servers",
    "dask": "sweeps on a Dask cluster",
    "parquet": "the results of sweeps as Parquet",
    "demo": "JupyterLab and pandas",
}


def python() -> Iterator[Finding]:
    """Say which Python and which nbassist this is."""
    running = ".".join(map(str, sys.version_info[:3]))
    text = f"{__version__} on Python {running}, {platform.system()} {platform.machine()}"
    yield Finding("nbassist", text)


def packages() -> Iterator[Finding]:
    """Hold what nbassist requires against what is installed."""
    missing, old = _unmet(_required(""))
    shown = ", ".join(f"{name} {metadata.version(name)}" for name in _SHOWN if _version(name))
    if missing or old:
        wrong = "; ".join(filter(None, (_listed("missing: ", missing), _listed("not as needed: ", old))))
        yield Finding("packages", wrong, "wrong", "run: pip install -U nbassist")
    else:
        yield Finding("packages", shown)


def extras() -> Iterator[Finding]:
    """Say which extras are installed, and what each of the others is for."""
    here, absent = [], []
    for name, use in _USES.items():
        missing, old = _unmet(_required(name))
        if missing or old:
            absent.append(f"{name} ({use})")
        else:
            here.append(name)
    text = f"installed: {', '.join(here) or 'none'}"
    if absent:
        yield Finding("extras", f"{text}; not: {', '.join(absent)}", "note", "pip install 'nbassist[NAME]' adds one")
    else:
        yield Finding("extras", text)


def model_file(needed: bool) -> Iterator[Finding]:
    """Say whether the model of the embedded server is here and whole; wrong where it is `needed` and is not."""
    from ..local import model

    chosen = os.environ.get("NBASSIST_MODEL_FILE", "")
    try:
        path = model.usable(chosen)
    except ModelFileError as error:
        yield Finding("local model", str(error), "wrong" if needed else "note")
        return
    known = "its digest is as published" if path.name == model.DEFAULT.name else "its digest is not known beforehand"
    yield Finding("local model", f"{path.name}, {path.stat().st_size / 1e9:.2f} GB, {known}")


def environment() -> Iterator[Finding]:
    """Name variables that look like ours and are none, and a way to show replies that there is not."""
    from difflib import get_close_matches

    try:
        display_kind()
    except SettingsError as error:
        yield Finding.of_error("environment", error)
    unknown = [name for name in sorted(os.environ) if name.startswith("NBASSIST_") and name not in VARIABLES]
    for name in unknown:
        near = get_close_matches(name, VARIABLES, n=1)
        yield Finding("environment", f"{name} is set, and nothing reads it", "note", _meant(near))


VARIABLES = {
    "NBASSIST_PROFILE": "the endpoint, by the name of its profile, or its URL",
    "NBASSIST_BACKEND": "assistants, responses or chat; unset, the endpoint is asked",
    "NBASSIST_BASE_URL": "the endpoint, up to and with /v1",
    "NBASSIST_API_KEY": "its key",
    "NBASSIST_MODEL": "the model; unset, the endpoint's own choice",
    "NBASSIST_DISPLAY": f"{', '.join(DISPLAYS[:-1])} or {DISPLAYS[-1]}",
    "NBASSIST_CACHE": "off, auto, refresh or replay: how recorded replies are used",
    "NBASSIST_REPLIES": "a file that keeps the notebook's replies",
    "NBASSIST_MODEL_FILE": "the model file of the embedded server: a path, or hf:OWNER/NAME:FILE.gguf",
    "NBASSIST_SERVE_TOKEN": "the token that nbassist serve asks for",
    "NBASSIST_CONFIG_DIR": "where profiles.toml lies",
    "NBASSIST_DATA_DIR": "where journal and threads lie",
}
"""The environment's variables, and what each says; a key's value is never shown."""


def _meant(near: list[str]) -> str:
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(VARIABLES)}"


def _listed(head: str, names: list[str]) -> str:
    return head + ", ".join(names) if names else ""


def _required(extra: str) -> list[tuple[str, str]]:
    """Return (name, specifier) of what is required; of one extra where it is named."""
    found = []
    try:
        lines = metadata.requires("nbassist") or []
    except metadata.PackageNotFoundError:  # a checkout on the path that is not installed
        return []
    for line in lines:
        requirement, _, marker = line.partition(";")
        wanted = f"extra == '{extra}'" if extra else ""
        is_extra = "extra ==" in marker
        if (wanted and wanted in marker.replace('"', "'")) or (not extra and not is_extra):
            match = re.match(r"[A-Za-z0-9._-]+", requirement.strip())
            if match:
                name = match[0]
                rest = requirement.strip()[len(name) :]
                found.append((name, re.sub(r"\[.*?\]", "", rest).strip()))
    return found


def _unmet(required: list[tuple[str, str]]) -> tuple[list[str], list[str]]:
    missing, old = [], []
    for name, specifier in required:
        version = _version(name)
        if not version:
            missing.append(name)
        elif not fits(version, specifier):
            old.append(f"{name} {version} (needs {specifier})")
    return missing, old


def fits(version: str, specifier: str) -> bool:
    """Return whether a version is within bounds such as `>=7,<7.4`, compared by their numbers."""
    for part in filter(None, (one.strip() for one in specifier.split(","))):
        limit = _numbers(part.lstrip("><=!~ "))
        if part.startswith(">=") and _numbers(version) < limit:
            return False
        if part.startswith("<") and not part.startswith("<=") and _numbers(version) >= limit:
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"\d+(?:\.\d+)*", version)
    numbers = [int(part) for part in found[0].split(".")] if found else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
