"""What a person meets first: the names of the package, what Tab reads of them, and arguments that are not known."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any

import pytest

import nbassist
from nbassist import Assistant, UsageError
from nbassist.run.options import DEFAULTS, FLAGS, PromptOptions
from nbassist.testing import Say, ScriptedBackend

SHOWN = {"Assistant", "Conversation", "Reply", "Sweep", "Tool", "ToolResult", "tool"}


def test_dir_shows_what_people_use_and_imports_nothing() -> None:
    code = "import sys, nbassist; print(*dir(nbassist)); print([m for m in sys.modules if m.startswith('nbassist')])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    names = set(said[0].split())
    assert {name for name in names if not name.endswith("Error")} == SHOWN
    assert said[1] == "['nbassist']"


@pytest.mark.parametrize("name", dir(nbassist))
def test_each_name_that_is_shown_is_public_and_there(name: str) -> None:
    assert name in nbassist.__all__
    assert getattr(nbassist, name).__name__ == name


@pytest.mark.parametrize("method", ["ask", "aask", "stream", "astream", "resume", "aresume", "preview"])
def test_tab_sees_each_option_of_a_prompt(method: str) -> None:
    known = inspect.signature(getattr(Assistant, method)).parameters
    assert known.keys() >= DEFAULTS.keys()
    assert all(known[name].default == value for name, value in DEFAULTS.items())


def test_each_option_is_typed_has_a_default_and_is_explained() -> None:
    assert list(PromptOptions.__annotations__) == list(DEFAULTS)
    assert FLAGS.keys() <= DEFAULTS.keys()
    doc = inspect.getdoc(PromptOptions) or ""
    assert [name for name in DEFAULTS if name not in doc] == []


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        (("gpt-x",), {}, r"^Assistant takes its arguments by name: Assistant\(model='gpt-x'\)$"),
        (("http://127.0.0.1:1/v1",), {}, r"by name: Assistant\(base_url='http://127.0.0.1:1/v1'\)$"),
        ((ScriptedBackend(),), {}, r"by name: Assistant\(backend=\.\.\.\)$"),
        ((), {"modle": "m"}, r"^Assistant has no option 'modle'; did you mean model\?$"),
        ((), {"zzz": 1}, r"^Assistant has no option 'zzz'; known are backend, base_url, api_key, model"),
    ],
)
def test_arguments_that_are_not_known_are_one_line(arguments: Any, options: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Assistant(*arguments, **options)


def test_an_option_of_a_prompt_that_is_not_known_is_one_line_and_nothing_is_asked() -> None:
    backend = ScriptedBackend(Say("hello"))
    with pytest.raises(UsageError, match=r"^a prompt has no option 'modell'; did you mean model\?$"):
        Assistant(backend=backend, tools=()).ask("hi", modell="m")  # type: ignore[call-arg]  # what a person may write
    assert Assistant(backend=backend, tools=()).ask("hi").text == "hello"
