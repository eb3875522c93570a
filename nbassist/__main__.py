"""The command line, `nbassist` or `python -m nbassist`: errors are one line, and exit with 1, wrong usage with 2."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from . import __version__, demo
from .doctor import cli as doctor_cli
from .errors import NbassistError, UsageError
from .journal import cli as journal_cli
from .local import cli


def parser() -> argparse.ArgumentParser:
    """Return the parser; each command sets `run`, which takes the options and returns nothing or an exit code."""
    made = argparse.ArgumentParser("nbassist", description="An assistant in the notebook: its server, models, journal.")
    made.add_argument("--version", action="version", version=f"nbassist {__version__}")
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    cli.add_commands(commands)
    journal_cli.add_commands(commands)
    doctor_cli.add_commands(commands)
    demo.add_commands(commands)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, and return its exit code."""
    options = parser().parse_args(argv)
    try:
        return int(options.run(options) or 0)
    except UsageError as error:
        sys.stderr.write(f"nbassist: {error}\n")
        return 2
    except NbassistError as error:
        sys.stderr.write(f"nbassist: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output left
        return 1


if __name__ == "__main__":
    sys.exit(main())
