"""The magics can do nothing that the Python API can't: each flag and each command has its equal."""

from __future__ import annotations

import inspect
from importlib import import_module

import pytest

import nbassist
from nbassist.magics.commands import COMMANDS, find
from nbassist.magics.line.flags import parser
from nbassist.run.options import DEFAULTS
from nbassist.sweep import Sweep

# What a flag is called in the API, where it is not the same word; an empty one is about the notebook alone.
FLAGS = {
    "model": "model",
    "profile": "Assistant(profile=)",
    "raw": "template",
    "show_prompt": "show",
    "append": "cell",  # an append is a prompt that names no cell
    "no_tools": "tools",
    "to": "",
    "code": "Reply.code",
    "dry_run": "Sweep.estimate",
    "checks": "Runs.check",
    "judges": "Runs.judge",
    "judge_model": "Runs.judge",
    "only": "Runs.retry_errors",
    "best_of": "Sweep.run_best_of",
    "on": "Sweep.run",  # on a client of Dask
    "batch": "Sweep.run",  # by the service's batches
    "yes": "",
}
EQUALS = {
    "status": "nbassist.config.settings:resolve",
    "help": "",
    "use": "nbassist.config.profiles:find",
    "models": "nbassist.backends:connect",
    "profiles": "nbassist.config.profiles:profiles",
    "threads": "nbassist.threads:Threads.names",
    "new": "nbassist.threads:Threads.new",
    "fork": "nbassist.threads:Threads.fork",
    "undo": "nbassist.threads:Threads.undo",
    "rename": "nbassist.threads:Threads.rename",
    "delete": "nbassist.threads:Threads.delete",
    "history": "nbassist.threads:History.of",
    "edit": "nbassist.threads:place",
    "save": "nbassist.core.conversation:Conversation.save",
    "load": "nbassist.threads:Threads.load",
    "open": "nbassist.assistant:Assistant.open",
    "export": "nbassist.export:export",
    "keep": "nbassist.sweep:Runs.keep",
    "prompts": "nbassist.journal:Journal.prompts",
    "log": "nbassist.journal:Journal.entries",
    "diff": "nbassist.journal.diff:compare",
    "rate": "nbassist.journal:Journal.rate",
    "fix": "nbassist.magics.commands.questions:about_failure",
    "explain": "nbassist.magics.commands.questions:about_name",
    "tools": "nbassist.tools:Toolbox",
    "files": "nbassist.documents.file_index:FileIndex.add",
}


def dests() -> list[str]:
    return [action.dest for action in parser()._actions]


@pytest.mark.parametrize("dest", dests())
def test_each_flag_has_its_equal(dest: str) -> None:
    name = FLAGS.get(dest, dest)
    known = {*DEFAULTS, *inspect.signature(Sweep).parameters}
    if name and "." not in name and "(" not in name:
        assert name in known, f"--{dest} has no equal in the API"


@pytest.mark.parametrize("name", sorted(EQUALS))
def test_each_command_has_its_equal(name: str) -> None:
    assert name in COMMANDS
    module, _, path = EQUALS[name].partition(":")
    found = import_module(module) if module else None
    for part in path.split(".") if path else ():
        found = getattr(found, part)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_each_command_is_there_and_says_in_one_line_what_it_does(name: str) -> None:
    doc = inspect.getdoc(find(name))
    assert doc
    assert len(doc.splitlines()[0]) < 120


@pytest.mark.parametrize("name", nbassist.__all__)
def test_each_public_name_is_there(name: str) -> None:
    assert getattr(nbassist, name) is not None
