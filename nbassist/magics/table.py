"""A small table as the result of a command: text in a terminal, HTML in a notebook."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.html_allowlist import inert, seal
from ..core.text import clean


@dataclass(frozen=True, repr=False)
class Table:
    """Rows under headings, in the order in which they are shown.

    Parameters
    ----------
    headings : tuple of str
        One for each column; all empty for a table without a head. A column that has nothing in it is not shown.
    rows : tuple of tuple of str
        Each as long as `headings`.
    note : str
        One line below it; may be empty.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def __repr__(self) -> str:
        lines = [self.headings, *self.rows] if any(self.headings) else list(self.rows)
        lines = [self._used(line) for line in lines]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        shown = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
        return "\n".join(line.rstrip() for line in [*shown, *([clean(self.note)] if self.note else [])])

    def _repr_html_(self) -> str:
        def row(cells: tuple[str, ...], head: bool) -> str:
            # The attribute is for where styles are stripped, as on GitHub.
            made = "".join(
                f'<{tag} align="left" style="text-align:left">{inert(cell)}</{tag}>'
                for i, cell in enumerate(self._used(cells))
                for tag in ["th" if head or (i == 0 and not any(self.headings)) else "td"]
            )
            return f"<tr>{made}</tr>"

        head = f"<thead>{row(self.headings, True)}</thead>" if any(self.headings) else ""
        body = "".join(row(cells, False) for cells in self.rows)
        note = f"<div>{inert(self.note)}</div>" if self.note else ""
        return seal(f"<table>{head}<tbody>{body}</tbody></table>{note}")

    def _used(self, cells: tuple[str, ...]) -> tuple[str, ...]:
        columns = zip(self.headings, *self.rows, strict=True)
        return tuple(clean(cell) for cell, column in zip(cells, columns, strict=True) if any(column))
