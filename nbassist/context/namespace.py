"""Evaluating what a person wrote in the notebook's namespace; what can't be is one line with the nearest name."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from types import CodeType
from typing import Any

from ..errors import UsageError


class Names(dict[str, Any]):
    """A namespace made for expressions alone: it need not be copied before each, as the notebook's own is."""


@lru_cache(maxsize=256)
def _compiled(source: str) -> CodeType:
    """Compile an expression once: a sweep evaluates the same for each of its rows."""
    return compile(source, "<prompt>", "eval")


def evaluate(source: str, namespace: Mapping[str, Any], shown: str = "") -> Any:
    """Return the value of an expression.

    Parameters
    ----------
    source : str
        The expression; valid Python.
    namespace : mapping of str to object
        The notebook's; it is left as it is.
    shown : str
        How the expression stands where the person wrote it; `source` by default.

    Raises
    ------
    UsageError
        Where a name is missing, with the nearest that there is, or the expression raises; the cause says what.
    """
    shown = shown or source
    try:
        # A copy: eval adds `__builtins__` to the globals that it is given, and a walrus would assign in them.
        return eval(_compiled(source), namespace if isinstance(namespace, Names) else dict(namespace))
    except NameError as error:
        raise UsageError(
            f"{shown}: {error.name!r} is not defined in this notebook{nearest(error.name or '', namespace)}"
        ) from error
    except Exception as error:  # the person's own expression may raise anything
        raise UsageError(f"{shown} failed: {type(error).__name__}: {error}") from error


def is_expression(source: str) -> bool:
    """Whether it can be compiled as one."""
    try:
        _compiled(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last two: of brackets by the hundred
        return False
    return True


def nearest(name: str, namespace: Mapping[str, Any]) -> str:
    """Return `; did you mean NAME?`, or an empty text where nothing is near."""
    near = get_close_matches(name, namespace, n=1) or get_close_matches(name, vars(builtins), n=1)
    return f"; did you mean {near[0]}?" if near else ""
