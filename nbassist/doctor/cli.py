"""`nbassist doctor`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from ..errors import SettingsError
from ..settings import Settings, resolve
from . import Finding, examine, installed, kept, reached

_MARKS = {"ok": "ok  ", "note": "note", "wrong": "FAIL"}


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add it to the subparsers of a command line."""
    parser = commands.add_parser("doctor", help="what is installed and reached, what is wrong, and what mends it")
    parser.set_defaults(run=doctor)


def doctor(options: argparse.Namespace) -> int:
    """Print the report; return 1 where something is wrong."""
    found = report()
    width = max(len(one.what) for one in found)
    for one in found:
        sys.stdout.write(f"{_MARKS[one.state]}  {one.what:<{width}}  {one.line}\n")
    wrong = sum(one.state == "wrong" for one in found)
    sys.stdout.write(f"\n{wrong} wrong\n" if wrong else "\nall is well\n")
    return 1 if wrong else 0


def report(settings: Settings | SettingsError | None = None) -> list[Finding]:
    """Return all that can be found without a frontend.

    Parameters
    ----------
    settings : Settings or SettingsError, optional
        Where prompts go, or why that can't be settled; settled from the environment by default.
    """
    found = examine(installed.python, installed.packages, installed.extras, installed.environment)
    if settings is None:
        try:
            settings = resolve()
        except SettingsError as error:
            settings = error
    settled = settings

    def local_model() -> Iterator[Finding]:
        return installed.model_file(isinstance(settled, Settings) and settled.local)

    def endpoint() -> Iterator[Finding]:
        if isinstance(settled, SettingsError):
            raise settled
        return reached.endpoint(settled)

    found += examine(local_model, reached.own_profiles, endpoint)
    return [*found, *examine(kept.journal, kept.threads)]
