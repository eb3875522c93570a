"""`nbassist log`, `nbassist demo` and `nbassist doctor`: the journal, a conversation, and the report, in a terminal."""

from __future__ import annotations

import argparse
import io
import sys
from dataclasses import asdict
from datetime import datetime
from typing import Any

from ..config.settings import resolve
from ..core.text import clean, json_line, one_line
from ..doctor.checks import report
from ..errors import ModelFileError
from ..journal.entry import Entry, seconds_of
from ..journal.event_codec import to_json
from ..journal.journal import default_journal


def add_log(commands: Any) -> None:
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
    if options.json:
        as_utf8(sys.stdout)
    if options.run_number is not None:
        entry = journal.entry(options.run_number)
        _print(_json(entry) if options.json else f"{_line(entry)}\n\n{clean(entry.prompt)}\n\n{clean(entry.text)}")
        return
    narrowed = bool(options.grep or options.since)
    # Whoever narrows it down wants all that fits.
    entries = journal.entries(grep=options.grep, since=seconds_of(options.since), last=0 if narrowed else options.last)
    if not entries:
        sys.stderr.write("no run is like that\n" if narrowed else "no runs yet: the cells of notebooks are kept here\n")
    elif not options.json:
        _print(_HEADS)
    for entry in entries:
        _print(_json(entry) if options.json else _line(entry))


def as_utf8(stream: Any) -> None:
    """Have a stream of data be UTF-8, as files are: on Windows a pipe takes the letters of one part of the world."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding="utf-8")


_HEADS = "  run  began             took      tokens       finish       model and prompt"


def _line(entry: Entry) -> str:
    when = datetime.fromtimestamp(entry.began).strftime("%Y-%m-%d %H:%M")
    prompt = " ".join(clean(entry.prompt).split())[:80]
    tokens = f"{entry.usage.input_tokens}+{entry.usage.output_tokens}" if entry.usage.known else ""
    cells = (f"{entry.number:>5}", when, f"{entry.seconds:6.1f} s", f"{tokens:>11}", f"{entry.finish:<11}")
    return "  ".join((*cells, f"{one_line(entry.model)}  {prompt}"))


def _json(entry: Entry) -> str:
    data = asdict(entry) | {"events": to_json(entry.events)}
    return json_line(data)


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")


# What a model of 1.5 billion parameters gets right with one tool, and can't know without it.
QUESTIONS = (
    "Which version of the package ipython is installed?",
    "Is that newer than version 8? Answer with yes or no.",
)


def add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add it to the subparsers of a command line."""
    parser = commands.add_parser("demo", help="watch a conversation with a tool, in the terminal")
    parser.set_defaults(run=demo)


def installed_version(package: str) -> str:
    """Look up which version of a Python package is installed.

    Parameters
    ----------
    package
        The name of the package.
    """
    from importlib.metadata import version

    return version(package)


def demo(options: argparse.Namespace) -> None:
    """Ask a question that the model can only answer by calling a function of this module, and one about its answer."""
    settings = resolve()
    if settings.local:
        _fetch()
    # Imported here: `nbassist log` and `serve` need none of it, and it takes a second.
    from ..assistant import Assistant
    from ..display.view import make_view

    assistant = Assistant(settings=settings, tools=[installed_version])
    _say("The model may call installed_version(package), a Python function of this process.")
    for question in QUESTIONS:
        _say(f"\n> {question}\n")
        assistant.ask(question, view=make_view("terminal"))
    _say("\nIn a notebook: %load_ext nbassist, then %%assistant and your question below it.")


def _fetch() -> None:
    from ..server.engine.model import locate
    from . import model

    try:
        locate()
    except ModelFileError:
        _say("Fetching the local model first, once.")
        model.get(argparse.Namespace(model=""))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    # The view writes to the same terminal by another way, and the lines are to stand in order.
    sys.stdout.flush()


_MARKS = {"ok": "ok  ", "note": "note", "wrong": "FAIL"}


def add_doctor(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add it to the subparsers of a command line."""
    parser = commands.add_parser("doctor", help="what is installed and reached, what is wrong, and what mends it")
    parser.set_defaults(run=doctor)


def doctor(options: argparse.Namespace) -> int:
    """Print the report; return 1 where something is wrong."""
    found = report()
    width = max(len(one.what) for one in found)
    for one in found:
        sys.stdout.write(f"{_MARKS[one.state]}  {one.what:<{width}}  {clean(one.line)}\n")
    wrong = sum(one.state == "wrong" for one in found)
    sys.stdout.write(f"\n{wrong} wrong\n" if wrong else "\nall is well\n")
    return 1 if wrong else 0
