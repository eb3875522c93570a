"""A grid of replies: what it is made of, and how it looks where nothing runs, as HTML and as text."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from itertools import islice
from typing import Any, Literal, Protocol, TypeAlias

from ...core.html_allowlist import NO_ICONS, inert, seal
from ...core.text import clean, one_line
from ..markdown.block_html import markdown_html
from ..static.panels import BAD, GOOD
from ..static.reply import LEFT_DARK

_ONE = re.compile(r"<p>((?:(?!</?p>).)*)</p>\s*\Z", re.DOTALL)


def short(text: str, limit: int = 240) -> str:
    """Return the beginning of a reply, as text."""
    # Twice as much, as cleaning takes some away; the reply itself may be long.
    text = clean(text[: 2 * limit]).strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


@lru_cache(maxsize=2_000)
def preview(text: str, limit: int = 240) -> str:
    """Return the beginning of a reply as safe HTML; one paragraph without its element, to stand in a line."""
    shown = short(text, limit)
    html = markdown_html(shown, "tex", broken_off=len(text) > limit).strip()
    if found := _ONE.match(html):
        return found[1]
    return html or inert(shown)


State: TypeAlias = Literal["waiting", "running", "done", "failed"]
ROWS = 20
"""Rows that stand in the static form; the rest are counted."""
NOTE = "not finished: where nothing more comes, run the cell again, and what is done is not asked again"
_WHOLE = 400_000  # characters of whole replies in the static form
_STANDING = 24_000  # characters of the rows in the form of a grid that still grows
_LOOK = 200  # rows at the top, of which those that have come stand in it
_BADGE = "border-radius:4px;padding:0 4px"
_BLOCK = re.compile(r"<(?:p|h\d|ul|ol|pre|table|div|blockquote|dl|section|figure|hr|details)\b")

_LINE = "1px solid rgba(128,128,128,0.28)"
_HEAD = f"text-align:left;vertical-align:bottom;padding:6px 10px;border-bottom:{_LINE};font-weight:600;max-width:420px"
_CELL = f"text-align:left;vertical-align:top;padding:6px 10px;border-bottom:{_LINE};min-width:150px;max-width:420px"
_SIDE = f"text-align:left;vertical-align:top;padding:6px 10px;border-bottom:{_LINE};font-weight:400;opacity:0.8"
_PLACE = 'align="left" valign="top"'  # where styles are stripped, as on GitHub, attributes stay
_SMALL = "opacity:0.75;font-size:11px;line-height:1.5"
_TEXT = "white-space:pre-wrap;overflow-wrap:anywhere"
_BROKE = f"border-left:3px solid rgba(224,49,49,0.8);background:{BAD};padding:2px 8px;margin-bottom:4px"
_OPENS = (
    "cursor:pointer;display:list-item;list-style-position:outside;margin:0 0 0 15px;padding:0;font-size:13px;"
    "font-weight:400;background:transparent;overflow:visible"
)
_OPENED = "border:0;padding:0;margin:0 0 4px 0;background:transparent;box-shadow:none"


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
    marks : tuple of (str, bool or float)
        What it passed and what not, and what was measured, by name.
    """

    number: int
    state: State = "waiting"
    text: str = ""
    note: str = ""
    rating: str = ""
    marks: tuple[tuple[str, bool | float], ...] = ()


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

    def notes(self) -> Sequence[str]:
        """Return what may be said of the columns, and what is to be known of it, a line each."""

    def filtered(self, name: str) -> list[int]:
        """Return the rows that a filter leaves: `different`, `failed`, `check failed`, `unrated`, or all."""

    def sorts(self) -> Sequence[str]:
        """Return what rows can be sorted by, besides their own order."""

    def ordered(self, rows: Sequence[int], by: str) -> list[int]:
        """Return rows with the worst first by one of `sorts`; as they are for another name."""

    def beside(self, numbers: Sequence[int], *, diff: bool) -> list[str]:
        """Return the replies of some runs as safe HTML; with `diff`, what each says otherwise than the first."""

    def pair(self, choice: str) -> dict[str, Any]:
        """Take a choice between two hidden replies (`1`, `2`, `tie`, `undo`, or none), and return the next two."""

    def act(self, what: str, number: int) -> str:
        """Do what a button says, and return what came of it, in a line."""

    def whole(self, number: int) -> str:
        """Return a whole run as HTML that is safe."""

    def rate(self, number: int, rating: str) -> None:
        """Take what the person says of a run."""


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
    out.write(f'<div class="nbassist {escape(names)}" style="overflow-x:auto;{NO_ICONS}">\n')
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
    for note in source.notes():
        out.write(f'<p class="nba-gsaid" style="{_SMALL};margin:4px 0 0 0">{inert(note)}</p>\n')
    out.write(f'<p class="nba-footer" style="{_SMALL};margin:8px 0 2px 0">{inert(footer)}</p>{LEFT_DARK}</div>\n')
    return seal(out.getvalue())


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
        # The first row always stands, however long it is.
        if n and left < 0:
            return
        yield html


