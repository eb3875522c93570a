"""Chooses the view for the surface that the cell runs on."""

from __future__ import annotations

from typing import Any, Literal, Protocol, TypeAlias, get_args

from ..errors import UsageError
from ..events import ApprovalAnswered, ApprovalAsked, Event, RunEnded
from .transcript import Transcript

Kind: TypeAlias = Literal["auto", "live", "static", "terminal", "plain", "none"]


class View(Protocol):
    """What shows one run.

    Attributes
    ----------
    bundle : dict or None
        The static reply, once the run has ended.
    """

    bundle: dict[str, str] | None

    def apply(self, event: Event) -> None:
        """Take the next event, each once, in order; `RunEnded` is the last."""

    def ask(self, asked: ApprovalAsked) -> ApprovalAnswered | None:
        """Ask the person with buttons, and wait; None at once where no click could be heard.

        An interrupt while it waits is raised as `KeyboardInterrupt`.
        """

    def close(self) -> None:
        """Show the end of a run that broke off without `RunEnded`; does nothing after it."""


class StaticView:
    """Emits the finished reply once, when the run ends; with `shown` false it emits nothing."""

    def __init__(self, shown: bool = True) -> None:
        self.bundle: dict[str, str] | None = None
        self.transcript = Transcript()
        self._shown = shown

    def apply(self, event: Event) -> None:
        """Take the next event."""
        self.transcript.apply(event)
        if isinstance(event, RunEnded):
            self.close()

    def ask(self, asked: ApprovalAsked) -> ApprovalAnswered | None:
        """There is nothing to click on."""
        return None

    def close(self) -> None:
        """Emit the reply; does nothing the second time."""
        if self.bundle is None:
            from .static import bundle_of  # with all that renders: only where it is used

            self.bundle = bundle_of(self.transcript)
            if self._shown and self.bundle["text/html"]:
                from IPython.display import publish_display_data

                publish_display_data(self.bundle)  # type: ignore[no-untyped-call]


def make_view(kind: str = "auto", shell: Any = None) -> View:
    """Return the view for one run.

    Parameters
    ----------
    kind : {"auto", "live", "static", "terminal", "plain", "none"}
        `live` is the widget that streams; `static` shows the finished reply once, without a widget and without an
        update; `terminal` writes text; `plain` writes text without control codes; `none` shows nothing. `auto` is
        live in a kernel with a person before it, static in a kernel without one (nbclient, nbval, papermill: they
        say that no one can answer), and terminal elsewhere.
    shell : InteractiveShell, optional
        The shell that the cell runs in; None outside of IPython.

    Raises
    ------
    UsageError
        Where `kind` is none of these.
    """
    if kind not in get_args(Kind):
        raise UsageError(f"no display {kind!r}: choose one of {', '.join(get_args(Kind))}")
    if kind == "auto":
        kind = surface(shell)
    if kind == "live":
        from .live import LiveView

        return LiveView(shell)
    if kind in ("terminal", "plain"):
        from .terminal import TerminalView

        return TerminalView(styled=False if kind == "plain" else None)
    return StaticView(shown=kind == "static")


def surface(shell: Any) -> str:
    """Return the kind of view that `auto` stands for in `shell`."""
    kernel = getattr(shell, "kernel", None)
    if kernel is None or not hasattr(kernel, "comm_manager"):
        return "terminal"
    try:
        request = kernel.get_parent("shell")
        answers = request["content"].get("allow_stdin", True)
    except (AttributeError, KeyError, TypeError):
        answers = True
    return "live" if answers else "static"
