"""Tab in the cells of the assistant, over the kernel's protocol: what belongs there, its help, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = [pytest.mark.kernel, pytest.mark.since("ipython", "8.6")]

SETUP = """
model = module = 1
items, people, long_text = [1, 2], {"a": 1}, "text"
import math
class Answer: pass
"""


@pytest.fixture
def tab(kernel: Any) -> Any:
    """Asks for what may stand at the end of a cell; gives the texts and what is said of each."""
    kernel.run(SETUP)

    def ask(code: str) -> dict[str, str]:
        asked = kernel.client.complete(code, len(code))
        while True:
            reply = kernel.client.get_shell_msg(timeout=30)
            if reply["parent_header"].get("msg_id") == asked:
                types = reply["content"]["metadata"]["_jupyter_types_experimental"]
                assert [one["text"] for one in types] == reply["content"]["matches"]
                return {one["text"]: one["type"] for one in types}

    return ask


def test_flags_come_with_their_help_and_without_names_of_python(tab: Any) -> None:
    found = tab("%%assistant --")
    assert found["--model"] == "the model that answers"
    assert all(name.startswith("--") for name in found)
    assert list(tab("%%assistant --mo")) == ["--model"]
    assert list(tab("%%assistant --rea")) == ["--reasoning"]


def test_a_flag_that_is_given_is_not_offered_again_unless_it_may_be(tab: Any) -> None:
    found = tab("%%assistant --model x --image fig --")
    assert "--model" not in found
    assert "--image" in found


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("--cache ", ["auto", "off", "refresh", "replay"]),
        ("--cache re", ["refresh", "replay"]),
        ("--reasoning m", ["minimal", "medium", "max"]),
        ("--vary mo", ["model="]),
        ("--vary reasoning=low,me", ["medium"]),
        ("-p temp", ["temperature="]),
        ("--over it", ["items"]),
        ("--over long", []),
        ("--see items,peo", ["people"]),
        ("--as Ans", ["Answer"]),
        ("--as js", ["json"]),
        ("--to lon", ["long_text"]),
        ("--tools row", ["row_count"]),
        ("--profile olla", ["ollama"]),
    ],
)
def test_each_flag_offers_its_own_values(kernel: Any, tab: Any, line: str, offered: list[str]) -> None:
    kernel.run("from nbassist import tool\n@tool\ndef row_count(t: str) -> int:\n    'Count.'\n    return 1\n")
    word = line.rpartition(" ")[2].rpartition(",")[2]
    assert list(tab(f"%%assistant {line}")) == (offered or [word])  # where nothing fits, what stands there stays


def test_a_sweep_goes_over_what_can_be_gone_over(tab: Any) -> None:
    found = tab("%%assistant --over ")
    assert {"items", "people"} <= set(found)
    assert not {"long_text", "model", "math", "Answer"} & set(found)
    assert found["people"] == "dict"


def test_threads_with_blanks_are_quoted(kernel: Any, tab: Any) -> None:
    kernel.run('%assistant new "two words"')
    assert '"two words"' in tab("%%assistant -t ")


@pytest.mark.parametrize(
    ("line", "first", "never"),
    [
        ("%assistant tools re", "remove", "%recall"),
        ("%assistant tools ", "add", "%alias"),
        ("%assistant hi", "history", "%hist"),
        ("%assistant log --gr", "--grep", "--model"),
        ("%assistant fix --mo", "--model", "module"),
        ("%assistant explain ite", "items", "iter"),
        ("x = 1\n%assistant thr", "threads", "%thr"),
        ("%assistant tools add py", "python", "%pylab"),
        ("%assistant tools add ma", "math", "max"),
    ],
)
def test_commands_and_their_words_come_first_and_alone(tab: Any, line: str, first: str, never: str) -> None:
    found = list(tab(line))
    assert found[0] == first
    assert never not in found


def test_commands_say_what_they_do(tab: Any) -> None:
    assert tab("%assistant ")["undo"].startswith("Take back the last turns")


def test_a_comment_above_the_magic_does_not_hide_it(tab: Any) -> None:
    assert list(tab("# ask it\n\n%%assistant --mo")) == ["--model"]


def test_names_and_formats_are_offered_in_braces_and_nothing_in_prose(kernel: Any, tab: Any) -> None:
    kernel.run("import pandas as pd; table = pd.DataFrame({'price': [1], 'two words': [2]})")
    assert list(tab("%%assistant\nHow many of {{ ite")) == ["items"]
    assert list(tab("%%assistant\nThe mean is {{ table.pri")) == ["table.price"]
    assert list(tab("%%assistant\nFirst {{ items | he")) == ["head"]
    assert list(tab("%%assistant\nTell me about the mod")) == ["mod"]
    assert list(tab("%%assistant\n{{ items }} and the mod")) == ["mod"]


def test_other_cells_are_completed_as_ever(tab: Any) -> None:
    assert {"model", "module"} <= set(tab("mod"))
    assert "model" in tab("assistant = 1\nmod")
    assert "%%timeit" in tab("%%tim")


def test_a_reloaded_extension_completes_once(kernel: Any, tab: Any) -> None:
    kernel.run("%reload_ext nbassist")
    assert list(tab("%%assistant --mo")) == ["--model"]
    count = "print(sum(getattr(m, 'matcher_identifier', '') == 'nbassist' for m in get_ipython().Completer.matchers))"
    assert kernel.run(count).stdout.strip() == "1"