def _row(name: str, cells: Iterable[str]) -> str:
    inside = "".join(f'<td {_PLACE} style="{_CELL}">{html}</td>' for html in cells)
    return f'<tr><th {_PLACE} style="{_SIDE}">{inert(one_line(name, 80))}</th>{inside}</tr>\n'


def _has_come(source: Source, row: int) -> bool:
    return any(cell.state != "waiting" for column in range(len(source.heads)) for cell in source.cells(row, column))


def _repeat(source: Source, cell: GridCell, left: int) -> str:
    notes = inert(" · ".join(filter(None, (cell.rating, cell.note))))
    told = " ".join([*map(_mark, cell.marks), *([notes] if notes else [])])
    note = f'<div style="{_SMALL}">{told}</div>' if told else ""
    if cell.state == "failed":
        return f'<div style="{_TEXT};{_BROKE}">{inert(short(cell.text))}</div>{note}'
    if cell.state == "running":
        return f'<div style="{_TEXT};opacity:0.75">{inert(short(cell.text))} …</div>'
    if cell.state != "done":
        return '<div style="opacity:0.75">not run</div>'
    html = preview(cell.text) or "(nothing)"
    # One paragraph is no block, which would stand below the triangle where there are no styles.
    text = (
        f"<div>{html}</div>" if html.startswith("<") and _BLOCK.match(html) else f'<span style="{_TEXT}">{html}</span>'
    )
    whole = source.whole(cell.number) if left > 0 else ""
    if not whole or len(whole) > left:
        return f'<div style="margin-bottom:4px">{text}{note}</div>'
    summary = f'<summary style="{_OPENS}">{text}{note}</summary>'
    inside = f'<div style="border-left:2px solid rgba(128,128,128,0.4);margin:6px 0;padding-left:10px">{whole}</div>'
    return f'<details style="{_OPENED}">{summary}{inside}</details>'


def _mark(mark: tuple[str, bool | float]) -> str:
    name, value = mark
    if isinstance(value, bool):
        tint = GOOD if value else BAD
        return f'<span style="background:{tint};{_BADGE}">{"✓" if value else "✗"} {inert(name)}</span>'
    return f"<span>{inert(name)} {value:.3g}</span>"


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
                rating += "".join(f" [not {name}]" for name, value in cell.marks if value is False)
                lines.append("  " + ": ".join(filter(None, (head, failed + text + rating))))
    for label, values in source.summary():
        named = (f"{head}: {value}" if head else value for head, value in zip(heads, values, strict=True) if value)
        lines.append(f"{label} — " + "; ".join(named))
    return clean("\n".join([*lines, *source.notes(), footer]))


def _footer(source: Source) -> str:
    more = len(source.labels) - ROWS
    rest = f" · {more:,} more {'row' if more == 1 else 'rows'}: .df has all" if more > 0 else ""
    return source.progress().words + rest
