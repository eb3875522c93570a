"""What a sweep goes over: the rows of any table, the items of any collection, by what they hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from typing import Any, TypeAlias

from ..errors import UsageError

MOST = 100_000
"""Inputs; more are not one sweep."""
_Pairs: TypeAlias = Iterator[tuple[Any, Any]]


class Row(dict[Any, Any]):
    """One row of a table: `row.column` and `row["column"]` are what stands in it.

    A column goes before any attribute, whatever it is called: `name`, `size`, `count` or `items`.
    """

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("__") and dict.__contains__(self, name):
            return dict.__getitem__(self, name)
        return super().__getattribute__(name)

    def __getattr__(self, name: str) -> Any:
        names = [str(column) for column in dict.keys(self)]
        near = get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
        raise AttributeError(f"the row has no column {name!r}; {hint}")


@dataclass(frozen=True, slots=True)
class Input:
    """One input.

    Parameters
    ----------
    index : object
        What it is called: a row's label, a mapping's key, else its position. Several may be called the same.
    value : object
        The row or item itself, with the types that it came with.
    bare : bool
        Whether there is none: a sweep that goes over nothing.
    """

    index: Any
    value: Any = None
    bare: bool = False

    @property
    def names(self) -> Mapping[str, Any]:
        """What the prompt calls it: `row` or `item`, and `index`."""
        return {} if self.bare else {"row": self.value, "item": self.value, "index": self.index}

    @property
    def label(self) -> str:
        """A few words, for the grid."""
        if self.bare:
            return ""
        values = list(dict.values(self.value)) if isinstance(self.value, Row) else [self.value]
        text = " · ".join(" ".join(str(value).split()) for value in values)
        return text if len(text) <= 80 else text[:79] + "…"


def inputs_of(over: Any) -> tuple[Input, ...]:
    """Return the inputs in `over`, in its order; one without a name where it is None.

    Raises
    ------
    UsageError
        Where it can't be gone over, is empty, or has more than `MOST`.
    """
    if over is None:
        return (Input(0, bare=True),)
    if hasattr(over, "collect") and not isinstance(over, Iterable):
        over = over.collect()  # a lazy frame of polars
    if isinstance(over, str | bytes) or not (isinstance(over, Iterable) or hasattr(over, "to_pylist")):
        raise UsageError(f"a sweep goes over a table or a collection, not a {type(over).__name__}")
    found = [Input(index, _as_row(value)) for index, value in islice(_pairs(over), MOST + 1)]
    if not found:
        raise UsageError("there is nothing to go over: it is empty")
    if len(found) > MOST:
        raise UsageError(f"a sweep goes over at most {MOST:,} inputs")
    return tuple(found)


def _pairs(over: Any) -> _Pairs:
    """Yield labels and values: of a table by rows, whoever made it."""
    # By what they can do and not by their types: none of these libraries is imported for it.
    if hasattr(over, "iterrows") and hasattr(over, "columns"):
        return _of_pandas(over)
    if hasattr(over, "iter_rows") and hasattr(over, "columns"):  # polars
        return enumerate(Row(row) for row in over.iter_rows(named=True))
    if hasattr(over, "to_pylist"):  # arrow: a table, a batch or an array
        return enumerate(over.slice(0, MOST + 1).to_pylist())  # cut first: a column of arrow may be a file's
    if isinstance(over, Mapping):
        return enumerate(_of_columns(over)) if _is_table(over) else iter(over.items())
    if hasattr(over, "iloc") and hasattr(over, "index"):  # a Series
        return zip(over.index.tolist(), over.tolist(), strict=True)
    if hasattr(over, "dtype") and hasattr(over, "tolist") and getattr(over, "ndim", 0) == 1:  # numpy
        names = getattr(over.dtype, "names", None)
        return enumerate(Row(zip(names, row, strict=True)) if names else row for row in over.tolist())
    return enumerate(over)


def _of_pandas(frame: Any) -> _Pairs:
    """Yield rows column by column: a row taken by itself would have its numbers turned into one type."""
    columns = [frame.iloc[: MOST + 1, number].tolist() for number in range(frame.shape[1])]
    names, labels = frame.columns.tolist(), frame.index[: MOST + 1].tolist()
    rows: Iterable[Any] = zip(*columns, strict=True) if columns else (() for _ in labels)
    for label, values in zip(labels, rows, strict=True):
        yield label, Row(zip(names, values, strict=True))


def _is_table(mapping: Mapping[Any, Any]) -> bool:
    """Whether it is columns by name, all of one length."""
    # A mapping of lists is a table only where they have one length: else its items are what is gone over.
    columns = list(mapping.values())
    if not columns or not all(isinstance(one, list | tuple) or hasattr(one, "tolist") for one in columns):
        return False
    if not all(isinstance(name, str) and hasattr(one, "__len__") for name, one in mapping.items()):
        return False
    return len({len(one) for one in columns}) == 1


def _of_columns(mapping: Mapping[Any, Any]) -> Iterator[Row]:
    columns = [one.tolist() if hasattr(one, "tolist") else one for one in mapping.values()]
    return (Row(zip(mapping, values, strict=True)) for values in zip(*columns, strict=True))


def _as_row(value: Any) -> Any:
    return Row(value) if isinstance(value, Mapping) and not isinstance(value, Row) else value
