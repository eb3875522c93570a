"""A grid of replies: what it is made of, and how it looks where nothing runs, as HTML and as text."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import islice
from typing import Literal, Protocol, TypeAlias

from .clean import clean, one_line
from .safe import inert

State: TypeAlias = Literal["waiting", "running", "done", "failed"]
ROWS = 20
"""Rows that stand in the static form; the rest are counted."""
NOTE = "not finished: where nothing more comes, run the cell again, and what is done is not asked again"
_WHOLE = 400_000  # characters of whole replies in the static form
_STANDING = 24_000  # characters of the rows in the form of a grid that still grows
_LOOK = 200  # rows at the top, of which those that have come stand in it
_SHORT = 240  # characters of a reply in its cell

_LINE = "1px solid rgba(128,128,128,0.28)"
_HEAD = f"text-align:left;vertical-align:bottom;padding:6px 10px;border-bottom:{_LINE};font-weight:600;max-width:420px"
_CELL = f"text-align:left;vertical-align:top;padding:6px 10px;border-bottom:{_LINE};min-width:150px;max-width:420px"
_SIDE = f"text-align:left;vertical-align:top;padding:6px 10px;border-bottom:{_LINE};font-weight:400;opacity:0.8"
_PLACE = 'align="left" valign="top"'  # where styles are stripped, as on GitHub, attributes stay
_SMALL = "opacity:0.75;font-size:11px;line-height:1.5"
_TEXT = "white-space:pre-wrap;overflow-wrap:anywhere"
_OPENS = "cursor:pointer;display:list-item;list-style-position:outside;margin-left:15px"


@dataclass(frozen=True, slots=True)
class GridCell:
    """One run in a cell of the grid.

    Parameters
    ----------
    number : int
        Which run it is.
    state : {"waiting", "running", "done", "failed"}
        Where it stands.
    text : str
        What was written so far, or why nothing came.
    note : str
        Small print, such as seconds; may be empty.
    rating : str
        What was said of it; may be empty.
    """

    number: int
    state: State = "waiting"
    text: str = ""
    note: str = ""
    rating: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is: one line, the share that is done from 0 to 1, whether it goes on, and what is ahead.

    What is ahead, such as the time left, is true for a moment only: a notebook's file does not hold it.
    """

    words: str
    share: float
    running: bool
    ahead: str = ""

    @property
    def line(self) -> str:
        """All of it, for who looks at it now."""
        return " · ".join(filter(None, (self.words, self.ahead)))


class Source(Protocol):
    """What a grid shows.

    Attributes
    ----------
    heads : sequence of sequence of str
        The lines over each column.
    labels : sequence of str
        What stands before each row; empty strings where there is nothing to say.
    """

    heads: Sequence[Sequence[str]]
    labels: Sequence[str]

    def cells(self, row: int, column: int) -> Sequence[GridCell]:
        """Return the repeats in a cell."""

    def summary(self) -> Sequence[tuple[str, Sequence[str]]]:
        """Return lines under the heads: a name, and a value for each column."""

    def progress(self) -> Progress:
        """Return how far it is."""

    def different(self) -> list[int]:
        """Return the rows whose columns do not all say the same."""

    def whole(self, number: int) -> str:
        """Return a whole run as HTML that is safe."""

    def rate(self, number: int, rating: str) -> None:
        """Take what the person says of a run."""


def short(text: str, limit: int = _SHORT) -> str:
    """Return what of a reply stands in its cell: its first lines."""
    text = clean(text[: 2 * limit]).strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def grid_bundle(source: Source, *, name: str = "") -> dict[str, str]:
    """Return a grid as `text/html` and `text/plain`, both without script; `name` is a class by which it is found."""
    return {"text/html": grid_html(source, name), "text/plain": grid_text(source)}


def standing_grid(source: Source, name: str) -> dict[str, str]:
    """Return what the notebook's file holds of a grid while its runs go on: the first rows that have come.

    Only what stands in the cells is in it, without the whole runs, so that it can be sent now and then.
    """
    seen = range(min(len(source.labels), _LOOK))
    rows = list(islice((row for row in seen if _has_come(source, row)), ROWS))
    footer = f"{source.progress().words} · {NOTE}"
    html = _table(source, f"nba-grid-standing {name}", _standing_rows(source, rows), footer)
    return {"text/html": html, "text/plain": _text(source, rows, footer)}


def publish(source: Source) -> None:
    """Put the grid, as it stands, into the cell that runs."""
    from IPython.display import publish_display_data

    publish_display_data(grid_bundle(source))  # type: ignore[no-untyped-call]


def grid_html(source: Source, name: str = "") -> str:
    """Return the grid as a table; a cell opens to the whole run."""
    return _table(source, f"nba-grid-static {name}", _rows(source), _footer(source))


