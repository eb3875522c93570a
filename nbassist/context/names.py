"""Evaluating what a person wrote in the notebook's namespace; what can't be is one line with the nearest name."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from ..errors import UsageError


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
        Where a name is missing, with the nearest that there is, or the expression raises.
    """
    shown = shown or source
    try:
        return eval(compile(source, "<prompt>", "eval"), dict(namespace))
    except NameError as error:
        raise UsageError(
            f"{shown}: {error.name!r} is not defined in this notebook{nearest(error.name or '', namespace)}"
        ) from error
    except Exception as error:  # the person's own expression may raise anything
        raise UsageError(f"{shown} failed: {type(error).__name__}: {error}") from error


def is_expression(source: str) -> bool:
    """Whether it can be compiled as one."""
    try:
        compile(source, "<prompt>", "eval")
    except (SyntaxError, ValueError):
        return False
    return True


def nearest(name: str, namespace: Mapping[str, Any]) -> str:
    """Return `; did you mean NAME?`, or an empty text where nothing is near."""
    near = get_close_matches(name, namespace, n=1) or get_close_matches(name, vars(builtins), n=1)
    return f"; did you mean {near[0]}?" if near else ""
