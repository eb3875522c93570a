"""`nbassist clean`: what lies where, how large it is, and its removal on a yes."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config.paths import config_file, data_file
from ..errors import LocalError, UsageError
from ..server.engine import model
from ..server.process import kept_files

_KINDS = {
    "threads": "the conversations of all notebooks",
    "journal": "every run and each kept reply",
    "vectors": "vectors of the files that notebooks search",
    "models": "model files of the embedded server",
    "server": "the embedded server's state and log, and the Assistants server's threads and token",
    "settings": "your profiles and prices",
}


@dataclass(frozen=True, slots=True)
class Kept:
    """What nbassist keeps of one kind: its files and folders that are there."""

    kind: str
    paths: tuple[Path, ...]

    @property
    def size(self) -> int:
        """How large it is, in bytes."""
        return sum(file.lstat().st_size for path in self.paths for file in _files(path))


def add_clean(commands: Any) -> None:
    """Add it to the subparsers of a command line."""
    parser = commands.add_parser("clean", help="list what nbassist keeps on this machine, and remove it on a yes")
    named = "; ".join(f"{kind}: {text}" for kind, text in _KINDS.items())
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"only this ({named}); all without")
    parser.add_argument("--yes", action="store_true", help="remove it without asking")
    parser.add_argument("--list", action="store_true", help="list it, and ask nothing")
    parser.set_defaults(run=clean)


def clean(options: argparse.Namespace) -> int:
    """List what is kept, and remove it where a person, or `--yes`, says so."""
    if unknown := [kind for kind in options.kinds if kind not in _KINDS]:
        raise UsageError(f"{unknown[0]} is no kind of files: choose among {', '.join(_KINDS)}")
    found = [one for one in kept() if one.kind in (options.kinds or _KINDS)]
    if not found:
        _say("nothing of it is on this machine")
        return 0
    for one in found:
        _say(f"{one.kind:<9} {_in_words(one.size):>9}  {_KINDS[one.kind]}")
        for path in one.paths:
            _say(f"{'':>21}{path}")
    _say("notebooks, their replies beside them and the Python package itself are not among it")
    if options.list or not (options.yes or _agreed()):
        return 0
    failed = [error for one in found for path in one.paths if (error := _remove(path))]
    if failed:
        raise LocalError(f"not all was removed: {failed[0]}; close the notebooks that use it, and try again")
    _say("removed")
    return 0


def kept() -> list[Kept]:
    """Return what is on this machine, by kind; what is not there is left out."""
    data = data_file("journal.db").parent
    journal = [*data.glob("journal.db*"), data_file("batches.json")]
    every = {
        "threads": [data_file("threads")],
        "journal": sorted(journal),
        "vectors": sorted(data.glob("vectors.db*")),
        "models": [model.folder()],
        "server": kept_files(),
        "settings": [config_file("profiles.toml"), config_file("prices.toml")],
    }
    there = {kind: tuple(path for path in paths if os.path.lexists(path)) for kind, paths in every.items()}
    return [Kept(kind, paths) for kind, paths in there.items() if paths]


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir() and not path.is_symlink():
        yield from (file for file in path.rglob("*") if file.is_file() or file.is_symlink())
    else:
        yield path


def _agreed() -> bool:
    if not sys.stdin.isatty():
        _say("nothing was removed: there is no one to ask, and --yes was not said")
        return False
    return input("remove all of it? [y/N] ").strip().lower() in ("y", "yes")


def _remove(path: Path) -> str:
    """Remove a file or a folder, and the folder above it where that is ours and empty; return what went wrong."""
    try:
        # A link is removed, and what it leads to is not ours.
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        if path.parent.name == "nbassist" and not any(path.parent.iterdir()):
            path.parent.rmdir()
    except OSError as error:
        return f"{error.filename or path} ({error.strerror or error})"
    return ""


def _in_words(size: int) -> str:
    """Return a size as a person says it."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} bytes"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
