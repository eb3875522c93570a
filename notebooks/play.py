"""Run a notebook in a real kernel and show it in the terminal as it goes: python play.py NOTEBOOK

The kernel is the notebook's own, as JupyterLab would start it; replies are shown as text while they stream.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

_CONTROL = re.compile(r"\x1b\[[0-9;]*m")
_TERMINAL = sys.stdout.isatty()


def _dim(text: str) -> str:
    return f"\x1b[2m{text}\x1b[0m" if _TERMINAL else text


def _bold(text: str) -> str:
    return f"\x1b[1m{text}\x1b[0m" if _TERMINAL else text


class Player(NotebookClient):
    """A notebook client that writes what comes from the kernel at once."""

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        content = msg["content"]
        if msg["msg_type"] == "stream":
            _write(content["text"])
        elif msg["msg_type"] in ("execute_result", "display_data"):
            _write(content["data"].get("text/plain", "") + "\n")
        return super().process_message(msg, cell, cell_index)

    async def async_execute_cell(self, cell: Any, cell_index: int, *args: Any, **kwargs: Any) -> Any:
        if cell.cell_type == "code":
            _write("\n" + "\n".join(_dim("│ ") + _bold(line) for line in cell.source.splitlines()) + "\n\n")
        elif cell.cell_type == "markdown":
            _write("\n" + _dim(cell.source) + "\n")
        return await super().async_execute_cell(cell, cell_index, *args, **kwargs)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def main() -> int:
    path = Path(sys.argv[1]).resolve()
    os.environ["NBASSIST_DISPLAY"] = "plain"
    notebook = nbformat.read(path, as_version=4)
    try:
        Player(notebook, timeout=1800, resources={"metadata": {"path": str(path.parent)}}).execute(
            stderr=subprocess.DEVNULL  # its start-up notes are not part of the conversation
        )
    except CellExecutionError as error:
        _write("\n" + _CONTROL.sub("", f"{error.ename}: {error.evalue}") + "\n")
        return 1
    _write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
