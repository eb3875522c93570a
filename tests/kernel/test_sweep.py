"""Sweeps in a real kernel: over live variables, with tools, from the cache, interrupted and gone on with."""

from __future__ import annotations

import re
from typing import Any

import pytest

pytestmark = pytest.mark.kernel
CHAT = "/chat/completions"


@pytest.fixture
def echo(endpoint: Any, wire: Any) -> Any:
    endpoint.on("POST", CHAT, wire.answer(wire.stream(wire.delta(content="said"), wire.delta("stop"))))
    return endpoint


def ask(kernel: Any, cell: str) -> Any:
    ran = kernel.run(cell)
    assert ran.error is None, ran.error
    return ran


def test_a_sweep_goes_over_live_variables_in_every_variant(kernel: Any, echo: Any) -> None:
    kernel.run("import pandas as pd; df = pd.DataFrame({'text': ['good', 'bad']})")
    cell = "%%assistant --vary model=a,b --vary temperature=0,1 --over df.head(2)\n"
    ran = ask(kernel, cell + "{{ alt: 'Brief.' | 'Kind.' }} Rate {{ row.text }}.")
    assert "2×2×2×2 = 16 calls" in ran.stdout
    sent = {(b["model"], b["temperature"], b["messages"][-1]["content"]) for b in echo.bodies(CHAT)}
    assert len(sent) == 16
    assert ("b", 1, "Kind. Rate bad.") in sent
    assert kernel.run("len(_), _.df.shape[0], _[0].text").result == "(16, 16, 'said')"


def test_a_dry_run_asks_nothing(kernel: Any, echo: Any) -> None:
    ran = ask(kernel, "%%assistant --vary model=a,b --repeat 3 --dry-run\nHello")
    assert "2×3 = 6 calls" in ran.stdout
    assert echo.bodies(CHAT) == []


def test_running_the_cell_again_asks_only_what_is_new(kernel: Any, echo: Any) -> None:
    ask(kernel, "%%assistant --over orders[:5]\nSay {{ item }}")
    ran = ask(kernel, "%%assistant --over orders[:8]\nSay {{ item }}")
    assert "8 calls, 5 from the cache" in ran.stdout
    assert len(echo.bodies(CHAT)) == 8


def test_a_large_sweep_asks_first_and_is_refused_where_no_one_is_there(kernel: Any, echo: Any) -> None:
    kernel.run("%config NbAssist.ask_above = 3")
    reply = kernel.client.execute("%%assistant --over orders[:5]\nSay {{ item }}", allow_stdin=False)
    ran = kernel.wait(reply)
    assert "allow it with --yes" in ran.error["evalue"]
    assert echo.bodies(CHAT) == []
    ask(kernel, "%%assistant --over orders[:5] --yes\nSay {{ item }}")
    assert len(echo.bodies(CHAT)) == 5


def test_an_interrupt_keeps_what_is_done_and_running_again_does_the_rest(kernel: Any, endpoint: Any, wire: Any) -> None:
    import threading

    third, go = threading.Event(), threading.Event()
    count = 0

    def hold(number: int) -> None:
        nonlocal count
        if number == 0:
            count += 1
        if count == 3 and not go.is_set():
            third.set()
            go.wait(60)

    endpoint.on("POST", CHAT, wire.answer(wire.stream(wire.delta(content="said"), wire.delta("stop")), before=hold))
    asked = kernel.send("%%assistant --over orders[:6] --jobs 1\nSay {{ item }}")
    assert third.wait(60)
    kernel.interrupt()
    ran = kernel.wait(asked)
    go.set()
    assert ran.error is None, "what is done is handed over"
    assert kernel.run("sum(run.ok for run in _)").result == "2"
    before = len(endpoint.bodies(CHAT))
    ask(kernel, "%%assistant --over orders[:6] --jobs 1\nSay {{ item }}")
    assert len(endpoint.bodies(CHAT)) - before == 4
    assert kernel.run("sum(run.ok for run in _)").result == "6"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--vary model", "write it as name=a,b"),
        ("--vary model=a --vary model=b", "given twice"),
        ("--over oders", "did you mean orders?"),
        ("--over 3", "not a int"),
        ("--over orders --tools nothing", "no tool matches"),
    ],
)
def test_a_sweep_that_is_wrong_is_one_line_and_asks_nothing(kernel: Any, echo: Any, line: str, words: str) -> None:
    ran = kernel.run(f"%%assistant {line}\nSay {{{{ item }}}}")
    assert words in ran.error["evalue"]
    assert len(ran.error["traceback"]) == 1
    assert echo.bodies(CHAT) == []


