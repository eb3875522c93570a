"""From a prompt and options to the reply, shown in the cell; what `%%assistant` and the commands that ask share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import ModelFileError
from ..loading import without_collections
from .cells import put_below
from .notebook import cell_id
from .options import Options

if TYPE_CHECKING:
    from ..assistant import Assistant
    from ..reply import Reply
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
    NbassistError
        Where nothing came.
    """
    from .firstuse import offer_model
    from .outcome import CellInterrupted, hand_over  # all that a run needs is imported by the first run

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
        raise CellInterrupted(reply, shell)
    return hand_over(reply, shell)


def _ask(magics: Config, prompt: str, options: Options, as_it_is: bool, resume: bool) -> Reply:
    from functools import partial

    shell = magics.notebook_shell
    with without_collections():
        from ..display import make_view
        from ..settings import display_kind
        from ..tools import Toolbox, current

        assistant = prepare_assistant(magics, options)
        toolbox = Toolbox(current().values())
        if options.tools is not None:
            toolbox = toolbox.select(options.tools)
        view = make_view(display_kind(), shell)
    try:
        ask = assistant.resume if resume else partial(assistant.ask, prompt)
        return ask(
            view=view,
            namespace=shell.user_ns,
            template=not as_it_is,
            thread=options.thread,
            cell="" if options.append or resume else cell_id(shell),
            leave=options.leave,
            turn=options.turn,
            model=options.model,
            instructions=options.system or magics.system,
            parameters=options.parameters,
            reasoning=options.reasoning,
            tools=toolbox,
            see=options.see,
            images=options.images,
            files=options.files,
            as_=options.shape,
            approval=magics.approval,
            off=options.off,
        )
    finally:
        view.close()  # where an error ended the run, no event does


def prepare_assistant(magics: Config, options: Options) -> Assistant:
    """Return the assistant for a cell, set up as `%config` and the cell's first line say."""
    from ..run import Limits

    session, cache = magics.session, options.cache or magics.cache
    settings = session.settings(magics.choices(), {"profile": options.profile}, offline=cache == "replay")
    assistant = session.assistant(settings)
    assistant.journal = session.journal if magics.journal else None
    assistant.replies = session.replies(magics.replies)
    assistant.cache = cache
    assistant.timed = magics.timed
    assistant.limits = Limits(magics.max_turns, magics.nudge_after, magics.stop_after)
    assistant.window = magics.window
    return assistant
