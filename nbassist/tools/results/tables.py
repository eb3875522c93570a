"""Tables and arrays as a model reads them, and as rows taken a few at a time: what does not fit is never converted."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from .lazy_values import name_of

# More than a text of bounded length can hold; a table may have a hundred thousand.
_TAKEN_COLUMNS = 500
_CHUNKS = (50, 500)  # rows that are converted at once: few at first, since few may be wanted


class Rows(Sequence[Any]):
    """The rows of a table or the items of an array, in order.

    Parameters
    ----------
    total : int
        How many there are.
    take : callable
        Gives those from one position up to another: a dict for each row of a table, plain values for an array.
    columns : tuple of str
        Of a table; empty for an array.
    cells : callable, optional
        As `take`, with the values of each row as a list: those of the index, where there is one, and of the columns.
    """

    def __init__(
        self,
        total: int,
        take: Callable[[int, int], list[Any]],
        columns: tuple[str, ...] = (),
        cells: Callable[[int, int], list[list[Any]]] | None = None,
    ) -> None:
        self._total = total
        self.take = take
        self.columns = columns
        self.cells = cells

    def __len__(self) -> int:
        return self._total

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            start, stop, step = index.indices(self._total)
            return self.take(start, max(start, stop))[::step]
        position = range(self._total)[index]
        return self.take(position, position + 1)[0]

    def __iter__(self) -> Iterator[Any]:
        start = 0
        while start < self._total:
            stop = min(start + (_CHUNKS[0] if not start else _CHUNKS[1]), self._total)
            yield from self.take(start, stop)
            start = stop


def rows_of(value: Any) -> Rows | None:
    """Return the rows of a table of pandas, polars or arrow, or the items of an array; None for anything else.

    Their libraries are not imported for it; a class made from one of theirs, as geopandas has it, counts as theirs.
    """
    # By name, so that no library is imported to ask whether a value is of it.
    for kind in type(value).__mro__:
        found = _MADE.get((kind.__module__.partition(".")[0], kind.__name__))
        if found is not None:
            return found(value)
    return None


def _pandas_table(value: Any) -> Rows:
    value = value.iloc[:, :_TAKEN_COLUMNS]
    columns = tuple(map(str, value.columns))

    def take(start: int, stop: int) -> list[Any]:
        # Column by column: a row across types would be turned into one, integers into floats.
        lists = [value.iloc[start:stop, place].tolist() for place in range(len(columns))]
        return [dict(zip(columns, row, strict=True)) for row in zip(*lists, strict=True)]

    def cells(start: int, stop: int) -> list[list[Any]]:
        return [list(row) for row in value.iloc[start:stop].itertuples(name=None)]

    return Rows(len(value), take, ("", *columns), cells)


def _pandas_column(value: Any) -> Rows:
    def cells(start: int, stop: int) -> list[list[Any]]:
        part = value.iloc[start:stop]
        return [list(pair) for pair in zip(part.index.tolist(), part.tolist(), strict=True)]

    name = "" if value.name is None else str(value.name)
    return Rows(len(value), lambda start, stop: value.iloc[start:stop].tolist(), ("", name), cells)


def _pandas_index(value: Any) -> Rows:
    return Rows(len(value), lambda start, stop: value[start:stop].tolist())


def _polars_table(value: Any) -> Rows:
    value = value[:, :_TAKEN_COLUMNS]
    return Rows(
        value.height,
        lambda start, stop: value.slice(start, stop - start).to_dicts(),
        tuple(value.columns),
        lambda start, stop: [list(row) for row in value.slice(start, stop - start).rows()],
    )


def _polars_column(value: Any) -> Rows:
    def take(start: int, stop: int) -> list[Any]:
        return list(value.slice(start, stop - start).to_list())

    return Rows(len(value), take, (value.name,), lambda start, stop: [[one] for one in take(start, stop)])


def _arrow_table(value: Any) -> Rows:
    value = value.select(list(range(min(value.num_columns, _TAKEN_COLUMNS))))

    def take(start: int, stop: int) -> list[Any]:
        return list(value.slice(start, stop - start).to_pylist())

    def cells(start: int, stop: int) -> list[list[Any]]:
        return [list(row.values()) for row in take(start, stop)]

    return Rows(value.num_rows, take, tuple(value.column_names), cells)


def _arrow_array(value: Any) -> Rows:
    return Rows(len(value), lambda start, stop: value.slice(start, stop - start).to_pylist())


def _array_rows(value: Any) -> Rows | None:
    if not value.shape:
        return None
    if value.ndim == 1:
        return Rows(len(value), lambda start, stop: value[start:stop].tolist())
    return Rows(len(value), lambda start, stop: [_array_rows(one) for one in value[start:stop]])


_MADE: dict[tuple[str, str], Callable[[Any], Rows | None]] = {
    ("pandas", "DataFrame"): _pandas_table,
    ("pandas", "Series"): _pandas_column,
    ("pandas", "Index"): _pandas_index,
    ("polars", "DataFrame"): _polars_table,
    ("polars", "Series"): _polars_column,
    ("pyarrow", "Table"): _arrow_table,
    ("pyarrow", "RecordBatch"): _arrow_table,
    ("pyarrow", "ChunkedArray"): _arrow_array,
    ("pyarrow", "Array"): _arrow_array,
    ("numpy", "ndarray"): _array_rows,
}


_ROWS = (20, 10, 5, 3)
_COLUMNS = 40
_LAID_OUT = 200  # columns of a table of pandas that are laid out
_CELL = 200  # characters of one cell
_ARRAYS = ("numpy", "torch", "jax", "jaxlib", "cupy")
_PICTURES = ("matplotlib", "PIL", "plotly", "altair", "bokeh", "folium")


def to_text(value: Any, limit: int) -> str | None:
    """Return a text for a table, an array or a figure; None for anything else."""
    kind = type(value)
    library = kind.__module__.partition(".")[0]
    if _is_of("pandas", value):
        return _pandas(value, limit)
    if _is_of("polars", value):
        head = f"polars {kind.__name__}, shape {value.shape}"
        return _first_rows(head, len(value), lambda count: first_rows(value, count), limit)
    if library == "pyarrow" and kind.__name__ == "Table":
        head = f"arrow Table, {value.num_rows:,} rows × {value.num_columns:,} columns"
        return _first_rows(head, value.num_rows, lambda count: first_rows(value, count), limit)
    if library in ("xarray", "dask"):
        return repr(value)
    if library in _ARRAYS and hasattr(value, "shape") and hasattr(value, "dtype"):
        return _array(value, limit)
    if library in _PICTURES:
        title = _title(value)
        return f"{name_of(value)} “{title}”" if title else name_of(value)
    return None


def _title(value: Any) -> str:
    """The title of a figure or chart, where it has one that is a text, or holds one."""
    title = getattr(value, "title", None)
    layout = getattr(value, "layout", None)
    if layout is not None and not isinstance(title, str):
        title = getattr(layout, "title", title)
    text = title if isinstance(title, str) else getattr(title, "text", "")
    return " ".join(text.split())[:80] if isinstance(text, str) else ""


def first_rows(value: Any, count: int, cell: int = _CELL) -> str:
    """Return the first rows of a table of pandas, polars or arrow as text, long cells cut to `cell` characters."""
    if hasattr(value, "iloc"):
        if value.ndim == 1:
            return str(value.iloc[:count].to_string())
        return str(value.iloc[:count, :_LAID_OUT].to_string(max_colwidth=cell))
    if hasattr(value, "to_pylist"):
        return "\n".join(str(row)[: 10 * cell] for row in value.slice(0, count).to_pylist())
    with sys.modules["polars"].Config(tbl_rows=count, tbl_cols=_COLUMNS, fmt_str_lengths=cell):
        return str(value.head(count))


def _is_of(library: str, value: Any) -> bool:
    """Whether it is a table or column of a library, or of a class made from one, as geopandas has it."""
    return any(
        kind.__module__.partition(".")[0] == library and kind.__name__ in ("DataFrame", "Series")
        for kind in type(value).__mro__
    )


def _pandas(value: Any, limit: int) -> str:
    name = type(value).__name__
    if value.ndim == 2:
        rows, columns = value.shape
        names = [f"{name} {kind}" for name, kind in islice(zip(value.columns, value.dtypes, strict=True), _COLUMNS)]
        if columns > _COLUMNS:
            names.append(f"… {columns - _COLUMNS:,} more")
        head = f"{name}, {rows:,} rows × {columns:,} columns: {', '.join(names)}"
        value = value.iloc[:, :_COLUMNS]
    else:
        rows = len(value)
        head = f"{name} {value.name!r}, {rows:,} values, {value.dtype}"
    return _first_rows(head, rows, lambda count: first_rows(value, count), limit)


def _array(value: Any, limit: int) -> str:
    shape = tuple(value.shape)
    head = f"{type(value).__name__}, shape {shape}, {value.dtype}"
    if not shape:
        return f"{head}\n{value}"
    return _first_rows(head, shape[0], lambda count: str(value[:count]), limit)


def _first_rows(head: str, rows: int, show: Any, limit: int) -> str:
    # Fewer rows that can be read, in place of more that are cut.
    for count in _ROWS:
        text = str(show(count))
        if len(text) + len(head) + 40 <= limit or count == _ROWS[-1]:
            break
    note = f"first {count} rows:\n" if count < rows else ""
    return f"{head}\n{note}{text}"
