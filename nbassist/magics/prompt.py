"""`{{ expression }}` in a prompt, filled in from the notebook's namespace."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from ..errors import UsageError

_FIELD = re.compile(r"\{\{(.+?)\}\}", re.DOTALL)


def fill(template: str, namespace: Mapping[str, Any]) -> str:
    """Return `template` with each `{{ expression }}` replaced by its value, as text.

    Braces around what is no Python expression are left as they are: code in a prompt stays code.

    Raises
    ------
    UsageError
        Where an expression can't be evaluated; for a missing name it says which is the nearest.
    """

    def value(match: re.Match[str]) -> str:
        source = match.group(1).strip()
        try:
            code = compile(source, "<prompt>", "eval")
        except (SyntaxError, ValueError):
            return match.group(0)
        return str(_evaluate(source, code, namespace))

    return _FIELD.sub(value, template)


def _evaluate(source: str, code: Any, namespace: Mapping[str, Any]) -> Any:
    try:
        return eval(code, dict(namespace))
    except NameError as error:
        near = get_close_matches(error.name or "", list(namespace), n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"{{{{ {source} }}}}: {error.name!r} is not defined in this notebook{hint}") from error
    except Exception as error:  # the person's own expression may raise anything
        raise UsageError(f"{{{{ {source} }}}} failed: {type(error).__name__}: {error}") from error