def test_the_grid_is_shown_once_and_is_in_the_result(kernel: Any, echo: Any) -> None:
    ran = ask(kernel, "%%assistant --vary temperature=0,1 --over orders[:2]\nSay {{ item }}")
    assert ran.html.count("nba-grid-static") == 1
    assert "temperature = 1" in ran.html
    assert "execute_result" not in ran.kinds
    again = kernel.run("_")
    assert again.html.count("nba-grid-static") == 1
    assert "median time" in again.html


def test_checks_and_a_judge_on_the_first_line(kernel: Any, endpoint: Any, wire: Any) -> None:
    def stream(text: str) -> Any:
        return wire.answer(wire.stream(wire.delta(content=text), wire.delta("stop")))

    verdict = stream('{"reason": "it says so", "score": 4}')
    endpoint.on("POST", CHAT, stream("yes"), stream("yes"), verdict)
    line = "%%assistant --over orders[:2] --check \"'yes' in text\" --check 'row == 1' --judge 'it is friendly'\n"
    ran = ask(kernel, line + "Say {{ item }}")
    assert "check row == 1" in ran.html
    assert "50%" in ran.html
    result = kernel.run("[(r.score, r.reason, list(r.checks.values())) for r in _]").result
    assert result == "[(4.0, 'it says so', [True, False]), (4.0, 'it says so', [True, True])]"
    wrong = kernel.run("%%assistant --over orders[:2] --check 'txet > 1'\nSay {{ item }}")
    assert "did you mean text?" in wrong.error["evalue"]
    assert len(wrong.error["traceback"]) == 1


def test_the_winner_becomes_the_turn_of_the_thread(kernel: Any, echo: Any) -> None:
    ask(kernel, "%%assistant --vary temperature=0,1 --over orders[:1]\nSay {{ item }}")
    ran = kernel.run("runs = _\nruns.rate(1, 'good')\nprint(runs.best())\nruns.adopt()")
    assert "not told apart: rating: temperature = 1 100%; 1 other, not measured yet" in ran.stdout
    assert "%%assistant -p temperature=1\nSay 0" in ran.stdout
    assert "Say 0" in kernel.run("%assistant history").result


def test_a_sweep_without_a_widget_is_the_same_twice(start_kernel: Any, echo: Any) -> None:
    kernel = start_kernel(NBASSIST_MODEL="m", NBASSIST_DISPLAY="static")
    shown = [ask(kernel, "%%assistant --over orders[:3] --cache auto\nSay {{ item }}").html for _ in range(3)]
    first, second = (re.sub(r"\d+ ms|\d\.\d+ s", "TIME", html) for html in shown[1:])
    assert first == second
    assert "3 from the cache" in shown[1]


def test_where_a_sweep_is_to_run_is_one_line_when_it_can_not(kernel: Any, echo: Any) -> None:
    for flags, words in (("--on clinet", "name a distributed.Client"), ("--on a --batch", "contradict each other")):
        ran = kernel.run(f"%%assistant {flags} --over orders[:2]\nSay {{{{ item }}}}")
        assert words in ran.error["evalue"]
    assert echo.bodies(CHAT) == []


