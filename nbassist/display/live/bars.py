"""The bar below a reply that has ended: the earlier runs of its cell, what changed since, and what it was worth.

It lives as long as the kernel and the page, and stands in no file: a notebook that is reopened has the reply alone. One
widget serves all replies of a kernel, so that a saved notebook holds no widget for each.
"""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import anywidget

from ...core import runtime_environment
from ...core.html_allowlist import seal
from ...errors import NbassistError
from . import clicks

_log = logging.getLogger(__name__)
_HERE = Path(__file__).parent
_KEPT = 200  # replies whose bars are kept in a kernel


class CellHistory(Protocol):
    """The runs of one cell, as the person numbers them."""

    def numbers(self) -> Sequence[int]:
        """Return the numbers of its runs, oldest first; the last is the one that the cell shows."""

    def rating(self, number: int) -> str:
        """Return what was said of a run; may be empty."""

    def html(self, number: int) -> str:
        """Return the reply of a run as safe HTML."""

    def difference(self, number: int) -> str:
        """Return, as safe HTML, what differs between a run and the last, or between the last and the one before."""

    def rate(self, number: int, rating: str) -> None:
        """Say what a run was worth."""

    def rated(self, number: int, rating: str) -> None:
        """Take note of what was said of a run elsewhere."""


@dataclass(slots=True)
class _Bar:
    history: CellHistory
    numbers: list[int]
    rated: Callable[[str], None]


class BarsWidget(anywidget.AnyWidget):
    """The widget of all bars of a kernel; it has no view of its own."""

    _esm = (_HERE / "bars.js").read_text(encoding="utf-8")
    _css = (_HERE / "bars.css").read_text(encoding="utf-8")


class Bars:
    """The bars of one kernel."""

    def __init__(self, kernel: Any) -> None:
        self._bars: dict[str, _Bar] = {}
        self._widget = BarsWidget()
        if clicks.possible(kernel):
            # Heard while another cell runs, too.
            clicks.listen(self._widget.model_id, self._hear)
        else:
            self._widget.on_msg(lambda _, content, __: self._hear(content))

    def add(self, place: str, history: CellHistory, rated: Callable[[str], None]) -> None:
        """Put a bar below the output that has the class `place`; `rated` is told what is said of its own run."""
        numbers = list(history.numbers())
        if not numbers:
            return
        self._bars[place] = _Bar(history, numbers, rated)
        while len(self._bars) > _KEPT:
            del self._bars[next(iter(self._bars))]
        self._tell(place)

    def rated(self, number: int, rating: str) -> None:
        """Take what was said of a run elsewhere, as by a command."""
        for place, bar in list(self._bars.items()):
            if number in bar.numbers:
                bar.history.rated(number, rating)
                if number == bar.numbers[-1]:
                    bar.rated(rating)
                self._tell(place)

    def _hear(self, content: Any) -> None:
        """Take a message of the page; called on another thread, which must not be held up."""
        if not isinstance(content, dict):
            return
        if not runtime_environment.THREADS:  # and so no other thread that is held up
            self._answer(content)
        else:
            run = contextvars.copy_context().run
            threading.Thread(target=run, args=(self._answer, content), name="nbassist-bar", daemon=True).start()

    def _answer(self, content: dict[str, Any]) -> None:
        if content.get("kind") == "all":  # a page that was made, or made anew
            for place in list(self._bars):
                self._tell(place)
            return
        place, number = str(content.get("place")), content.get("number")
        bar = self._bars.get(place)
        if bar is None or not isinstance(number, int) or number not in bar.numbers:
            return
        try:
            if content.get("kind") == "rate":
                rating = str(content.get("rating", ""))[:100]
                bar.history.rate(number, rating)
                self.rated(number, rating)
            elif content.get("kind") == "show":
                diff = bool(content.get("diff"))
                html = bar.history.difference(number) if diff else bar.history.html(number)
                self._widget.send(
                    {"kind": "version", "place": place, "number": number, "diff": diff, "html": seal(html)}
                )
        except NbassistError as error:  # a journal that can't be read just now
            _log.warning("%s", error)

    def _tell(self, place: str) -> None:
        bar = self._bars[place]
        ratings = {str(number): rating for number in bar.numbers if (rating := bar.history.rating(number))}
        self._widget.send({"kind": "bar", "place": place, "numbers": bar.numbers, "ratings": ratings})


_bars: dict[int, Bars] = {}


def bars_of(kernel: Any) -> Bars:
    """Return the bars of a kernel, made at the first use."""
    if id(kernel) not in _bars:
        _bars[id(kernel)] = Bars(kernel)
    return _bars[id(kernel)]


def known_bars(kernel: Any) -> Bars | None:
    """Return the bars of a kernel; None where there are none yet."""
    return _bars.get(id(kernel))
