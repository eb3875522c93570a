"""The magics themselves, and `%config NbAssist`."""

from __future__ import annotations

from typing import Any

from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, no_var_expand
from traitlets import Int, Unicode

from ..errors import ModelFileError, UsageError
from .options import Options, parse, parser
from .prompt import fill
from .session import Session


@magics_class
class NbAssist(Magics):
    """The assistant of this notebook."""

    backend = Unicode("", help="The wire protocol: assistants or chat; empty to settle it from the endpoint.").tag(
        config=True
    )
    base_url = Unicode("", help="The endpoint, up to and with /v1; empty for the environment's.").tag(config=True)
    model = Unicode("", help="The model; empty for the environment's, or the endpoint's own choice.").tag(config=True)
    system = Unicode("", help="The system prompt of cells that give none.").tag(config=True)
    max_turns = Int(10, min=1, help="Requests to the model in one run.").tag(config=True)

    def __init__(self, shell: Any) -> None:
        super().__init__(shell=shell)
        self._shell = shell  # never None, as `Magics.shell` may be
        self.session = Session()

    @no_var_expand
    @cell_magic
    def assistant(self, line: str, cell: str) -> Any:
        """Send the cell to a model; see `parser` for the flags."""
        from .firstuse import offer_model
        from .outcome import CellInterrupted, hand_over  # all that a run needs is imported by the first run

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
        from ..tools import Toolbox, registry

        assistant = self.session.assistant(self.session.settings(self.choices()))
        assistant.limits = Limits(max_turns=self.max_turns)
        toolbox = Toolbox(registry().values())
        if options.tools is not None:
            toolbox = toolbox.select(options.tools)
        view = make_view(display_kind(), self._shell)
        try:
            return assistant.ask(
                prompt,
                view=view,
                conversation=self.session.thread(options.thread),
                model=options.model,
                instructions=options.system or self.system,
                tools=toolbox,
            )
        finally:
            view.close()  # where an error ended the run, no event does

    @no_var_expand
    @line_magic("assistant")  # type: ignore[arg-type]  # its stub takes no method
    def command(self, line: str) -> Any:
        """Carry out a command, such as `%assistant tools`; without one, show where the assistant stands."""
        from .commands import run

        return run(self, line)

    def choices(self) -> dict[str, str]:
        """Return what `%config` says about where prompts go."""
        return {"backend": self.backend, "base_url": self.base_url, "model": self.model}


NbAssist.assistant.__doc__ = parser().format_help()
