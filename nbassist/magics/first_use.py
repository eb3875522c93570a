"""The first use on a new machine: offer to fetch the local model, where a person is there to say yes."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from ..errors import ModelFileError


def offer_model(error: ModelFileError, shell: Any) -> bool:
    """Ask whether to run `nbassist model get` now, and run it; its progress stands in the cell.

    Returns
    -------
    bool
        Whether the model was fetched. False where nobody can answer, or the answer is no.
    """
    if not someone_can_answer(shell):
        return False
    if input(f"{error}. Shall I do it now? [y/N] ").strip().lower() not in ("y", "yes"):
        return False
    # A process of its own: nothing of the server is imported in the kernel but its launcher.
    command = [sys.executable, "-m", "nbassist", "model", "get"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},  # on Windows it would write to a pipe in another
    )
    assert process.stdout is not None
    with process.stdout as lines:
        try:
            for line in lines:
                sys.stdout.write(line)
                sys.stdout.flush()
        except BaseException:
            # Whatever ends the waiting, an interrupt above all, ends the download; its part is kept, and taken up
            # again.
            process.terminate()
            raise
    return process.wait() == 0


def someone_can_answer(shell: Any) -> bool:
    """Whether a person is there who could answer `input()`."""
    # A frontend says with each request whether it can ask; nbclient and papermill say no, and `input()` would raise.
    kernel = getattr(shell, "kernel", None)
    return bool(getattr(kernel, "_allow_stdin", False)) if kernel is not None else sys.stdin.isatty()
