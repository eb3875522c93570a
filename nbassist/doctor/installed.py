"""What is installed: Python, packages, extras, and the model file; and what a finding of the doctor is."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Literal, TypeAlias

from .. import __version__
from ..config.settings import DISPLAYS, display_kind
from ..core import runtime_environment
from ..core.installing import install_packages, pip_install
from ..errors import ModelFileError, SettingsError

State: TypeAlias = Literal["ok", "note", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Parameters
    ----------
    what : str
        What was looked at, in a word or two.
    text : str
        How it is, in one line.
    state : {"ok", "note", "wrong"}
        "note" for what is missing and not needed for what is set up.
    mend : str
        What to run or to set; empty where there is nothing to do, or `text` says it.
    """

    what: str
    text: str
    state: State = "ok"
    mend: str = ""

    @classmethod
    def of_error(cls, what: str, error: Exception) -> Finding:
        """Make one of an error, whose line may end with the command that mends it."""
        return cls(what, re.sub(r"\s+", " ", str(error)).strip(), "wrong")

    @property
    def line(self) -> str:
        """The text with what mends it."""
        return f"{self.text}; {self.mend}" if self.mend else self.text


_SHOWN = ("openai", "ipython", "ipykernel", "ipywidgets", "anywidget", "pydantic")
_LATER = (
    ("ipython", "8.6", "Tab offers no flags and commands in a cell"),
    ("ipython", "9.1", "of earlier cells, `--see cells` has neither what they printed nor their errors"),
    ("markdown-it-py", "4.1", "items of task lists keep their [x], and a text costs more to show"),
)
"""What there is only from some version on, and what is so before it."""
_USES = {
    "local": "the embedded server and its model",
    "server": "the Assistants server, in front of an endpoint",
    "files": "files and vector stores of the server: PDF, Word, PowerPoint",
    "postgres": "the server's store in PostgreSQL",
    "fast": "the server's event loop and HTTP parser in C",
    "interpreter": "the server's code interpreter",
    "metrics": "the server's figures for Prometheus",
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
        in_browser = not runtime_environment.THREADS
        mend = install_packages(missing) if in_browser and missing else pip_install("", upgrade=True)
        yield Finding("packages", wrong, "wrong", f"run: {mend}")
    else:
        yield Finding("packages", shown)
    for name, since, text in _LATER:
        if (version := _version(name)) and not fits(version, f">={since}"):
            yield Finding("packages", f"with {name} {version}, {text}", "note", f"{name} {since} mends it")


def extras() -> Iterator[Finding]:
    """Say which extras are installed, and what each of the others is for; nothing in a browser, which can use none."""
    if not runtime_environment.THREADS:
        return
    here, absent = [], []
    for name, use in _USES.items():
        missing, old = _unmet(_required(name))
        if missing or old:
            absent.append(f"{name} ({use})")
        else:
            here.append(name)
    text = f"installed: {', '.join(here) or 'none'}"
    if absent:
        yield Finding("extras", f"{text}; not: {', '.join(absent)}", "note", f"{pip_install('NAME')} adds one")
    else:
        yield Finding("extras", text)


def model_file(needed: bool) -> Iterator[Finding]:
    """Say whether the model of the embedded server is here and whole; wrong where it is `needed` and is not."""
    from ..server.engine import model

    chosen = os.environ.get("NBASSIST_MODEL_FILE", "")
    try:
        path = model.usable(chosen)
    except ModelFileError as error:
        yield Finding("local model", str(error), "wrong" if needed else "note")
        return
    known = "its digest is as published" if path.name == model.DEFAULT.name else "its digest is not known beforehand"
    yield Finding("local model", f"{path.name}, {path.stat().st_size / 1e9:.2f} GB, {known}")


def embeddings_file() -> Iterator[Finding]:
    """Say whether the model is here, and whole, that gives files their vectors."""
    from ..server.engine import model

    try:
        path = model.usable("embeddings")
    except ModelFileError as error:
        yield Finding("embeddings", f"{error}; until then files are found by their words", "note")
    else:
        yield Finding("embeddings", f"{path.name}: files are found by their meaning, too")


def environment() -> Iterator[Finding]:
    """Name variables that look like ours and are none, and a way to show replies that there is not."""
    from difflib import get_close_matches

    try:
        display_kind()
    except SettingsError as error:
        yield Finding.of_error("environment", error)
    given = sorted(name for name in os.environ if name.startswith("NBASSIST_"))
    # The server has one for each of its options, and says itself what is wrong with them.
    for name in (name for name in given if name not in VARIABLES and not name.startswith("NBASSIST_SERVE_")):
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
    "NBASSIST_EMBEDDINGS": "none: a notebook's files are found by their words alone",
    "NBASSIST_MODEL_FILE": "the model file of the embedded server: a path, or hf:OWNER/NAME:FILE.gguf",
    "NBASSIST_SERVE_TOKEN": "the token that nbassist serve asks for",
    "NBASSIST_SERVE_STORE": "the server's store, as --store says it; each option of nbassist serve has such a variable",
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
        # Read by hand: `packaging` is no dependency, and the markers are the few of our own `pyproject.toml`.
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
        # `>=` and `<` are all that our bounds are made of.
        limit = _numbers(part.lstrip("><=!~ "))
        if part.startswith(">=") and _numbers(version) < limit:
            return False
        if part.startswith("<") and not part.startswith("<=") and _numbers(version) >= limit:
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"\d+(?:\.\d+)*", version)
    numbers = [int(part) for part in found[0].split(".")] if found else []
    # 7 and 7.0 are one version.
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
