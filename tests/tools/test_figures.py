from __future__ import annotations

import base64
import sys
from importlib import import_module

import pytest

from nbassist.tools.results.figures import is_figure, open_figures, take_new


def test_without_matplotlib_nothing_is_imported_for_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    assert open_figures() == frozenset()
    assert take_new(frozenset(), None) == ()
    assert not is_figure(3)
    assert "matplotlib.pyplot" not in sys.modules


@pytest.fixture
def pyplot(monkeypatch):
    found = import_module("matplotlib.pyplot")
    found.switch_backend("agg")
    monkeypatch.setattr(found, "get_backend", lambda: "inline")
    yield found
    found.close("all")


def test_figures_that_a_tool_drew_stand_in_its_panel_once_and_others_stay_open(pyplot, call):
    before = pyplot.figure()

    def plots():
        pyplot.figure()
        pyplot.plot([1, 2])
        return pyplot.figure()

    found = call(plots)
    assert [base64.b64decode(bundle["image/png"])[:4] for bundle in found.display] == [b"\x89PNG"] * 2
    assert found.output == "a matplotlib Figure"
    assert pyplot.get_fignums() == [before.number]


def test_a_figure_that_cannot_be_drawn_is_no_failure_of_the_tool(pyplot, call):
    def plots():
        figure = pyplot.figure()
        figure.text(0, 0, "$\\nothing$")
        return figure

    found = call(plots)
    assert found.error is None
    assert "can't be drawn: ValueError" in found.display[0]["text/plain"]


def test_figures_of_other_backends_are_windows_and_stay(pyplot, call, monkeypatch):
    monkeypatch.setattr(pyplot, "get_backend", lambda: "agg")

    def plots() -> None:
        pyplot.figure()

    assert call(plots).display == ()
    assert len(pyplot.get_fignums()) == 1
