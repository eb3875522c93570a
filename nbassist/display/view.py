"""Chooses the view for the surface that the cell runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, get_args, runtime_checkable

from ..config.plugins import load_plugin, plugin_names
from ..core.events import ApprovalAnswered, ApprovalAsked, Event, MimeBundle, RunEnded
from ..errors import UsageError
from .output_place import for_the_page, place_of, put_below
from .transcript import Transcript

if TYPE_CHECKING:
    from .live.bars import CellHistory

Kind: TypeAlias = Literal["auto", "live", "static", "terminal", "plain", "none"]


class CellView(Protocol):
    """What shows one run."""

    def apply(self, event: Event) -> None:
        """Take the next event, each once, in order; `RunEnded` is the last."""

    def ask(self, asked: ApprovalAsked) -> ApprovalAnswered | None:
        """Ask the person with buttons, and wait; None at once where no click could be heard.

        An interrupt while it waits is raised as `KeyboardInterrupt`.
        """

    def close(self) -> None:
        """Show the end of a run that broke off without `RunEnded`; does nothing after it."""


@runtime_checkable
class LastingView(Protocol):
    """A view that goes on after the end: with the earlier runs of the cell, and what a run was worth."""

    def linger(self, history: CellHistory) -> None:
        """Take the runs of the cell, the one that has just ended among them."""


class StaticView:
    """Emits the finished reply once, when the run ends; with `shown` false it emits nothing."""

    def __init__(self, shown: bool = True) -> None:
        self.transcript = Transcript()
        self._ended = not shown
        self._below: tuple[MimeBundle, ...] = ()

    def apply(self, event: Event) -> None:
        """Take the next event."""
        self.transcript.apply(event)
        self._below += for_the_page(event)
        if isinstance(event, RunEnded):
            self.close()

    def ask(self, asked: ApprovalAsked) -> ApprovalAnswered | None:
        """There is nothing to click on."""
        return None

    def close(self) -> None:
        """Emit the reply; does nothing the second time."""
        if self._ended:
            return
        self._ended = True
        from .static.reply import bundle_of  # with all that renders: only where it is used

        bundle = bundle_of(self.transcript)
        if bundle["text/html"]:
            from IPython.display import publish_display_data

            publish_display_data(bundle)  # type: ignore[no-untyped-call]
            put_below(self._below)


def make_view(kind: str = "auto", shell: Any = None) -> CellView:
    """Return the view for one run.

    Parameters
    ----------
    kind : {"auto", "live", "static", "terminal", "plain", "none"} or the name of an installed package's display
        `live` is the widget that streams; `static` shows the finished reply once, without a widget and without an
        update; `terminal` writes text; `plain` writes text without control codes; `none` shows nothing. `auto` is
        live in a kernel with a person before it, static in a kernel without one (nbclient, nbval, papermill: they
        say that no one can answer), and terminal elsewhere. Where the output is captured, `live` is static, too.
    shell : InteractiveShell, optional
        The shell that the cell runs in; None outside of IPython.

    Raises
    ------
    UsageError
        Where `kind` is none of these.
    """
    if kind not in get_args(Kind):
        if kind not in (added := plugin_names("nbassist.displays")):
            raise UsageError(f"no display {kind!r}: choose one of {', '.join((*get_args(Kind), *added))}")
        view: CellView = load_plugin("nbassist.displays", kind)(shell)
        return view
    kind, after = surface(shell, kind)
    if kind == "live":
        from .live.view import LiveView

        return LiveView(shell, after=after)
    if kind in ("terminal", "plain"):
        from .terminal.view import TerminalView

        return TerminalView(styled=False if kind == "plain" else None)
    return StaticView(shown=kind == "static")


def surface(shell: Any, kind: str = "auto") -> tuple[str, bool]:
    """Return the kind of view that `kind` comes to where the output goes now; see `output_place`.

    Returns
    -------
    tuple of str and bool
        With the kind, whether what it shows at the end is a display of its own, and no update of the first.
    """
    # Whoever names another kind gets it, wherever the output goes.
    if kind not in ("auto", "live"):
        return kind, False
    place = place_of(shell, someone=kind == "live")
    if kind == "live" and place == "terminal":
        return kind, False
    return {"terminal": "terminal", "whole": "static"}.get(place, "live"), place == "after"
