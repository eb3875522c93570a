"""What a first run imports, imported before it: the first cell is then as quick as the others.

Half a second of imports stands between the first `%%assistant` of a kernel and its request. They are done on a thread
once the cell that loads the extension has ended, and only while the kernel rests: a cell that the person runs meanwhile
has it to itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from ..errors import NbassistError

_BEFORE = (
    "nbassist.assistant",
    "nbassist.magics.run_cell",
    "ipywidgets",
    "anywidget",
    "markdown_it",
    "nbassist.display.markdown.block_html",
    "nbassist.display.live.view",
    "httpx2",
    "httpcore2",
    "pydantic",
    "openai",
    "nbassist.backends.http.transport",
)
"""In the order in which a run needs them, the parts before the wholes: a cell that comes waits for one of them at most,
and the longest, `openai`, takes a quarter of a second."""
_OF_LATER_SDKS = ("httpx2", "httpcore2")
"""Not there where the `openai` package sends by httpx."""
_BACKENDS = ("chat", "responses", "assistants")
_AFTER = ("nbassist.journal.database",)
"""What the run itself imports while the model is at work."""


class Preload:
    """Imports modules on a thread, one after the other, while the kernel rests.

    Parameters
    ----------
    shell : InteractiveShell
        Whose cells have the kernel to themselves.
    backend : callable
        The name of the protocol that will be asked; called on the thread, and empty where that is not settled.
    """

    def __init__(self, shell: Any, backend: Callable[[], str]) -> None:
        self._shell = shell
        self._backend = backend
        self._resting = threading.Event()
        self._importing = threading.Lock()
        self._left = False
        self._thread = threading.Thread(target=self._work, name="nbassist-preload", daemon=True)

    def begin(self) -> None:
        """Begin when the cell that runs has ended."""
        self._shell.events.register("pre_run_cell", self._works)
        self._shell.events.register("post_run_cell", self._rests)
        self._thread.start()

    def end(self) -> None:
        """Import nothing more, and return when what is on its way is there."""
        self._left = True
        self._resting.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def settle(self) -> None:
        """Return when no import is on its way: for a cell that imports the same, and runs.

        Python lets two threads that wait for each other's modules go on with half of one, and an attribute is missing.
        """
        with self._importing:
            pass

    def _works(self, *_: Any) -> None:
        self._resting.clear()

    def _rests(self, *_: Any) -> None:
        self._resting.set()

    def _work(self) -> None:
        try:
            self._resting.wait()
            with self._importing:
                named = self._backend()
            # Where it is not settled, the endpoint is asked what it speaks, and most speak this.
            backends = [named] if named in _BACKENDS else ["chat"]
            for name in (*_BEFORE, *(f"nbassist.backends.{one}.backend" for one in backends), *_AFTER):
                if not self._imported(name):
                    return
        except (ImportError, NbassistError):
            pass  # what is missing or set wrong is told by the run that needs it, in words of its own
        finally:
            self._shell.events.unregister("pre_run_cell", self._works)
            self._shell.events.unregister("post_run_cell", self._rests)

    def _imported(self, name: str) -> bool:
        """Import a module once the kernel rests; return False where that is not wanted any more."""
        while not self._left:
            self._resting.wait()
            # Asked again once it holds others off: a cell may have begun in between, and waits for one module at most.
            with self._importing:
                if self._resting.is_set() and not self._left:
                    if name not in _OF_LATER_SDKS or find_spec(name):
                        import_module(name)
                    return True
        return False
