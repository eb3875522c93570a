"""`variables`: the model looks at what is defined in the notebook: names, types, shapes and a few rows."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from types import FunctionType, ModuleType
from typing import Any

from ...context.introspection import SECONDS, look
from ...core.redaction import is_secret
from ...tools import Tool

_MOST = 50
_ONE = 300  # characters of one of many
_ALONE = 3_000  # characters where one alone is asked for
_SECONDS = 5.0  # for all; what comes after that is named alone
# What IPython puts into each namespace.
_NOISE = ("In", "Out", "exit", "quit", "get_ipython", "open")


def make(shell: Any, approve: bool = False) -> Tool:
    """Return the tool for one shell."""

    def variables(pattern: str = "*") -> str:
        """List the variables of the user's notebook with their types, shapes and first values.

        Parameters
        ----------
        pattern
            A name, or a glob such as sales*; one name alone is shown with more rows.
        """
        return listing(shell.user_ns, pattern, hidden=getattr(shell, "user_ns_hidden", {}))

    return Tool.from_function(variables, approve=approve)


def listing(namespace: Mapping[str, Any], pattern: str = "*", hidden: Mapping[str, Any] | None = None) -> str:
    """Return one entry for each variable whose name matches, in the order of their definition, bounded.

    Values whose names say that they are secret are left out, as are modules, and what the shell itself put there.
    """
    found = list(_shown(namespace, pattern, hidden or {}))
    if not found:
        return f"no variable matches {pattern!r}"
    limit = _ALONE if len(found) == 1 else _ONE
    until = time.monotonic() + _SECONDS
    lines = [_entry(name, value, limit, until) for name, value in found[:_MOST]]
    if len(found) > _MOST:
        lines.append(f"… {len(found) - _MOST} more: {', '.join(name for name, _ in found[_MOST:][:_MOST])}")
    return "\n".join(lines)


def _shown(namespace: Mapping[str, Any], pattern: str, hidden: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    # A copy: another thread of the notebook may define a name meanwhile.
    for name, value in list(namespace.items()):
        if name.startswith("_") or name in _NOISE or isinstance(value, ModuleType):
            continue
        # A name of the shell's that the person bound anew is theirs.
        if name in hidden and hidden[name] is value:
            continue
        if fnmatchcase(name, pattern):
            yield name, value


def _entry(name: str, value: Any, limit: int, until: float) -> str:
    kind = type(value).__name__
    if is_secret(name):
        return f"{name}: {kind}, not shown"
    if isinstance(value, FunctionType | type):
        summary = (getattr(value, "__doc__", None) or "").strip().split("\n")[0]
        return f"{name}: {kind}{', ' + summary if summary else ''}"
    size = f" of {len(value):,}" if isinstance(value, list | tuple | dict | set | str | bytes) else ""
    if (left := until - time.monotonic()) <= 0:
        return f"{name}: {kind}{size}"
    return f"{name}: {kind}{size}\n  " + look(value, limit, min(left, SECONDS)).replace("\n", "\n  ")
