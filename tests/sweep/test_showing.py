"""What is seen of a sweep: the static grid, a whole run, rows that differ, differences word by word, a plot."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from nbassist.errors import UsageError
from nbassist.sweep import Sweep
from nbassist.sweep.run_grid import RunsGrid
from nbassist.sweep.run_list import Update


def say(prompt: str, model: str) -> str:
    return "no" if "y" in prompt else f"yes, $5 <em>by</em> {model}"


def grid(swept: Callable[..., Sweep], **options: object) -> Sweep:
    return swept(say, "is it {{ item }}?", vary={"model": ["a", "b"]}, **options)


def test_the_grid_is_a_table_without_script_and_the_rest_is_counted(swept: Callable[..., Sweep]) -> None:
    runs = grid(swept, over=["x", "y"] * 15).run()
    shown = runs._repr_mimebundle_()
    assert shown["text/html"].count("<tr>") == 20 + 3  # names, time, tokens
    assert "10 more rows: .df has all" in shown["text/html"]
    assert "<script" not in shown["text/html"]
    assert "<em" not in shown["text/html"]
    assert "model = a" in shown["text/plain"]
    assert "60 done" in shown["text/plain"]


def test_the_grid_reads_well_where_all_styles_are_stripped(swept: Callable[..., Sweep]) -> None:
    html = grid(swept, over=["x"]).run()._repr_mimebundle_()["text/html"]
    bare = re.sub(r' (style|class)="[^"]*"', "", html)
    assert '<th align="left" valign="top">x</th>' in bare
    assert "<summary><span>yes, " in bare, "the triangle stands before the reply, on its line"


def test_agreement_is_the_share_of_pairs_that_say_the_same(swept: Callable[..., Sweep]) -> None:
    said = iter(["yes", "yes", "no", "up", "Up ", "up"])
    runs = swept(lambda prompt, model: next(said), "hi {{ item }}", over=[1, 2], repeat=3, jobs=1).run()
    assert runs.agreement == {"": pytest.approx((1 / 3 + 1) / 2)}
    assert "67%" in repr(runs.different()) or "agreement" in repr(runs.different())


def test_only_rows_that_differ(swept: Callable[..., Sweep]) -> None:
    runs = grid(swept, over=["x", "y"]).run()
    assert runs.different_rows() == [0]
    shown = repr(runs.different())
    assert "by</em> a" in shown
    assert "no" not in shown.split("median")[0].split()


def test_a_whole_run_has_its_prompt_and_its_footer(swept: Callable[..., Sweep]) -> None:
    runs = grid(swept, over=["x"]).run()
    shown = runs.show(1)
    assert "run 1 · model = b · x" in repr(shown)
    assert "is it x?" in repr(shown)
    assert "tokens" in shown._repr_html_()
    with pytest.raises(UsageError, match="there is no run 2"):
        runs.show(2)


def test_differences_are_word_by_word_in_replies_and_what_is_set(swept: Callable[..., Sweep]) -> None:
    runs = grid(swept, over=["x", "y"]).run()
    found = runs.diff(base=0)
    assert (len(found), found.compared) == (1, 2)
    assert 'model = "[-a-]{+b+}"' in repr(found)
    assert "by</em> [-a-]{+b+}" in repr(found)
    assert "<del" in found._repr_html_()
    assert len(runs.diff(base=1, row=1)) == 0
    with pytest.raises(UsageError, match="there is no variant 2"):
        runs.diff(base=2)
    with pytest.raises(UsageError, match="there is no input 5"):
        runs.diff(row=5)


def test_alternatives_differ_in_their_prompts(swept: Callable[..., Sweep]) -> None:
    runs = swept(lambda prompt, model: prompt, "{{ alt: 'Be brief.' | 'Be kind.' }} Hello").run()
    assert "prompt:\nBe [-brief-]{+kind+}. Hello" in repr(runs.diff())


def test_a_plot_has_a_column_for_each_variant(swept: Callable[..., Sweep], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib").use("Agg")
    from matplotlib import pyplot as plt

    runs = grid(swept, over=["x", "y"]).run()
    axes = runs.plot()
    assert [label.get_text() for label in axes.get_xticklabels()] == ["model = a", "model = b"]
    assert axes.get_ylabel() == "characters"
    runs.rate(0, "good")
    assert runs.plot().get_ylabel() == "rating"
    with pytest.raises(UsageError, match="nothing called 'colour'"):
        runs.plot("colour")
    plt.close("all")


def test_progress_says_what_is_done_failed_kept_and_waited_for(swept: Callable[..., Sweep]) -> None:
    made = grid(swept, over=range(4))
    shown = RunsGrid(made.runs)
    shown.begin()
    assert shown.progress().words == "0 of 8 done"
    made.run()
    for number in range(3):
        shown.apply(Update("started", number))
        shown.apply(Update("text", number, "ye"))
        assert shown.cells(number // 2, number % 2)[0].state == "running"
        shown.apply(Update("ended", number))
    assert shown.progress().words.startswith("3 of 8 done")
    assert "left" in shown.progress().ahead
    assert "left" not in shown.progress().words, "a notebook's file keeps the words"
    shown.apply(Update("waiting", 4, "429 too many requests", 30.0))
    assert "all wait 30 s: 429 too many requests" in shown.progress().line
    again = grid(swept, over=range(4)).run()
    assert "8 from the cache" in RunsGrid(again).progress().words
