"""The form of a grid that the notebook's file holds while its runs go on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from nbassist.display.grid import live as gridlive
from nbassist.display.grid.grid import NOTE, ROWS, GridCell, Progress, State, grid_bundle, standing_grid


class Grid:
    """Rows of which the first are done, one is written, and the rest wait."""

    heads: Sequence[Sequence[str]] = [["model = a"], ["model = b"]]

    def __init__(self, rows: int, done: int, text: str = "It is **positive**.") -> None:
        self.labels: Sequence[str] = [f"Review {n}" for n in range(rows)]
        self.done, self.text, self.running = done, text, True

    def cells(self, row: int, column: int) -> Sequence[GridCell]:
        state: State = "done" if row < self.done else "running" if row == self.done and self.running else "waiting"
        text = self.text if state == "done" else "It is" if state == "running" else ""
        return [GridCell(2 * row + column, state, text, "1.2 s" if state == "done" else "")]

    def summary(self) -> Sequence[tuple[str, Sequence[str]]]:
        return [("median time", ["1.2 s", "1.2 s"])]

    def notes(self) -> list[str]:
        return []

    def sorts(self) -> list[str]:
        return []

    def progress(self) -> Progress:
        return Progress(f"{2 * self.done} of {2 * len(self.labels)} done", 0.0, self.running)

    def different(self) -> list[int]:
        return []

    def whole(self, number: int) -> str:
        return f"<p>the whole of {number}</p>"

    def rate(self, number: int, rating: str) -> None:
        raise AssertionError


def test_it_shows_the_rows_that_have_come_and_what_is_written() -> None:
    form = standing_grid(Grid(50, 3), "nba-place")
    html, plain = form["text/html"], form["text/plain"]
    assert html.startswith('<div class="nbassist nba-grid-standing nba-place"')
    assert re.findall(r">(Review \d+)</th>", html) == ["Review 0", "Review 1", "Review 2", "Review 3"]
    assert "It is <strong>positive</strong>." in html
    assert "It is …" in html
    assert "the whole of" not in html
    assert "6 of 100 done · not finished" in html
    assert plain.startswith("Review 0\n  model = a: It is **positive**.\n")
    assert "Review 3\n  model = a: It is …" in plain
    assert "Review 4" not in plain
    assert plain.endswith(NOTE)


def test_before_anything_came_it_says_so() -> None:
    grid = Grid(50, 0)
    grid.running = False
    form = standing_grid(grid, "nba-place")
    assert "<th align" in form["text/html"], "the variants are named"
    assert "Review" not in form["text/html"]
    assert "0 of 100 done" in form["text/plain"]


def test_it_is_bounded_and_the_finished_one_is_whole() -> None:
    grid = Grid(10_000, 9_000)
    assert standing_grid(grid, "nba-place")["text/html"].count(">Review ") == ROWS
    long = Grid(10_000, 9_000, "<word> " * 1_000)
    assert len(standing_grid(long, "nba-place")["text/html"]) < 28_000
    assert standing_grid(long, "nba-place")["text/html"].count(">Review ") > 5
    assert grid_bundle(grid)["text/html"].count("<details") == 2 * ROWS


class Widget:
    """A widget without a browser."""

    model_id = "m"
    layout = SimpleNamespace(close=lambda: None)

    def __init__(self, **state: Any) -> None:
        self.state = state

    def on_msg(self, hear: Any) -> None:
        pass

    def send(self, message: Any) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What was put into the cell, in order."""
    bundles: list[dict[str, Any]] = []

    def display(bundle: dict[str, Any], **_: Any) -> Any:
        bundles.append(bundle)
        return SimpleNamespace(display_id="d")

    monkeypatch.setattr(gridlive, "GridWidget", Widget)
    monkeypatch.setattr(gridlive, "display", display)
    monkeypatch.setattr(gridlive, "publish_display_data", lambda bundle, **_: bundles.append(bundle))
    return bundles


def test_on_a_jupyter_server_the_file_holds_no_widget_and_the_form_comes_anew_until_the_end(
    shown: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", "a.ipynb")
    grid = Grid(5, 0)
    live = gridlive.LiveGrid(grid, SimpleNamespace(user_ns={}))
    live.begin()
    live.close()  # its thread ends; what follows is done by hand, on a clock of its own
    assert set(shown[0]) == {"text/html", "text/plain"}
    grid.done = 2
    live.changed(0)
    live._send_changes()
    clock = [gridlive.time.monotonic()]
    monkeypatch.setattr(gridlive, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    live._refresh()
    assert len(shown) == 1, "not yet"
    clock[0] += 11
    live._refresh()
    assert "Review 1" in shown[1]["text/html"]
    live._refresh()
    assert len(shown) == 2, "nothing new came"
    grid.running = False
    live._widget = Widget()  # type: ignore[assignment]
    live.end()
    assert NOTE not in shown[2]["text/plain"]
    clock[0] += 100
    live._refresh()
    assert len(shown) == 3, "nothing comes after the finished grid"


def test_elsewhere_the_widget_is_the_output(shown: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    live = gridlive.LiveGrid(Grid(5, 0))
    live.begin()
    live.close()
    assert gridlive.WIDGET_VIEW in shown[0]
    assert "not finished" in shown[0]["text/plain"]
