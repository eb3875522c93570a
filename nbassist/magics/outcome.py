"""How a reply becomes the result of its cell: `_` and `Out[n]`, without being shown a second time."""

from __future__ import annotations

from typing import Any

from ..reply import Reply


class CellReply(Reply):
    """A reply that its cell has shown already: displayed only when it is evaluated again."""

    def _ipython_display_(self) -> None:
        if self.__dict__.pop("_just_shown", False):
            return
        from IPython.display import display

        display(self._repr_mimebundle_(), raw=True)  # type: ignore[no-untyped-call]


def hand_over(reply: Reply, shell: Any) -> CellReply | None:
    """Make `reply` the result of the cell that runs.

    Returns
    -------
    CellReply or None
        What the magic is to return. None in a terminal, where a result without output would leave a bare `Out[n]:`;
        `_` and `Out[n]` are set there by hand.
    """
    shown = _shown(reply)
    if hasattr(shell, "kernel"):
        return shown
    shown.__dict__.pop("_just_shown")
    shell.displayhook.update_user_ns(shown)
    return None


def _shown(reply: Reply) -> CellReply:
    shown = CellReply(**{name: getattr(reply, name) for name in reply.__dataclass_fields__})
    shown.__dict__["_just_shown"] = True
    return shown


class CellInterrupted(KeyboardInterrupt):
    """Ends an interrupted cell, and with it a Run All; the reply as far as it came is in `_`."""

    def __init__(self, reply: Reply, shell: Any) -> None:
        super().__init__("interrupted")
        self._reply = shown = _shown(reply)
        shown.__dict__.pop("_just_shown")
        shell.user_ns["_"] = shown

    def _render_traceback_(self) -> list[str]:
        if "%assistant resume" in self._reply.detail:
            return [f"Left: {self._reply.detail}"]
        return ["Interrupted: what came is kept, and the cell can be run again"]
