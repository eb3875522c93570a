"""From a Python function of the notebook to a tool that the model can call.

`schema` describes the function, `validate` reads the model's arguments, `approval` settles whether a call may run and
`dialogue` asks the person, `call` runs it, `capture` keeps what it prints and displays, `results` turns what it returns
into text for the model and something to look at for the person. `adding` finds tools by name, `mcp` at servers.
"""

from __future__ import annotations

from .approval import POLICIES, Approvals, Ask
from .call import Toolbox
from .decorator import as_tool, current, registry, tool
from .definition import Tool
from .dialogue import asker
from .results import ToolResult

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
