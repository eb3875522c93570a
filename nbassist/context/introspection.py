"""Looking at variables and earlier cells for the model. Looking is not reading: it changes nothing and has its time."""

from __future__ import annotations

import inspect
import re
from collections import ChainMap, UserDict, UserList, deque
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ..core.conversation import Conversation
from ..core.messages import Text
from ..errors import UsageError
from ..tools.guards import within
from ..tools.results import bounded_json, tables
from ..tools.results.lazy_values import name_of, unread
from ..tools.results.reprs import LIMIT, clean, cut, own_text, short_repr, without_addresses
from ..tools.results.result import image_type
from .namespace import nearest

_KNOWN: tuple[type, ...] = (
    *(dict, list, tuple, set, frozenset, str, bytes, bytearray, range, deque, UserDict, UserList, ChainMap),
    *(MappingProxyType, type({}.keys()), type({}.values()), type({}.items())),
)
SECONDS = 2.0
"""What one look may take."""


def look(value: Any, limit: int = LIMIT, seconds: float = SECONDS) -> str:
    """Return what a value is, at most about `limit` characters.

    Parameters
    ----------
    value : object
        Of the notebook; it is the same afterwards.
    limit : int
        Characters.
    seconds : float
        What it may take. On the main thread what takes longer is broken off, elsewhere it is left to itself.

    Returns
    -------
    str
        A string itself; plain data as JSON; a table or array as its shape, types and first rows; what would be used
        up or computed in one line that says so; anything else as its repr, without addresses.
    """
    return clean(bounded_in_time(value, lambda: _look(value, limit), seconds))


def bounded_in_time(value: Any, work: Callable[[], str], seconds: float = SECONDS) -> str:
    """Return what `work` says of a value, or what the value is where that fails or takes too long.

    Raises
    ------
    UsageError
        As `work` does.
    """
    try:
        return within(seconds, work)
    # Our own words about what can't be formatted; all else is the object's, whose message may hold anything.
    except UsageError:
        raise
    except TimeoutError:
        return f"{name_of(value)}, whose repr takes longer than {seconds:g} s"
    except Exception as error:  # noqa: BLE001 - the object's own code
        return f"{name_of(value)}, whose repr raised {type(error).__name__}"


def _look(value: Any, limit: int) -> str:
    if value is None or isinstance(value, str):
        return cut(str(value), limit)
    text = unread(value) or own_text(value) or tables.to_text(value, limit)
    if text is not None:
        return cut(text, limit)
    if isinstance(value, bytes) and (kind := image_type(value)):
        return f"an image ({kind}) of {len(value):,} bytes"
    # A mapping of h5py or zarr is plain by its methods, and reads from the disk with each item.
    if bounded_json.is_plain(value) and not _is_abstract(value):
        return bounded_json.to_json(value, limit)
    return short_repr(value, limit)


def _is_abstract(value: Any) -> bool:
    """Whether it is a collection by its methods alone, which may read or compute what they give."""
    return isinstance(value, Mapping | Sequence | Set) and not isinstance(value, _KNOWN)


_LIMIT = 2_000  # characters of one variable, one cell, or what stands below it
_CELLS = 20
# With comments above the magic, which a transformer takes away before the cell runs, and the history keeps.
_OURS = re.compile(r"(\s*#.*\n|\s)*%%?assistant\b")
CELLS = "cells"
"""The word that stands for the earlier cells."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell that ran.

    Parameters
    ----------
    number : int
        As in ``In[number]``.
    source : str
        As it was typed.
    shown : tuple of str
        What stands below it, in order: printed text, displays, its value, its error; empty where nothing does.
    """

    number: int
    source: str
    shown: tuple[str, ...] = ()


_CHANGED = ("The variable", "Now the variable")
"""How what is shown begins, the first time and after a change."""


def is_ours(source: str) -> bool:
    """Whether a cell asks or commands the assistant: it is no cell of the notebook's own work."""
    return _OURS.match(source) is not None


def see(names: Sequence[str], namespace: Mapping[str, Any], conversation: Conversation) -> tuple[Text, ...]:
    """Return what the model is to see of the notebook and does not know from `conversation` yet; see `look_at`."""
    return unknown(look_at(names, namespace), conversation)


def look_at(
    names: Sequence[str], namespace: Mapping[str, Any], cells: Callable[[], Sequence[Cell]] | None = None
) -> dict[str, str]:
    """Return what there is to see of the notebook, by its label; each variable is looked at once.

    Parameters
    ----------
    names : sequence of str
        Of variables; `cells` stands for the earlier cells of the session.
    namespace : mapping of str to object
        The notebook's.
    cells : callable, optional
        Gives the earlier cells, oldest first; by default they are made of the `In` and `Out` of the namespace.

    Raises
    ------
    UsageError
        Where a name is not defined.
    """
    found: dict[str, str] = {}
    for name in names:
        # A variable called `cells` is what the person means: theirs goes before our word.
        if name == CELLS and name not in namespace:
            found |= _cells(cells() if cells else _of_namespace(namespace))
        elif name in namespace:
            found[name] = _variable(name, namespace[name])
        else:
            raise UsageError(f"--see {name}: it is not defined in this notebook{nearest(name, namespace)}")
    return found


def unknown(found: Mapping[str, str], conversation: Conversation) -> tuple[Text, ...]:
    """Return what of `found` does not stand in `conversation` yet, or stands there otherwise; labelled, in order."""
    known = {
        part.label: part.text.replace(_CHANGED[1], _CHANGED[0], 1)
        for message in conversation.messages
        for part in message.parts
        if isinstance(part, Text) and part.label
    }
    new = [Text(text, label) for label, text in found.items() if known.get(label) != text]
    return tuple(Text(part.text.replace(*_CHANGED, 1), part.label) if part.label in known else part for part in new)


def _variable(name: str, value: Any) -> str:
    if inspect.isroutine(value) or inspect.isclass(value):
        return f"The variable {name} is:\n{_source(name, value)}\n\n"
    kind = type(value)
    full = kind.__name__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__name__}"
    return f"The variable {name}, of type {full}, is:\n{look(value, _LIMIT)}\n\n"


def _source(name: str, value: Any) -> str:
    try:
        # IPython puts each cell into linecache, so what was defined in the notebook has its source, too.
        return cut(inspect.getsource(value).rstrip(), _LIMIT)
    except (OSError, TypeError):
        pass
    try:
        return f"{name}{inspect.signature(value)}\n{inspect.getdoc(value) or ''}".rstrip()
    except (ValueError, TypeError):
        return f"{name}: {inspect.getdoc(value) or 'no documentation'}"


def _cells(cells: Sequence[Cell]) -> dict[str, str]:
    found = {}
    for cell in cells:
        if not cell.source.strip() or is_ours(cell.source):
            continue
        text = f"Cell {cell.number} of the notebook:\n{cut(clean(cell.source), _LIMIT)}\n"
        if shown := "\n".join(part.rstrip("\n") for part in cell.shown if part.strip()):
            text += f"It gave:\n{without_addresses(cut(clean(shown), _LIMIT))}\n"
        found[f"In[{cell.number}]"] = text + "\n"
    return dict(list(found.items())[-_CELLS:])


def _of_namespace(namespace: Mapping[str, Any]) -> list[Cell]:
    sources, results = namespace.get("In"), namespace.get("Out")
    if not isinstance(sources, list):
        return []
    given = results if isinstance(results, Mapping) else {}
    numbered = list(enumerate(sources))[1:-1]  # the first is empty, the last is the cell that runs
    return [Cell(n, source, (look(given[n], _LIMIT),) if n in given else ()) for n, source in numbered]
