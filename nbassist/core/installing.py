"""The command that installs an extra of ours, from where this nbassist came itself."""

from __future__ import annotations

import json
import platform
import re
import sys
import sysconfig
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from . import runtime_environment

_ONLY_WHEELS = {"local": "--only-binary xllamacpp "}
"""Extras whose package would be compiled for minutes, and then most often fail, where there is no wheel of it."""


def pip_install(extra: str, *, upgrade: bool = False) -> str:
    """Return the command for pip that adds an extra, such as `pip install "/srv/nbassist[mcp]"`.

    By its name nbassist is only asked for where it came from a package index: elsewhere a stranger's package could have
    that name. A folder, a repository or a file is named as pip noted it. In a browser nothing is noted of what the page
    brought, and the packages of the extra are named.

    Parameters
    ----------
    extra : str
        One of those in `pyproject.toml`; empty for the package alone.
    upgrade : bool
        Whether what it needs is there, and too old.
    """
    if not runtime_environment.THREADS:
        return install_packages(_packages(extra))
    options = ("-U " if upgrade else "") + _ONLY_WHEELS.get(extra, "")
    return f'pip install {options}"{_source(extra)}"'


def install_packages(names: Sequence[str]) -> str:
    """Return the command for a cell that installs packages by their names into a kernel in a browser."""
    return f"%pip install {' '.join(names)}"


def _packages(extra: str) -> list[str]:
    """Return the packages that an extra names; those that are always needed where it is empty."""
    try:
        lines = metadata.requires("nbassist") or []
    except metadata.PackageNotFoundError:
        return []
    needed = [line for line in lines if (_EXTRA.search(line) or ("", ""))[1] == extra]
    return [re.split(r"[^\w.-]", line.strip(), maxsplit=1)[0] for line in needed]


_EXTRA = re.compile(r"""extra\s*==\s*['"]([\w-]+)['"]""")


def install_engine() -> str:
    """Return how to come by the engine of the local model; where there is no wheel of it, what to do instead."""
    if system := _without_wheels():
        return f"there is no package of its engine for {system}; name an endpoint, such as with NBASSIST_PROFILE=ollama"
    return pip_install("local")


def _without_wheels() -> str:
    """Return the name of this system where xllamacpp has no current wheel for it; empty elsewhere, and where unsure."""
    if not runtime_environment.THREADS:
        return "a browser"
    if sys.platform == "win32" and platform.machine() == "ARM64":
        return "Windows on ARM"
    if sys.platform == "linux" and "musl" in str(sysconfig.get_config_var("HOST_GNU_TYPE")):
        return "Linux with musl"
    if sys.platform == "darwin" and int(platform.mac_ver()[0].partition(".")[0] or 99) < 13:
        return "macOS before 13"
    return ""


def _source(extra: str) -> str:
    came = _direct_url()
    wanted = f"[{extra}]" if extra else ""
    url = str(came.get("url", ""))
    if "dir_info" in came and url.startswith("file:"):
        return f"{_path(url)}{wanted}"
    if isinstance(vcs := came.get("vcs_info"), dict):
        return f"nbassist{wanted} @ {vcs.get('vcs', 'git')}+{url}@{vcs.get('commit_id', 'HEAD')}"
    return f"nbassist{wanted} @ {url}" if url else f"nbassist{wanted}"


def _direct_url() -> dict[str, Any]:
    """What pip noted of where it was installed from; nothing where that was an index.

    Source: https://packaging.python.org/en/latest/specifications/direct-url/
    """
    try:
        found = json.loads(metadata.distribution("nbassist").read_text("direct_url.json") or "{}")
    except metadata.PackageNotFoundError:  # a checkout that is on the path, but not installed
        return {"url": Path(__file__).resolve().parents[2].as_uri(), "dir_info": {}}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _path(url: str) -> str:
    path = unquote(urlsplit(url).path)
    return path[1:] if path[2:3] == ":" else path  # file:///C:/folder
