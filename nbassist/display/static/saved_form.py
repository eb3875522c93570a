"""What the notebook's file holds of an output that has ended, published anew when what it shows changes."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any


class SavedForm:
    """The saved form of one output: a rating that is given later stands in it, too.

    Parameters
    ----------
    shell : InteractiveShell or None
        Of the cell.
    display_id : str
        Of the output, as it was displayed.
    form : callable
        Gives the MIME bundle as it is to stand there now.
    """

    def __init__(self, shell: Any, display_id: str, form: Callable[[], Mapping[str, str]]) -> None:
        self._shell = shell
        self._display_id = display_id
        self._form = form
        self._publishing = threading.Lock()

    def changed(self) -> None:
        """Publish it anew: once, at the end of the cell whose code changed something, or at once after a click.

        A loop over a hundred replies is one change, and a host that runs a notebook to its end gets it before it does.
        """
        events = getattr(self._shell, "events", None)
        if events is not None and in_cell():
            events.register("post_run_cell", self._at_the_end)  # which takes the same function once
        else:
            self._publish()

    def _at_the_end(self, result: Any = None) -> None:
        self._shell.events.unregister("post_run_cell", self._at_the_end)
        self._publish()

    def _publish(self) -> None:
        from IPython.display import publish_display_data

        with self._publishing:  # what was rendered last is what is sent last
            bundle = dict(self._form())
            publish_display_data(bundle, transient={"display_id": self._display_id}, update=True)  # type: ignore[no-untyped-call]


def in_cell() -> bool:
    """Whether a cell's own code is being run here, called or awaited, and not a task or a callback that it made."""
    # By the stack, as nothing public tells: IPython runs each cell in `run_code`, and a task's stack has none.
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code.co_name == "run_code" and frame.f_globals.get("__name__") == "IPython.core.interactiveshell":
            return True
    return False
