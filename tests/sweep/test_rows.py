"""What a sweep goes over goes by rows, with its own types and names, whoever made the table."""

from __future__ import annotations

import resource
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbassist.errors import UsageError
from nbassist.sweep import Sweep
from nbassist.sweep import plan as planning
from nbassist.sweep.plan import make_plan

NAMES = ["name", "size", "count", "index", "item", "T", "row", "text", "values", "items"]


def prompts(template: str, over: Any) -> list[str]:
    return [task.prompt for task in make_plan(template, over=over).tasks]


@pytest.mark.parametrize("column", NAMES)
def test_a_column_goes_before_an_attribute_whatever_it_is_called(column: str) -> None:
    pd = pytest.importorskip("pandas")
    for over in (pd.DataFrame({column: ["here"]}), [{column: "here"}], {column: ["here"]}):
        assert prompts(f"{{{{ row.{column} }}}} {{{{ item['{column}'] }}}}", over) == ["here here"]


def test_types_stay_as_they_are_beside_other_types() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": [1.5], "b": [3], "c": [True], "d": ["x"], "e": [pd.Timestamp("2026-11-26")]})
    assert prompts("{{ row.a }} {{ row.b }} {{ row.c }} {{ row.d }} {{ row.e.year }}", frame) == ["1.5 3 True x 2026"]


def test_tables_of_others_go_by_rows() -> None:
    pa = pytest.importorskip("pyarrow")
    np = pytest.importorskip("numpy")

    pl = pytest.importorskip("polars")
    rows = [{"text": "a", "n": 1}, {"text": "b", "n": 2}]
    structured = np.array([("a", 1), ("b", 2)], dtype=[("text", "U1"), ("n", int)])
    frames = (pa.Table.from_pylist(rows), pl.DataFrame(rows), pl.LazyFrame(rows))
    for over in (*frames, {"text": ["a", "b"], "n": [1, 2]}, rows, iter(rows), structured):
        assert prompts("{{ row.text }}{{ row.n }}", over) == ["a1", "b2"]


def test_a_frame_of_polars_keeps_its_types_and_a_column_of_it_is_its_values() -> None:
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"day": [date(2026, 11, 26)], "share": [0.5], "tags": [["a", "b"]], "none": [None]})
    template = "{{ row.day.year }} {{ row.share }} {{ row.tags | json }} {{ row.none }}"
    assert prompts(template, frame) == ['2026 0.5 ["a", "b"] None']
    assert prompts("{{ item }}", frame["share"]) == ["0.5"]


def test_a_mapping_of_lists_of_other_lengths_is_no_table() -> None:
    assert prompts("{{ index }}: {{ item | json }}", {"a": [1, 2], "b": [3]}) == ["a: [1, 2]", "b: [3]"]


def test_a_column_that_is_not_there_is_one_line_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="no column 'txet'; did you mean text"):
        make_plan("{{ row.txet }}", over=[{"text": "a"}])


def test_labels_that_repeat_keep_all_their_rows(swept: Callable[..., Sweep]) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"text": ["a", "b", "c"]}, index=["x", "x", "y"])
    runs = swept(lambda prompt, model: prompt, "{{ row.text }}", over=frame, vary={"model": ["m", "n"]}).run()
    table = runs.pivot()
    assert list(table.index) == ["x", "x", "y"]
    assert table["n"].tolist() == ["a", "b", "c"]


def test_rows_that_are_alike_are_asked_each_and_come_again_as_they_came(swept: Callable[..., Sweep]) -> None:
    said = iter(range(100))
    made = swept(lambda prompt, model: f"reply {next(said)}", "{{ item }}", over=["same"] * 6, repeat=2, jobs=6)
    first = [run.text for run in made.run()]
    assert len(set(first)) == 12
    again = swept(lambda prompt, model: "asked", "{{ item }}", over=["same"] * 7, repeat=2, cache="replay")
    again.assistant = made.assistant
    runs = again.run()
    assert [run.text for run in runs][:12] == first, "a row more changes none of the others"


@given(st.lists(st.text(max_size=3), min_size=1, max_size=12), st.integers(1, 3))
def test_no_two_runs_of_one_variant_share_a_key(items: list[str], repeat: int) -> None:
    plan = make_plan("{{ item }}", over=items, repeat=repeat)
    keys = {(task.prompt, task.same) for task in plan.tasks}
    assert len(keys) == len(plan)


def test_a_plan_of_two_million_runs_is_made_at_once_and_holds_none_of_them(
    swept: Callable[..., Sweep], monkeypatch: pytest.MonkeyPatch
) -> None:
    made_tasks: list[int] = []
    make = planning._Tasks._task
    monkeypatch.setattr(planning._Tasks, "_task", lambda self, number: made_tasks.append(number) or make(self, number))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows = [{"text": f"a mail about order {n}, which came late and broken"} for n in range(100_000)]
    made = swept(
        lambda prompt, model: "yes",
        "{{ alt: 'Sort' | 'File' | 'Tag' }}: {{ row.text }}",
        over=rows,
        vary={"model": ["a", "b"]},
        repeat=3,
    )
    estimate = made.estimate()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert estimate.runs == 1_800_000
    assert estimate.input_tokens == pytest.approx(1_800_000 * 19, rel=0.3)
    assert made.plan.tasks[1_799_999].prompt.endswith("order 99999, which came late and broken")
    assert grown < 200, f"{grown:.0f} MB"
    assert 0 < len(made_tasks) < 10_000, "a sample is looked at, and not each run made"
