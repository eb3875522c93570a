"""From a prompt and options to the reply, shown in the cell; what `%%assistant` and the commands that ask share.

The reply becomes the result of its cell, `_` and `Out[n]`, without being shown a second time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..config.imports import without_collections
from ..core.events import TurnEnded
from ..errors import ModelFileError, ReplyFailedError, SettingsError
from ..reply import Reply
from ..run.options import PromptOptions
from .history import CellRuns, NotebookRuns
from .line.parsed_options import Options
from .notebook import cell_id, put_below

if TYPE_CHECKING:
    from ..assistant import Assistant
    from .config import Config


def run_prompt(magics: Config, prompt: str, options: Options, *, as_it_is: bool = False, resume: bool = False) -> Any:
    """Ask, show the run in the cell, and return what the magic returns as the cell's result.

    Parameters
    ----------
    magics : Config
        Whose settings count.
    prompt : str
        What to ask; `{{ expression }}` in it is filled in, unless it is to go out `as_it_is`.
    options : Options
        What the cell's first line says.
    resume : bool
        Whether the reply that was left in the thread is read on, in place of asking.

    Raises
    ------
    CellInterrupted
        Where the person interrupted it: what came is kept.
    ReplyFailedError
        Where it broke off, or can't be read, unless `%config NbAssist.on_failure` says otherwise.
    NbassistError
        Where nothing came.
    """
    from .first_use import offer_model

    shell = magics.notebook_shell
    try:
        reply = _ask(magics, prompt, options, as_it_is, resume)
    except ModelFileError as error:
        if not offer_model(error, shell):
            raise
        reply = _ask(magics, prompt, options, as_it_is, resume)
    if options.to:
        shell.user_ns[options.to] = reply
    if options.code and reply.code:
        put_below(shell, reply.code)
    if reply.finish == "interrupted":
        raise CellInterrupted(shell, reply)
    if magics.on_failure == "raise" and (why := _failure(reply, options)):
        shell.user_ns["_"] = _shown(reply, just=False)
        raise ReplyFailedError(why)
    return hand_over(reply, shell)


def _failure(reply: Reply, options: Options) -> str:
    """Why the cell has failed although something came; empty where it has not."""
    last = next((event.reason for event in reversed(reply.events) if isinstance(event, TurnEnded)), "")
    broke_off = reply.finish == "failed" or (reply.finish == "incomplete" and last == "cut")
    unread = bool(options.prompt.get("as_")) and reply.finish == "incomplete"
    if not broke_off and not unread:
        return ""
    why = reply.detail or "the reply broke off"
    return f'{why} (what came is in _; %config NbAssist.on_failure = "show" goes on)'


def _ask(magics: Config, prompt: str, options: Options, as_it_is: bool, resume: bool) -> Reply:
    from functools import partial

    shell = magics.notebook_shell
    # The first run of a kernel imports a thousand modules here.
    with without_collections():
        from ..config.settings import display_kind
        from ..display import make_view
        from ..display.view import LastingView
        from ..tools import Toolbox, current

        assistant = prepare_assistant(magics, options)
        # None for all of the notebook, which a run looks up itself.
        toolbox = None if options.tools is None else Toolbox(current().values()).select(options.tools)
        view = make_view(display_kind(), shell)
    cell = cell_id(shell)
    said: PromptOptions = {
        "namespace": shell.user_ns,
        "template": not (as_it_is or options.raw),
        "cells": magics.log.cells,
        "show": _print_prompt if options.show_prompt else None,
        "cell": "" if options.append or resume else cell,
        "journal_cell": cell,
        # What the cell says comes after, and so goes before what `%config` says.
        "instructions": magics.system,
        "tools": toolbox,
        "approval": magics.approval,
        **options.prompt,
    }
    try:
        ask = assistant.resume if resume else partial(assistant.ask, prompt)
        return ask(view=view, **said)
    finally:
        view.close()  # where an error ended the run, no event does
        if isinstance(view, LastingView) and cell and assistant.journal is not None:
            view.linger(CellRuns(NotebookRuns.of(magics.session), assistant.journal, cell))


def _print_prompt(text: str) -> None:
    print(f"--- the prompt, {len(text):,} characters\n{text}\n---")  # noqa: T201


def prepare_assistant(magics: Config, options: Options) -> Assistant:
    """Return the assistant for a cell, set up as `%config` and the cell's first line say."""
    from ..run.flow import Limits

    session, cache = magics.session, options.prompt.get("cache") or magics.cache
    choices, chosen = magics.choices(), {"profile": options.profile}
    try:
        settings = session.settings(choices, chosen, offline=cache == "replay")
    except SettingsError:
        if cache != "auto":
            raise
        # What is recorded needs no endpoint; a prompt that is not says what is missing.
        settings = session.settings(choices, chosen, offline=True)
    assistant = session.assistant(settings)
    assistant.journal = session.journal if magics.journal else None
    assistant.replies = session.replies(magics.replies)
    assistant.cache = cache
    assistant.timed = magics.timed
    assistant.limits = Limits(magics.max_turns, magics.nudge_after, magics.stop_after)
    assistant.window = magics.window
    assistant.budget = session.budget
    assistant.budget.limit = magics.budget
    return assistant


class CellReply(Reply):
    """A reply that its cell has shown already: displayed only when it is evaluated again."""

    def _ipython_display_(self) -> None:
        # IPython takes a display method that shows nothing for a display that was made: `_` and `Out[n]` are set, and
        # nothing is shown a second time.
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
    from ..display.output_place import is_captured

    if is_captured(shell):  # what takes the display would take the result as one more, which is empty
        shell.user_ns["_"] = _shown(reply, just=False)
        return None
    shown = _shown(reply)
    if hasattr(shell, "kernel"):
        return shown
    shown.__dict__.pop("_just_shown")
    shell.displayhook.update_user_ns(shown)
    return None


def _shown(reply: Reply, *, just: bool = True) -> CellReply:
    shown = CellReply(**{name: getattr(reply, name) for name in reply.__dataclass_fields__})
    if just:
        # Past the frozen dataclass: it is a mark on this one object, and no field of a reply.
        shown.__dict__["_just_shown"] = True
    return shown


# A KeyboardInterrupt, so that the kernel answers the request with an error, at which a Run All stops.
class CellInterrupted(KeyboardInterrupt):
    """Ends an interrupted cell, and with it a Run All.

    Parameters
    ----------
    shell : IPython shell
    reply : Reply, optional
        As far as it came, for `_`; None where the run had not begun, or it was none.
    """

    def __init__(self, shell: Any, reply: Reply | None = None) -> None:
        super().__init__("interrupted")
        self._line = "Interrupted: the cell can be run again"
        if reply is None:
            return
        self._line = "Interrupted: what came is kept, and the cell can be run again"
        if "%assistant resume" in reply.detail:
            self._line = f"Left: {reply.detail}"
        # A cell that ends in an error has no result, which `_` would be.
        shell.user_ns["_"] = _shown(reply, just=False)

    def _render_traceback_(self) -> list[str]:
        return [self._line]
