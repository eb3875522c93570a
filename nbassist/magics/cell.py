"""The magics themselves, and `%config NbAssist`."""

from __future__ import annotations

from typing import Any

from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, no_var_expand
from traitlets import Enum, Int, Unicode

from ..errors import ModelFileError, UsageError
from .flags import parser
from .guard import check_not_inside
from .notebook import cell_id
from .options import Options, parse
from .prompt import fill
from .session import Session


@magics_class
class NbAssist(Magics):
    """The assistant of this notebook."""

    profile = Unicode("", help="An endpoint by name, or its URL; %assistant profiles lists them.").tag(config=True)
    backend = Unicode("", help="The wire protocol: assistants, responses or chat; empty to settle it.").tag(config=True)
    base_url = Unicode("", help="The endpoint, up to and with /v1; empty for the environment's.").tag(config=True)
    model = Unicode("", help="The model; empty for the environment's, or the endpoint's own choice.").tag(config=True)
    system = Unicode("", help="The system prompt of cells that give none.").tag(config=True)
    max_turns = Int(10, min=1, help="Requests to the model in one run.").tag(config=True)
    nudge_after = Int(3, min=1, help="The same call so often in one run: the model is told so.").tag(config=True)
    stop_after = Int(5, min=1, help="The same call so often in one run: the run is stopped.").tag(config=True)
    approval = Enum(["ask", "allow", "deny"], "ask", help="What is done with calls that a person has to allow.").tag(
        config=True
    )

    def __init__(self, shell: Any) -> None:
        super().__init__(shell=shell)
        self._shell = shell  # never None, as `Magics.shell` may be
        self.session = Session(shell)

    @no_var_expand
    @cell_magic
    def assistant(self, line: str, cell: str) -> Any:
        """Send the cell to a model; see `parser` for the flags."""
        from .firstuse import offer_model
        from .outcome import CellInterrupted, hand_over  # all that a run needs is imported by the first run

        check_not_inside()
        options = parse(line)
        prompt = fill(cell.strip(), self._shell.user_ns)
        if not prompt:
            raise UsageError("the cell is empty: write the prompt on the lines below %%assistant")
        try:
            reply = self._ask(prompt, options)
        except ModelFileError as error:
            if not offer_model(error, self._shell):
                raise
            reply = self._ask(prompt, options)
        if options.to:
            self._shell.user_ns[options.to] = reply
        if reply.finish == "interrupted":
            raise CellInterrupted(reply, self._shell)
        return hand_over(reply, self._shell)

    def _ask(self, prompt: str, options: Options) -> Any:
        from ..display import make_view
        from ..run import Limits
        from ..settings import display_kind
        from ..tools import Toolbox, current

        assistant = self.session.assistant(self.session.settings(self.choices(), {"profile": options.profile}))
        assistant.limits = Limits(self.max_turns, self.nudge_after, self.stop_after)
        toolbox = Toolbox(current().values())
        if options.tools is not None:
            toolbox = toolbox.select(options.tools)
        view = make_view(display_kind(), self._shell)
        try:
            return assistant.ask(
                prompt,
                view=view,
                thread=options.thread,
                cell="" if options.append else cell_id(self._shell),
                turn=options.turn,
                model=options.model,
                instructions=options.system or self.system,
                parameters=options.parameters,
                reasoning=options.reasoning,
                tools=toolbox,
                approval=self.approval,
            )
        finally:
            view.close()  # where an error ended the run, no event does

    @no_var_expand
    @line_magic("assistant")  # type: ignore[arg-type]  # its stub takes no method
    def command(self, line: str) -> Any:
        """Carry out a command, such as `%assistant tools`; without one, show where the assistant stands."""
        from .commands import run

        check_not_inside()
        return run(self, line)

    def choices(self) -> dict[str, str]:
        """Return what `%config` says about where prompts go."""
        return {
            "profile": self.profile,
            "backend": self.backend,
            "base_url": self.base_url,
            "model": self.model,
        }


NbAssist.assistant.__doc__ = parser().format_help()
