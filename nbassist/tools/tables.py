"""Tables and arrays as a model reads them: shape, types and first rows, without importing their libraries."""

from __future__ import annotations

from typing import Any

_ROWS = (20, 10, 5, 3)
_COLUMNS = 40


def to_text(value: Any, limit: int) -> str | None:
    """Return a text for a pandas or polars table, a numpy array or a figure; None for anything else."""
    kind = type(value)
    library = kind.__module__.partition(".")[0]
    if library == "pandas" and kind.__name__ in ("DataFrame", "Series"):
        return _pandas(value, limit)
    if library == "polars" and kind.__name__ in ("DataFrame", "Series"):
        return f"polars {kind.__name__}, shape {value.shape}\n{value}"
    if library in ("numpy", "torch", "jax", "jaxlib", "cupy") and hasattr(value, "shape") and hasattr(value, "dtype"):
        return _array(value, limit)
    if library in ("matplotlib", "PIL", "plotly", "altair", "bokeh"):
        return f"a {library} {kind.__name__}, shown to the person"
    return None


def _pandas(value: Any, limit: int) -> str:
    if value.ndim == 2:
        rows, columns = value.shape
        names = [f"{name} {kind}" for name, kind in list(zip(value.columns, value.dtypes, strict=True))[:_COLUMNS]]
        if columns > _COLUMNS:
            names.append(f"… {columns - _COLUMNS:,} more")
        head = f"DataFrame, {rows:,} rows × {columns:,} columns: {', '.join(names)}"
        value = value.iloc[:, :_COLUMNS]
    else:
        rows = len(value)
        head = f"Series {value.name!r}, {rows:,} values, {value.dtype}"
    return _first_rows(head, rows, lambda count: value.head(count).to_string(), limit)


def _array(value: Any, limit: int) -> str:
    shape = tuple(value.shape)
    head = f"{type(value).__name__}, shape {shape}, {value.dtype}"
    if not shape:
        return f"{head}\n{value}"
    return _first_rows(head, shape[0], lambda count: str(value[:count]), limit)


def _first_rows(head: str, rows: int, show: Any, limit: int) -> str:
    for count in _ROWS:
        text = str(show(count))
        if len(text) + len(head) + 40 <= limit or count == _ROWS[-1]:
            break
    note = f"first {count} rows:\n" if count < rows else ""
    return f"{head}\n{note}{text}"
