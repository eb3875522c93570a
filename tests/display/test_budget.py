"""Rendering costs in proportion to the text, counted in calls of functions: a clock would tell of the machine, too."""

from __future__ import annotations

import cProfile
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "benchmarks"))
from pathological import TEXTS, prose
from text_patterns import repeated

from nbassist.core import events
from nbassist.display.live.painter import Painter
from nbassist.display.markdown.block_html import Cache, markdown_html
from nbassist.display.transcript import Transcript

SMALL, LARGE = 2_500, 10_000
PROSE = 20_000  # calls for each KB of prose, rendered whole, and some to spare


def calls(way: Callable[[str], object], text: str) -> float:
    """Return how many functions are called for each KB of `text`."""
    profile = cProfile.Profile(builtins=False)
    profile.runcall(way, text)
    return 1000 * sum(entry.callcount for entry in profile.getstats()) / len(text)


def painted(text: str) -> None:
    transcript = Transcript()
    painter = Painter(transcript, Cache())
    transcript.apply(events.RunStarted("m"))
    transcript.apply(events.TurnStarted())
    for at in range(0, len(text), 64):
        transcript.apply(events.TextDelta(text[at : at + 64]))
        painter.paint()


@pytest.mark.since("markdown-it-py", "4.1")
def test_prose_is_far_within_the_budget() -> None:
    markdown_html(prose(1_000))  # what is imported and compiled once
    assert calls(markdown_html, prose(LARGE)) < PROSE / 2


@pytest.mark.since("markdown-it-py", "4.1")
@pytest.mark.parametrize("name", TEXTS)
def test_a_whole_text_costs_in_proportion_to_its_length(name: str) -> None:
    markdown_html(TEXTS[name](200))
    small, large = calls(markdown_html, TEXTS[name](SMALL)), calls(markdown_html, TEXTS[name](LARGE))
    assert large < max(1.5 * small, PROSE / 4)
    assert large < 5 * PROSE


@pytest.mark.parametrize("name", [name for name in TEXTS if "quote" in name or "quotation" in name or "item" in name])
def test_a_text_that_streams_costs_in_proportion_to_its_length(name: str) -> None:
    small, large = calls(painted, TEXTS[name](SMALL)), calls(painted, TEXTS[name](LARGE))
    assert large < max(1.6 * small, PROSE)


@given(st.text(">-*+#`~|[]()!$\\_<&:=.1 \t\na", min_size=1, max_size=10), st.text("> -`|a\n", max_size=40))
@settings(max_examples=30, deadline=None)
def test_any_pattern_costs_in_proportion_to_its_length(pattern: str, head: str) -> None:
    small, large = (calls(markdown_html, head + repeated(pattern)(size)) for size in (SMALL, LARGE))
    assert large < max(1.5 * small, PROSE)


def test_what_would_be_too_dear_is_shown_as_text_and_is_all_there() -> None:
    html = markdown_html("[" * 20_000)
    assert html.count("[") == 20_000
    assert "pre-wrap" in html
    deep = markdown_html(">" * 500 + "a\n" + "b\n" * 1000)
    assert deep.count("b\n") + deep.count("b<") >= 1000
    assert deep.count("&gt;") == 500


def test_what_stands_too_deep_is_shown_and_not_dropped() -> None:
    stairs = "".join("  " * depth + f"- step {depth}\n" for depth in range(40))
    html = markdown_html(stairs)
    assert all(f"step {depth}" in html for depth in range(40))


def test_a_long_table_of_figures_is_a_table_to_its_last_row() -> None:
    rows = "".join(f"| {n} | {n * 7} |\n" for n in range(5_000))
    html = markdown_html("| a | b |\n|---|--:|\n" + rows)
    assert html.count("<tr>") == 5_001
    assert '<td style="text-align:right">34993</td>' in html


def test_a_wide_table_of_short_rows_fills_in_no_cells() -> None:
    wide = "|a" * 200 + "|\n" + "|-" * 200 + "|\n" + "x\n" * 2_000
    assert len(markdown_html(wide)) < 40 * len(wide)
    assert len(markdown_html("".join(f"> {line}\n" for line in wide.split("\n")))) < 40 * len(wide)
