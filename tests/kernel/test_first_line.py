"""The first line of a cell, and the lines of `%assistant`, as people write them."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.kernel
CHAT = "/chat/completions"


@pytest.fixture(autouse=True)
def answered(model: Any) -> None:
    model("fine")


def sent(endpoint: Any) -> dict[str, Any]:
    body: dict[str, Any] = endpoint.bodies(CHAT)[-1]
    return body


@pytest.mark.parametrize("written", ["{name}", "$name", "{names[0]}", "{config['model']}"])
def test_names_of_the_notebook_are_expanded_as_in_other_magics(kernel: Any, endpoint: Any, written: str) -> None:
    kernel.run("name = 'large'\nnames = [name]\nconfig = {'model': name}")
    assert kernel.run(f"%%assistant -m {written}\nq").error is None
    assert sent(endpoint)["model"] == "large"


def test_what_names_nothing_stays_and_a_model_that_does_is_an_error(kernel: Any, endpoint: Any) -> None:
    kernel.run('%%assistant -s "costs $5 {or so}" -p metadata={"a": "b"}\nq')
    assert sent(endpoint)["messages"][0]["content"] == "costs $5 {or so}"
    assert sent(endpoint)["metadata"] == {"a": "b"}
    assert "it names nothing of this notebook" in kernel.run("%%assistant -m {nme}\nq").error["evalue"]


def test_quotes_brackets_and_paths_of_windows_arrive_as_they_were_written(kernel: Any, endpoint: Any) -> None:
    kernel.run(r'%%assistant -p stop=["\n", "a b"] -s "say \"no\" to it' "'" 's end"' + "\nq")
    assert sent(endpoint)["stop"] == ["\n", "a b"]
    assert sent(endpoint)["messages"][0]["content"] == 'say "no" to it\'s end'
    for written in (r"C:\data\new.csv", r'"C:\my data\new.csv"', r"\\server\share\new.csv"):
        ran = kernel.run(f"%%assistant --file {written}\nq")
        assert written.strip('"') in ran.error["evalue"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("gpt-x", "a model is named with -m gpt-x"),
        ("-t new thread", '-t "new thread"'),
        ("-t new thread -m other", '-t "new thread"'),
        ("-p temp=0", "did you mean temperature=0?"),
        ("-p temprature=0", "did you mean temperature=0?"),
        ("--rwa", "did you mean --raw?"),
    ],
)
def test_what_is_not_understood_is_one_line_with_what_to_write(
    kernel: Any, endpoint: Any, line: str, words: str
) -> None:
    ran = kernel.run(f"%%assistant {line}\nq")
    assert words in ran.error["evalue"]
    assert len(ran.error["traceback"]) == 1
    assert not endpoint.bodies(CHAT)


def test_a_parameter_of_an_engines_own_is_passed_on(kernel: Any, endpoint: Any) -> None:
    kernel.run("%%assistant -p mirostat=2\nq")
    assert sent(endpoint)["mirostat"] == 2


@pytest.mark.parametrize("above", ["# ask it\n", "\n\n", "#@title Ask the model\n\n# in brief\n", "   \n# a\n"])
def test_comments_and_blank_lines_above_are_passed_over(kernel: Any, said: Any, above: str) -> None:
    ran = kernel.run(f"{above}%%assistant\n# the prompt\nq")
    assert ran.error is None
    assert said() == "# the prompt\nq"
    assert kernel.run("In[-2]").result != ""
    assert kernel.run("get_ipython().history_manager.input_hist_raw[-2]").error is None


def test_code_above_is_no_comment(kernel: Any, endpoint: Any) -> None:
    kernel.run("x = 1\n%%assistant\nq")
    assert not endpoint.bodies(CHAT)


def test_a_question_mark_at_the_end_asks_the_model_and_not_ipython(kernel: Any, said: Any) -> None:
    kernel.run("1 / 0")
    ran = kernel.run("%assistant fix why doesn't this work?")
    assert ran.error is None
    assert said().endswith("why doesn't this work?")
    kernel.run("total = 5\nif total:\n    %assistant explain total what is it for?")
    assert said().endswith("what is it for?")


def test_a_question_mark_in_a_text_or_behind_a_name_means_what_it_meant(kernel: Any, endpoint: Any) -> None:
    assert kernel.run("text = '''\n%assistant fix it?\n'''\ntext").result == "'\\n%assistant fix it?\\n'"
    assert kernel.run("%assistant?").error is None
    assert kernel.run("%%assistant?").error is None
    assert not endpoint.bodies(CHAT)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("%%assistant --help", "--show-prompt"),
        ("%%assistant -h\nq", "--show-prompt"),
        ("%%assistant ?", "--show-prompt"),
        ("%%assistant --version", "nbassist 0."),
        ("%assistant --version", "nbassist 0."),
        ("%assistant --help", "fix "),
        ("%assistant -h", "fix "),
        ("%assistant ?", "fix "),
        ("%assistant help sweep", "--vary"),
        ("%assistant help --see", "later only what changed"),
        ("%assistant help fix", "with --code the corrected cell is put below"),
        ("%assistant fix?", "with --code the corrected cell is put below"),
        ("%assistant log?", "--since"),
        ("%assistant fix --help", "with --code the corrected cell is put below"),
        ("%assistant help prompt", "\\{{ x }}"),
        ("%assistant help config", "on_failure"),
    ],
)
def test_who_asks_for_help_gets_it_and_nothing_is_asked(kernel: Any, endpoint: Any, cell: str, words: str) -> None:
    ran = kernel.run(cell)
    assert ran.error is None
    assert words in ran.stdout + ran.result
    assert not endpoint.bodies(CHAT)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("%%assistant", "write the prompt on the lines below"),
        ("%assistant help fxi", "did you mean fix?"),
        ("%assistant -m large", "with two %"),
    ],
)
def test_what_is_missing_is_said(kernel: Any, line: str, words: str) -> None:
    assert words in kernel.run(line).error["evalue"]


def test_an_error_of_ours_is_none_to_be_fixed(kernel: Any) -> None:
    kernel.run("%assistant nonsense")
    assert "nothing failed" in kernel.run("%assistant fix").error["evalue"]


def test_a_terminal_waits_for_the_prompt_below(kernel: Any) -> None:
    asked = "[get_ipython().check_complete(cell)[0] for cell in ('%%assistant', '%%assistant -m x\\nq')]"
    assert kernel.run(asked).result == "['incomplete', 'incomplete']"
