"""What is remembered of prompts: objects with a family, tests that came from work, exports, and new wordings."""

from __future__ import annotations

import json
import pickle
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from nbassist.context.prompt import Prompt
from nbassist.errors import UsageError
from nbassist.journal import Journal
from nbassist.sweep import Runs, Sweep
from nbassist.sweep.plan import make_plan
from nbassist.sweep.prompts.improve import Improvement, read_proposal
from nbassist.sweep.prompts.prompt_lineage import Family
from nbassist.sweep.prompts.suite import Suite, got_worse, likeness, suite_of_turns
from nbassist.sweep.view import make_sweep_view, run_and_judge

ROWS = [{"text": f"mail {n}", "label": "yes" if n % 2 else "no"} for n in range(12)]


def test_a_prompt_is_a_text_with_a_name_a_hash_and_a_parent(tmp_path: Path) -> None:
    brief = Prompt("Be brief.", "brief")
    kind = brief.child("Be brief and kind.", "kind")
    assert (brief, kind.parent, kind.name) == ("Be brief.", brief.hash, "kind")
    assert Prompt("Be brief.").hash == brief.hash
    assert Prompt("Be brief.").name == brief.hash
    again = pickle.loads(pickle.dumps(kind))
    assert (again, again.name, again.parent) == (kind, "kind", brief.hash)
    (tmp_path / "long.md").write_text("A long prompt.\n")
    assert Prompt.read(tmp_path / "long.md").name == "long"
    with pytest.raises(UsageError, match="can't be read: No such file"):
        Prompt.read(tmp_path / "none.md")


def test_wordings_come_from_variables_lists_and_mappings() -> None:
    names: dict[str, Any] = {
        "A": "First",
        "B": Prompt("Second", "second"),
        "all": {"x": "X {{ item }}", "y": "Y"},
    }
    plan = make_plan("{{ alt: A | B | 'Third' }} {{ item }}", over=["u"], namespace=names)
    assert [task.prompt for task in plan.tasks] == ["First u", "Second u", "Third u"]
    plan = make_plan("{{ alt: all }}", over=["u"], namespace=names)
    assert [task.prompt for task in plan.tasks] == ["X u", "Y"], "what is varied is filled in, too"
    plan = make_plan("Hello.", vary={"prompt": [names["A"], names["B"]]})
    assert [task.prompt for task in plan.tasks] == ["First\n\nHello.", "Second\n\nHello."]
    plan = make_plan("Say: {{ prompt }}!", vary={"prompt": [names["A"]]})
    assert [task.prompt for task in plan.tasks] == ["Say: First!"]
    assert plan.tasks[0].parameters == {}
    for wrong in ("{{ alt: 3 }}", "{{ alt: [] }}", "{{ alt: A | nothing }}"):
        with pytest.raises(UsageError, match="write the texts as strings, or name variables"):
            make_plan(wrong, namespace=names)


def labels(prompt: str, model: str) -> str:
    """Right where the wording begins with 'Read', else in the first half of the rows only."""
    if prompt.startswith("You improve a prompt"):
        assert "mail" in prompt, "it is shown what failed"
        return "It should read first.\n<prompt>\nRead, then sort: {{ row.text }}\n</prompt>"
    number = int(prompt.split("mail ")[1])
    right = "yes" if number % 2 else "no"
    return right if prompt.startswith("Read") or number < 3 else "neither"


@pytest.fixture
def checked(swept: Callable[..., Sweep]) -> Runs:
    base = Prompt("Sort: {{ row.text }}", "base")
    made = swept(
        labels,
        "{{ alt: base | second }}",
        over=ROWS,
        namespace={"base": base, "second": base.child("Read it: {{ row.text }}", "second")},
    )
    return run_and_judge(made, make_sweep_view("none"), ["right: text == row.label"])


def test_what_a_wording_scored_stands_in_the_journal_as_a_tree(checked: Runs, journal: Journal) -> None:
    family = Family(journal.prompts(""))
    first, second = family.lines()
    assert first.startswith("base (")
    assert first.endswith("checks passed 25% ±29 on 12 rows")
    assert second.startswith("└─ second (")
    assert "checks passed 100%" in second
    assert family["second"] == "Read it: {{ row.text }}"
    with pytest.raises(UsageError, match="there is no prompt 'third'; there are base, second"):
        family["third"]
    assert repr(Family(())) == "no wording has been scored in this notebook yet"


