"""`python`: the model runs code in this kernel, as a cell would; each call has to be allowed, unless told otherwise."""

from __future__ import annotations

import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from IPython.display import display

from ...context.introspection import look
from ...errors import ToolError
from ...tools import Tool, ToolResult
from ...tools.capture import captured
from ...tools.results.result import one_line
from ..nesting import model_code

_FRAMES = 3  # of the code itself that the model is told
_LONGEST = 8_000  # characters of one value


def make(shell: Any, approve: bool = True, **options: Any) -> Tool:
    """Return the tool for one shell; `options` are further ones of `Tool.from_function`, such as another name."""

    def python(code: str) -> ToolResult:
        """Run Python code in the user's notebook, with its variables, and return what it prints and its last value.

        Parameters
        ----------
        code
            The code of one cell. Variables that it sets stay.
        """
        return run(shell, code)

    return Tool.from_function(python, approve=approve, **options)


def run(shell: Any, code: str) -> ToolResult:
    """Run `code` through the shell; what it shows stands in the call's panel.

    Raises
    ------
    ToolError
        Where it awaits at its top level, which can't be done while the loop of the kernel runs the cell.
    KeyboardInterrupt
        As it comes: the interrupt ends the code and the run.
    """
    if _awaits(shell, code):
        raise ToolError("await does not work at the top level here: write a function, and asyncio.run it in a thread")
    said: dict[int, str] = {}
    before = len(captured())
    with _shown_in_panel(shell, said), model_code(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "To exit: use", UserWarning)
        # Not in the history: `In` and `Out` are the person's.
        result = shell.run_cell(code, store_history=False)
    error = result.error_before_exec or result.error_in_exec
    # `run_cell` swallows it, and the run has to hear that it was interrupted.
    if isinstance(error, KeyboardInterrupt):
        raise error
    shown = list(enumerate(captured()))[before:]
    parts = [said.get(index, str(bundle.get("text/plain", ""))) for index, bundle in shown]
    return ToolResult("\n".join(part.rstrip("\n") for part in parts if part) or "done, nothing printed", show="")


def _awaits(shell: Any, code: str) -> bool:
    try:
        return bool(shell.should_run_async(code, transformed_cell=shell.transform_cell(code)))
    except SyntaxError:
        return False


@contextmanager
def _shown_in_panel(shell: Any, said: dict[int, str]) -> Iterator[None]:
    """Let values and tracebacks go where prints go: each shell sends them past its display publisher.

    `said` gets what the model reads in place of the display with that number: all of a value, an error in brief.
    """

    def show(value: Any) -> None:
        if value is not None:
            said[len(captured())] = look(value, _LONGEST)
            display(value)  # type: ignore[no-untyped-call]

    def show_error(etype: Any, value: Any, lines: list[str]) -> None:
        said[len(captured())] = _in_brief(value)
        shell.display_pub.publish({"text/plain": "\n".join(lines)})

    trap = shell.display_trap
    # The cell that asks is in `run_cell` itself. A trap within a trap sets no hook, so they are exchanged by hand; and
    # the inner `run_cell` leaves `exec_result` at None, without which the outer cell would have no result.
    before = sys.displayhook, trap.hook, shell.displayhook.exec_result
    sys.displayhook = trap.hook = show
    # On the instance, in front of the class's: a kernel's own sends an error of the cell, past the panel.
    shell._showtraceback = show_error
    try:
        yield
    finally:
        del shell._showtraceback  # the class's own is there again
        sys.displayhook, trap.hook, shell.displayhook.exec_result = before


def _in_brief(error: BaseException) -> str:
    """The error and the lines of the code that led to it, without the frames of libraries."""
    said = "".join(traceback.format_exception_only(error)).strip()
    if isinstance(error, SystemExit):
        said = one_line(error)
    if isinstance(error, SyntaxError):  # Python 3.13 has a private kind of it for code that is not finished
        said = said.replace("_IncompleteInputError:", "SyntaxError:")
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_cell(frame.filename)]
    return "\n".join([said, *(f"  line {frame.lineno}: {frame.line}" for frame in frames[-_FRAMES:])])


def _is_cell(filename: str) -> bool:
    return filename.startswith("<ipython-input") or "ipykernel_" in filename
