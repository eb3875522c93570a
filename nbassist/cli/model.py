"""`nbassist model`: get, find and list model files."""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import Any

from ..server.engine import model


def add_model(commands: Any) -> None:
    """Add it to the subparsers of a command line."""
    parser = commands.add_parser("model", help="get, find and list model files")
    actions = parser.add_subparsers(dest="action", required=True, metavar="get | path | list")
    for name, run, help_ in (
        ("get", get, "fetch a model, and print its path"),
        ("path", path, "print the path of a model that is here"),
    ):
        action = actions.add_parser(name, help=help_)
        action.add_argument(
            "model", nargs="?", default="", help="`embeddings`, or hf:OWNER/NAME:FILE.gguf; the default model without"
        )
        action.set_defaults(run=run)
    actions.add_parser("list", help="list the models that are here").set_defaults(run=list_)


def get(options: argparse.Namespace) -> None:
    """Fetch a model."""
    from ..server.engine.download import get as fetch

    bar = _Bar()
    try:
        found = fetch(options.model, bar)
    finally:
        bar.end()
    _say(str(found))


def path(options: argparse.Namespace) -> None:
    """Print where a model is; one that is cut or altered is an error."""
    _say(str(model.usable(options.model or os.environ.get("NBASSIST_MODEL_FILE", ""))))


def list_(options: argparse.Namespace) -> None:
    """Print each model file in the cache with its size; the default model is marked."""
    files = model.installed()
    if not files:
        sys.stderr.write(f"no model in {model.folder()}: run `nbassist model get`\n")
    for file in files:
        marks = {model.DEFAULT.name: "  (default)", model.EMBEDDINGS.name: "  (embeddings)"}
        mark = marks.get(file.name, "")
        _say(f"{file.stat().st_size / 1e9:6.2f} GB  {file}{mark}")


class _Bar:
    """One line on standard error, written over on a terminal, and now and then elsewhere."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._next = 0.0
        self._words = ""
        self._open = False

    def __call__(self, words: str, done: int, total: int, /) -> None:
        now = time.monotonic()
        if words == self._words and now < self._next and not (total and done >= total):
            return
        # A terminal's line is written over five times a second; a log gets a line every ten.
        self._words, self._next = words, now + (0.2 if self._terminal else 10.0)
        share = f"{done / total:4.0%} of {total / 1e9:.2f} GB" if total else f"{done / 1e6:.0f} MB"
        line = f"{words}: {share}"
        sys.stderr.write(f"\r{line:<60}" if self._terminal else f"{line}\n")
        sys.stderr.flush()
        self._open = self._terminal

    def end(self) -> None:
        """Leave the line."""
        if self._open:
            sys.stderr.write("\n")
            self._open = False


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
