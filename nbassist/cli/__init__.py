"""The command line, `nbassist` or `python -m nbassist`: errors are one line, and exit with 1, wrong usage with 2.

Stands on `assistant`, `config`, `display`, `doctor`, `journal` and `server`. Begin with `main`; `serve` has the server
and its models, `clean` what removes files, `commands` the rest.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence

from .. import __version__
from ..errors import NbassistError, UsageError
from .clean import add_clean
from .commands import add_demo, add_doctor, add_log
from .model import add_model
from .serve import add_serve
from .store import add_export, add_import, add_token


def parser() -> argparse.ArgumentParser:
    """Return the parser; each command sets `run`, which takes the options and returns nothing or an exit code."""
    made = argparse.ArgumentParser("nbassist", description="An assistant in the notebook: its server, models, journal.")
    made.add_argument("--version", action="version", version=f"nbassist {__version__}")
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (add_serve, add_model, add_token, add_import, add_export, add_log, add_doctor, add_demo, add_clean):
        add(commands)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, and return its exit code."""
    # A file or a pipe on Windows takes the letters of one part of the world, and the output must not break off at the
    # first other one.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        options = parser().parse_args(argv)
        return int(options.run(options) or 0)
    except UsageError as error:
        sys.stderr.write(f"nbassist: {error}\n")
        return 2
    except NbassistError as error:
        sys.stderr.write(f"nbassist: {error}\n")
        return 1
    except KeyboardInterrupt:
        # 128 and the number of SIGINT, as shells have it.
        return 130
    except BrokenPipeError:  # the reader of our output left
        return 1
