"""`code_interpreter`: the service's own where it has one; else code runs in this kernel, as with `python`."""

from __future__ import annotations

from typing import Any

from ...tools import Tool
from . import python


def make(shell: Any, approve: bool = True) -> Tool:
    """Return the tool for one shell."""
    return python.make(shell, approve, name="code_interpreter", service="code_interpreter")