def test_wordings_from_variables_and_files_named_checks_and_what_is_kept_of_them(
    kernel: Any, echo: Any, tmp_path: Any
) -> None:
    (tmp_path / "kind.md").write_text("Be kind, and say {{ row.text }}.")
    kernel.run("brief = 'Be brief: {{ row.text }}.'\nrows = [{'text': f'mail {n}', 'label': 'said'} for n in range(6)]")
    ran = ask(
        kernel, f"%%assistant --vary prompt=brief,{tmp_path}/kind.md --over rows --check 'right: text == row.label'\n"
    )
    assert "2×6 = 12 calls" in ran.stdout
    sent = {body["messages"][-1]["content"] for body in echo.bodies(CHAT)}
    assert "Be brief: mail 0." in sent
    assert "Be kind, and say mail 5." in sent
    assert "check right" in ran.html
    assert "not told apart" in ran.html
    kernel.run("runs = _")
    tree = kernel.run("%assistant prompts").result
    assert "brief (" in tree
    assert "kind (" in tree
    assert "checks passed 100%" in tree
    kept = kernel.run(f"import os; os.chdir({str(tmp_path)!r})\n%assistant keep runs")
    assert ".suite.json" in kept.stdout
    assert list(tmp_path.glob("*.suite.json"))


def test_turns_of_a_thread_are_kept_as_tests(kernel: Any, echo: Any, tmp_path: Any) -> None:
    ask(kernel, "%%assistant\nSay it")
    kept = kernel.run(f"import os; os.chdir({str(tmp_path)!r})\n%assistant keep 1")
    assert "1 kept in" in kept.stdout
    assert "1 cases, version 1" in kept.stdout
    assert "the thread has no turn 9" in kernel.run("%assistant keep 9").error["evalue"]
    assert "name the runs of a sweep" in kernel.run("%assistant keep nothing").error["evalue"]


def test_half_of_the_requests_choose_among_many(kernel: Any, endpoint: Any, wire: Any) -> None:
    endpoint.on("POST", CHAT, wire.answer(wire.stream(wire.delta(content="yes"), wire.delta("stop"))))
    line = "%%assistant --over range(16) --best-of --check \"'A' in run.task.prompt\" --yes\n"
    ran = ask(kernel, line + "{{ alt: 'A' | 'B' | 'C' | 'D' }} {{ item }}")
    assert len(endpoint.bodies(CHAT)) == 48
    assert "2 of 4 columns are asked no more" in ran.html
    assert kernel.run("_.best().variant").result == "{'alt': 'A'}"
    wrong = kernel.run("%%assistant --over range(4) --best-of\nSay {{ item }}")
    assert "--best-of needs something to go by" in wrong.error["evalue"]


def test_a_judge_of_its_own_is_in_the_plan_and_named(kernel: Any, endpoint: Any, wire: Any) -> None:
    def stream(text: str) -> Any:
        return wire.answer(wire.stream(wire.delta(content=text), wire.delta("stop")))

    endpoint.on("POST", CHAT, stream("yes"), stream('{"reason": "so", "score": 4}'))
    line = "%%assistant --over ['x'] --judge 'tone: kind to {{ item }}' --judge 'fact: true' --judge-model strict"
    ran = ask(kernel, line.replace("['x']", "orders[:1]") + "\nSay {{ item }}")
    assert "up to 2 verdicts of a judge" in ran.stdout
    asked = [body["model"] for body in endpoint.bodies(CHAT)]
    assert asked[1:] == ["strict", "strict"]
    assert kernel.run("_[0].scores").result == "{'tone': 4.0, 'fact': 4.0}"
    wrong = kernel.run("%%assistant --over orders[:1] --judge-model strict\nSay {{ item }}")
    assert "say with --judge by what rubric" in wrong.error["evalue"]
    unknown = kernel.run("%%assistant --vary temp=0,1\nSay")
    assert "no parameter 'temp' is known" in unknown.error["evalue"]