def test_adopting_gives_the_wording(checked: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    adopted = checked.adopt()
    assert (adopted.name, adopted) == ("second", "Read it: {{ row.text }}")
    assert "Read it: mail 0" in capsys.readouterr().out


def test_rated_rows_become_a_suite_with_versions(checked: Runs, tmp_path: Path) -> None:
    path = checked.keep(tmp_path / "work.suite.json")
    suite = Suite.load(path)
    assert (len(suite), suite.version, dict(suite.checks)) == (24, 1, {"right": "text == row.label"})
    checked.keep(path)
    assert Suite.load(path).version == 1, "nothing has changed"
    checked.rate(1, "good")
    checked.keep(path)
    assert (len(Suite.load(path)), Suite.load(path).version) == (24, 2)
    path.write_text(path.read_text().replace("mail 3", "mail three"))
    with pytest.raises(UsageError, match="was changed: it holds"):
        Suite.load(path)
    path.write_text("{}")
    with pytest.raises(UsageError, match="is no suite of tests"):
        Suite.load(path)


def test_a_suite_fails_only_where_the_interval_shows_that_a_prompt_got_worse(checked: Runs, tmp_path: Path) -> None:
    suite = Suite.load(checked.keep(tmp_path / "work.suite.json"))
    good = suite.of_wording(checked.prompt(1).hash)
    assert len(good) == 12
    assert not got_worse(good.compare(lambda case: [case.reply]))
    assert got_worse(good.compare(lambda case: ["neither"]))
    assert not got_worse(good.compare(lambda case: ["neither" if case.row["text"] == "mail 3" else case.reply]))
    assert got_worse(good.compare(lambda case: [])), "no answer is a wrong answer"


def test_the_pytest_plugin_runs_a_suite_for_nothing(checked: Runs, tmp_path: Path) -> None:
    path = checked.keep(tmp_path / "work.suite.json")

    def run() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c"]
        return subprocess.run([*command, "/dev/null", str(tmp_path)], capture_output=True, text=True, check=False)

    done = run()
    assert "2 passed" in done.stdout, done.stdout + done.stderr
    suite = Suite.load(path)
    broken = Suite(suite.cases, suite.prompts, {"right": "text == 'never'"}, version=1)
    path.unlink()
    broken.save(path)
    done = run()
    assert done.returncode == 1
    assert "is worse by 100" in done.stdout
    assert "1 failed, 1 passed" in done.stdout, "what was wrong already in nine of twelve is not shown to be worse"


def test_turns_of_a_thread_become_cases_compared_by_their_words() -> None:
    suite = suite_of_turns([("What is 2 + 2?", "4"), ("Tell a story", "word " * 40)], {"instructions": "Be brief."})
    assert [case.worth for case in suite.cases] == [1.0, 1.0]
    assert suite.score(suite.cases[0], "4") == 1.0
    assert suite.score(suite.cases[0], "5") == 0.0
    assert likeness("other " * 40, "word " * 40) == 0.0
    assert 0 < likeness("word other " * 20, "word " * 40) < 1
    with pytest.raises(UsageError, match="no turn to keep"):
        suite_of_turns([], {})


def test_runs_and_suites_are_written_for_others(checked: Runs, tmp_path: Path) -> None:
    checked.rate(1, "good")
    lines = [json.loads(line) for line in checked.export(tmp_path / "runs.jsonl").read_text().splitlines()]
    assert len(lines) == 24
    assert (lines[1]["row"]["label"], lines[1]["rating"], lines[1]["check_right"]) == ("no", "good", True)
    found = json.loads(checked.export(tmp_path / "promptfooconfig.yaml", "promptfoo").read_text())
    assert found["prompts"] == ["Read it: {{ row.text }}"]
    assert found["tests"][0]["vars"]["row"] == ROWS[0]
    (held,) = found["tests"][0]["assert"]
    assert held["type"] == "python"
    names = {"context": {"vars": found["tests"][0]["vars"]}}
    assert eval(held["value"], {"output": "no", **names}) is True
    assert eval(held["value"], {"output": "yes", **names}) is False
    samples = [json.loads(line) for line in checked.export(tmp_path / "x.jsonl", "inspect").read_text().splitlines()]
    assert (samples[0]["input"], samples[0]["target"]) == ("Read it: mail 0", "no")
    with pytest.raises(UsageError, match="there is no form 'xml'"):
        checked.export(tmp_path / "x.xml", "xml")


def opened(found: Improvement) -> set[str]:
    return {run.task.prompt for run in found.runs.column(0)}


def test_a_better_wording_is_proposed_and_only_its_gain_on_locked_rows_is_told(swept: Callable[..., Sweep]) -> None:
    rows = [{"text": f"mail {n}", "label": "yes" if n % 2 else "no"} for n in range(40)]
    made = swept(labels, "Sort: {{ row.text }}", over=rows)
    runs = run_and_judge(made, make_sweep_view("none"), ["right: text == row.label"])
    found = runs.improve(rounds=2, notes="It does not read the mail.")
    assert found.best == "Read, then sort: {{ row.text }}"
    assert found.best.parent == found.base.hash
    assert (found.rows, found.locked, found.told) == (20, 20, True)
    assert found.gain.interval.value > 0.8
    assert "rows that were locked away: better" in repr(found)
    assert "[-Sort-]{+Read, then sort+}: {{ row.text }}" in repr(found.diff())
    assert len(found.tried) == 1, "what was proposed again is not asked again"
    assert [variant["prompt"].name for variant in found.runs.plan.variants] == [found.base.name, found.best.name]
    shares = [fmean(run.checks["right"] for run in found.runs.column(column)) for column in (0, 1)]
    assert shares == [fmean(run.checks["right"] for run in runs if run.task.prompt in opened(found)), 1.0]
    (change,) = found.changes()
    assert change.heading == f"{found.base.name} → {found.best.name}: It should read first."
    html = found._repr_html_()
    assert html.count("<table style") == 1, "of the grid; a reply in it ends in an empty one of its own"
    assert "<ins" in html
    assert "It should read first." in html


@pytest.mark.parametrize(
    ("reply", "wording", "said"),
    [
        ("Be brief.\n<prompt>\nA {{ row.text }}\nB\n</prompt>", "A {{ row.text }}\nB", "Be brief."),
        ("<prompt>cut off {{ row.text }}", "cut off {{ row.text }}", ""),
        (
            "I put it between <prompt> and </prompt>:\n<prompt>A {{ row.text }}</prompt>",
            "A {{ row.text }}",
            "I put it between",
        ),
        ("No idea.", "", "No idea."),
        ("", "", ""),
    ],
)
def test_a_proposal_stands_between_tags(reply: str, wording: str, said: str) -> None:
    assert read_proposal(reply) == (wording, said)


def test_what_is_filled_in_stays_in_a_proposal_that_left_it_out(swept: Callable[..., Sweep]) -> None:
    def say(prompt: str, model: str) -> str:
        return (
            "So.\n<prompt>Better.</prompt>" if prompt.startswith("You improve") else "yes" * prompt.startswith("Better")
        )

    runs = run_and_judge(swept(say, "Sort: {{ row.text }}", over=ROWS), make_sweep_view("none"), ["text == 'yes'"])
    assert runs.improve(rounds=1).best == "Better.\n\n{{ row.text }}"


def test_after_a_proposal_that_was_no_better_other_failures_are_read(swept: Callable[..., Sweep]) -> None:
    asked: list[str] = []

    def say(prompt: str, model: str) -> str:
        if not prompt.startswith("You improve"):
            return "no"
        asked.append(prompt)
        return f"So.\n<prompt>Worse {len(asked)} {{{{ row.text }}}}</prompt>"

    rows = [{"text": f"mail {n}"} for n in range(40)]
    runs = run_and_judge(swept(say, "Sort: {{ row.text }}", over=rows), make_sweep_view("none"), ["text == 'yes'"])
    runs.improve(rounds=2)
    first, second = (set(re.findall(r"mail \d+", prompt)) for prompt in asked)
    assert first
    assert second
    assert not first & second
    assert "<tried>\nWorse 1 {{ row.text }}\n</tried>" in asked[1]


def test_a_proposal_that_is_no_better_is_not_taken(swept: Callable[..., Sweep]) -> None:
    def say(prompt: str, model: str) -> str:
        if prompt.startswith("You improve"):
            fields = random.choice(["{{ row.text }}", ""])
            return random.choice([f"So.\n<prompt>Worse {fields}</prompt>", "I can't."])
        return "no" if prompt.startswith("Worse") else "yes"

    made = swept(say, "Sort: {{ row.text }}", over=ROWS)
    runs = run_and_judge(made, make_sweep_view("none"), ["text == 'yes'"])
    found = runs.improve(rounds=3)
    assert found.best is found.base
    assert repr(found).startswith(("none of", "the model proposed no other wording"))
    with pytest.raises(UsageError, match="needs something to go by"):
        swept(say, "Sort: {{ row.text }}", over=ROWS).run().improve()
    few = swept(say, "Sort: {{ row.text }}", over=ROWS[:3]).run().check("text == 'yes'")
    with pytest.raises(UsageError, match="at least four rows"):
        few.improve()