def _table(source: Source, names: str, rows: Iterable[str], footer: str) -> str:
    out = io.StringIO()
    out.write(f'<div class="nbassist {escape(names)}" style="overflow-x:auto">\n')
    out.write('<table style="border-collapse:collapse;margin:0;font-size:13px;line-height:1.5"><thead><tr>')
    out.write(f'<td style="{_HEAD}"></td>')
    for head in source.heads:
        lines = "<br>".join(inert(one_line(line, 60)) for line in head) or "reply"
        out.write(f'<th align="left" style="{_HEAD}">{lines}</th>')
    out.write("</tr>")
    for label, values in source.summary():
        cells = "".join(f'<td style="text-align:left;padding:1px 10px;{_SMALL}">{inert(v)}</td>' for v in values)
        out.write(f'<tr><td style="text-align:left;padding:1px 10px;{_SMALL}">{inert(label)}</td>{cells}</tr>')
    out.write("</thead><tbody>\n")
    out.writelines(rows)
    out.write("</tbody></table>\n")
    out.write(f'<p class="nba-footer" style="{_SMALL};margin:8px 0 2px 0">{inert(footer)}</p></div>\n')
    return out.getvalue()


def _rows(source: Source) -> Iterator[str]:
    left = _WHOLE
    for row in range(min(len(source.labels), ROWS)):
        cells = []
        for column in range(len(source.heads)):
            html = "".join(_repeat(source, cell, left) for cell in source.cells(row, column))
            left -= len(html)
            cells.append(html)
        yield _row(source.labels[row], cells)


def _standing_rows(source: Source, rows: Iterable[int]) -> Iterator[str]:
    left = _STANDING
    for n, row in enumerate(rows):
        columns = (source.cells(row, column) for column in range(len(source.heads)))
        html = _row(source.labels[row], ["".join(_repeat(source, cell, 0) for cell in cells) for cells in columns])
        left -= len(html)
        if n and left < 0:
            return
        yield html


def _row(name: str, cells: Iterable[str]) -> str:
    inside = "".join(f'<td {_PLACE} style="{_CELL}">{html}</td>' for html in cells)
    return f'<tr><th {_PLACE} style="{_SIDE}">{inert(one_line(name, 80))}</th>{inside}</tr>\n'


def _has_come(source: Source, row: int) -> bool:
    return any(cell.state != "waiting" for column in range(len(source.heads)) for cell in source.cells(row, column))


def _repeat(source: Source, cell: GridCell, left: int) -> str:
    notes = " · ".join(filter(None, (cell.rating, cell.note)))
    note = f'<div style="{_SMALL}">{inert(notes)}</div>' if notes else ""
    if cell.state == "failed":
        return f'<div style="{_TEXT};color:#e03131;margin-bottom:4px">{inert(short(cell.text))}</div>{note}'
    if cell.state == "running":
        return f'<div style="{_TEXT};opacity:0.6">{inert(short(cell.text))} …</div>'
    if cell.state != "done":
        return '<div style="opacity:0.6">not run</div>'
    # Not a block, which would stand below the triangle where there are no styles.
    text = f'<span style="{_TEXT}">{inert(short(cell.text)) or "(nothing)"}</span>'
    whole = source.whole(cell.number) if left > 0 else ""
    if not whole or len(whole) > left:
        return f'<div style="margin-bottom:4px">{text}{note}</div>'
    summary = f'<summary style="{_OPENS}">{text}{note}</summary>'
    inside = f'<div style="border-left:2px solid rgba(128,128,128,0.4);margin:6px 0;padding-left:10px">{whole}</div>'
    return f'<details style="margin-bottom:4px">{summary}{inside}</details>'


def grid_text(source: Source) -> str:
    """Return the grid as text: a block for each row, a line for each column."""
    return _text(source, range(min(len(source.labels), ROWS)), _footer(source))


def _text(source: Source, rows: Iterable[int], footer: str) -> str:
    heads = [", ".join(one_line(line, 60) for line in head) for head in source.heads]
    lines: list[str] = []
    for row in rows:
        if source.labels[row]:
            lines.append(one_line(source.labels[row], 100))
        for column, head in enumerate(heads):
            for cell in source.cells(row, column):
                text = "not run" if cell.state == "waiting" else one_line(cell.text, 100)
                text += " …" if cell.state == "running" else ""
                failed = "failed: " if cell.state == "failed" else ""
                rating = f" [{cell.rating}]" if cell.rating else ""
                lines.append("  " + ": ".join(filter(None, (head, failed + text + rating))))
    for label, values in source.summary():
        named = (f"{head}: {value}" if head else value for head, value in zip(heads, values, strict=True) if value)
        lines.append(f"{label} — " + "; ".join(named))
    return "\n".join([*lines, footer])


def _footer(source: Source) -> str:
    more = len(source.labels) - ROWS
    rest = f" · {more:,} more {'row' if more == 1 else 'rows'}: .df has all" if more > 0 else ""
    return source.progress().words + rest
