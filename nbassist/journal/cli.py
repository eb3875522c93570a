"""`nbassist log`: the journal on the command line."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from datetime import datetime
from typing import Any

from .codec import to_json
from .entry import Entry
from .journal import default_journal
from .since import seconds_of


def add_commands(commands: Any) -> None:
    """Add it to the subparsers of a command line."""
    parser = commands.add_parser("log", help="list what was asked, or show one run")
    parser.add_argument("run_number", nargs="?", type=int, metavar="RUN", help="show this one")
    parser.add_argument("--grep", default="", metavar="WORDS", help="only those with this in prompt or answer")
    parser.add_argument("--since", default="", metavar="WHEN", help="30m, 2h, 3d or a date")
    parser.add_argument("--last", type=int, default=20, metavar="N", help="how many (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="as JSON, one run on each line")
    parser.set_defaults(run=log)


def log(options: argparse.Namespace) -> None:
    """Print runs, oldest first."""
    journal = default_journal()
    if options.run_number is not None:
        entry = journal.entry(options.run_number)
        _print(_json(entry) if options.json else f"{_line(entry)}\n\n{entry.prompt}\n\n{entry.text}")
        return
    narrowed = bool(options.grep or options.since)
    entries = journal.entries(grep=options.grep, since=seconds_of(options.since), last=0 if narrowed else options.last)
    if not entries:
        sys.stderr.write("no run is like that\n" if narrowed else "no runs yet: the cells of notebooks are kept here\n")
    elif not options.json:
        _print(_HEADS)
    for entry in entries:
        _print(_json(entry) if options.json else _line(entry))


_HEADS = "  run  began             took      tokens       finish       model and prompt"


def _line(entry: Entry) -> str:
    when = datetime.fromtimestamp(entry.began).strftime("%Y-%m-%d %H:%M")
    prompt = " ".join(entry.prompt.split())[:80]
    tokens = f"{entry.usage.input_tokens}+{entry.usage.output_tokens}" if entry.usage.known else ""
    cells = (f"{entry.number:>5}", when, f"{entry.seconds:6.1f} s", f"{tokens:>11}", f"{entry.finish:<11}")
    return "  ".join((*cells, f"{entry.model}  {prompt}"))


def _json(entry: Entry) -> str:
    data = asdict(entry) | {"events": to_json(entry.events)}
    return json.dumps(data, ensure_ascii=False)


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
