"""`{{ expression }}` in a prompt, filled in from the notebook's namespace."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from ..errors import UsageError
from .formats import FORMATS, as_text
from .names import evaluate, is_expression

_FIELD = re.compile(r"\{\{(.+?)\}\}", re.DOTALL)
_FORMATTED = re.compile(r"(.+)\|\s*([A-Za-z]+)(?:\s+(\d+))?\s*", re.DOTALL)


def fill(template: str, namespace: Mapping[str, Any]) -> str:
    """Return `template` with each `{{ expression }}` replaced by its value, as text.

    `{{ expression | format }}` says how: see `nbassist.context.formats`. What is long is cut, and the text says so.
    Braces around what is no Python expression are left as they are: code in a prompt stays code.

    Raises
    ------
    UsageError
        Where an expression can't be evaluated; for a missing name it says which is the nearest.
    """

    def value(match: re.Match[str]) -> str:
        source = match.group(1).strip()
        shown = f"{{{{ {source} }}}}"
        formatted = _FORMATTED.fullmatch(source)
        if formatted and is_expression(formatted[1].strip()):
            inner, name, number = formatted[1].strip(), formatted[2], int(formatted[3] or 0)
            if name in FORMATS:
                return _formatted(name, evaluate(inner, namespace, shown), number, shown)
            if not is_expression(source):
                near = get_close_matches(name, FORMATS, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(FORMATS)}"
                raise UsageError(f"{shown}: there is no format {name!r}; {hint}")
        if not is_expression(source):
            return match.group(0)
        return as_text(evaluate(source, namespace, shown))

    return _FIELD.sub(value, template)


def _formatted(name: str, value: Any, number: int, shown: str) -> str:
    try:
        return FORMATS[name](value, number)
    except UsageError:
        raise
    except Exception as error:  # the value's own code may raise anything
        raise UsageError(f"{shown} failed: {type(error).__name__}: {error}") from error
