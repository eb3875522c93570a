"""`nbassist demo`: a conversation with a tool, in the terminal; with the local model where no endpoint is set."""

from __future__ import annotations

import argparse
import sys

from .errors import ModelFileError
from .settings import resolve

QUESTIONS = (
    "Which version of the package ipython is installed?",
    "Is that newer than version 8? Answer with yes or no.",
)


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
    from .assistant import Assistant
    from .display.view import make_view

    assistant = Assistant(settings=settings, tools=[installed_version])
    _say("The model may call installed_version(package), a Python function of this process.")
    for question in QUESTIONS:
        _say(f"\n> {question}\n")
        assistant.ask(question, view=make_view("terminal"))
    _say("\nIn a notebook: %load_ext nbassist, then %%assistant and your question below it.")


def _fetch() -> None:
    from .local import cli, model

    try:
        model.locate()
    except ModelFileError:
        _say("Fetching the local model first, once.")
        cli.get(argparse.Namespace(model=""))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
