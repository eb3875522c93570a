"""Variables and earlier cells shown to the model: all of them the first time, later only what changed."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from ..conversation import Conversation
from ..errors import UsageError
from ..messages import Text
from ..tools.reprs import clean, cut
from ..tools.results import to_text
from .names import nearest

_LIMIT = 2_000  # characters of one variable or cell
_CELLS = 20
CELLS = "cells"
"""The word that stands for the earlier cells."""


def see(names: Sequence[str], namespace: Mapping[str, Any], conversation: Conversation) -> tuple[Text, ...]:
    """Return what the model is to see of the notebook and does not know from `conversation` yet.

    Parameters
    ----------
    names : sequence of str
        Of variables; `cells` stands for the earlier cells of the session.
    namespace : mapping of str to object
        The notebook's, where `In` and `Out` hold its cells.
    conversation : Conversation
        What was shown before stands in it.

    Returns
    -------
    tuple of Text
        One for each variable and cell that is new or changed, labelled with its name; empty where none is.

    Raises
    ------
    UsageError
        Where a name is not defined.
    """
    found: dict[str, str] = {}
    for name in names:
        if name == CELLS and name not in namespace:
            found |= _cells(namespace)
        elif name in namespace:
            found[name] = _variable(name, namespace[name])
        else:
            raise UsageError(f"--see {name}: it is not defined in this notebook{nearest(name, namespace)}")
    known = {
        part.label: part.text
        for message in conversation.messages
        for part in message.parts
        if isinstance(part, Text) and part.label
    }
    new = [Text(text, label) for label, text in found.items() if known.get(label) != text]
    return tuple(
        Text(part.text.replace("The variable", "Now the variable", 1), part.label) if part.label in known else part
        for part in new
    )


def _variable(name: str, value: Any) -> str:
    if inspect.isroutine(value) or inspect.isclass(value):
        return f"The variable {name} is:\n{_source(name, value)}\n\n"
    kind = type(value)
    full = kind.__name__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__name__}"
    return f"The variable {name}, of type {full}, is:\n{to_text(value, _LIMIT)}\n\n"


def _source(name: str, value: Any) -> str:
    try:
        return cut(inspect.getsource(value).rstrip(), _LIMIT)
    except (OSError, TypeError):
        pass
    try:
        return f"{name}{inspect.signature(value)}\n{inspect.getdoc(value) or ''}".rstrip()
    except (ValueError, TypeError):
        return f"{name}: {inspect.getdoc(value) or 'no documentation'}"


def _cells(namespace: Mapping[str, Any]) -> dict[str, str]:
    sources, results = namespace.get("In"), namespace.get("Out")
    if not isinstance(sources, list):
        return {}
    found = {}
    for number, source in list(enumerate(sources))[1:-1]:  # the first is empty, the last is the cell that runs
        if not source.strip() or "%%assistant" in source or source.lstrip().startswith("%assistant"):
            continue
        text = f"Cell {number} of the notebook:\n{cut(clean(source), _LIMIT)}\n"
        if isinstance(results, Mapping) and number in results:
            text += f"It gave:\n{to_text(results[number], _LIMIT)}\n"
        found[f"In[{number}]"] = text + "\n"
    return dict(list(found.items())[-_CELLS:])
