"""Find out whether the frontend shows widgets, and whether what they send is heard while a cell runs."""

from __future__ import annotations

import threading
from typing import Any

import anywidget
from IPython.display import clear_output, display

from . import clicks


class Echo(anywidget.AnyWidget):
    """Says that it is there, as soon as a browser has made it."""

    _esm = 'export default { initialize({ model }) { model.send({ kind: "here" }); } };'

    def __repr__(self) -> str:
        return ""  # a console prints it


_unanswered: list[Echo] = []
"""Those that no browser made. Some consoles close what they don't know, after the cell: were it gone by then, the
kernel would say "No such comm" below the report."""


def answered(kernel: Any, seconds: float = 4.0) -> bool | None:
    """Put a widget that is not seen into the cell, and wait for a browser to say that it has it.

    Returns
    -------
    bool or None
        None where no message can be heard while a cell runs, so that it can't be told.
    """
    if not clicks.possible(kernel):
        return None
    while _unanswered:
        _close(_unanswered.pop())
    here = threading.Event()
    widget = Echo(layout={"display": "none"})
    clicks.listen(widget.model_id, lambda content: here.set())
    try:
        display(widget)  # type: ignore[no-untyped-call]
        return here.wait(seconds)
    finally:
        clicks.forget(widget.model_id)
        if here.is_set():
            _close(widget)
        else:
            _unanswered.append(widget)
        # What was displayed goes as well, so that the report stands alone in the cell.
        clear_output()  # type: ignore[no-untyped-call]


def _close(widget: Echo) -> None:
    layout = widget.layout
    widget.close()
    layout.close()
