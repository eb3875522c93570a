"""From a Python function of the notebook to a tool that the model can call.

Imports the ground (`errors`, `core`) and nothing else of ours; `capture` alone knows IPython. Begin with `decorator`
and `toolbox`: what `@tool` makes, and how the calls of one turn are answered. `schema` describes a function and reads
the model's arguments, `approval` settles whether a call may run and asks the person, `execute` runs one, `capture`
keeps what it prints and displays, `results` turns what it returns into text for the model and something to look at
for the person. `lookup` finds tools by name, `mcp` at servers.
"""

from __future__ import annotations

from .approval import POLICIES, Approvals, Ask, asker
from .decorator import as_tool, current, registry, tool
from .definition import Tool
from .results.result import ToolResult
from .toolbox import Toolbox

__all__ = [
    "POLICIES",
    "Approvals",
    "Ask",
    "Tool",
    "ToolResult",
    "Toolbox",
    "as_tool",
    "asker",
    "current",
    "registry",
    "tool",
]
