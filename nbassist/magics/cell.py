"""The magics themselves, and `%config NbAssist`."""

from __future__ import annotations

import os
from typing import Any

from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, no_var_expand
from traitlets import Bool, Enum, Int, Unicode, default

from ..errors import UsageError
from .failures import LastFailure
from .flags import parser
from .guard import check_not_inside
from .options import parse
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
    window = Int(0, min=0, help="Tokens of the model's context; 0 to go by what the endpoint says.").tag(config=True)
    ask_above = Int(100, min=0, help="A sweep that asks the endpoint more often than this asks you first.").tag(
        config=True
    )
    journal = Bool(True, help="Whether runs are written to the journal, which %assistant log reads.").tag(config=True)
    cache = Enum(
        ["auto", "off", "refresh", "replay"], help="How recorded replies are used; NBASSIST_CACHE says it, too."
    ).tag(config=True)
    replies = Unicode(help="A file beside the notebook that keeps its replies; NBASSIST_REPLIES says it, too.").tag(
        config=True
    )
    approval = Enum(["ask", "allow", "deny"], "ask", help="What is done with calls that a person has to allow.").tag(
        config=True
    )

    @default("cache")
    def _cache(self) -> str:
        return os.environ.get("NBASSIST_CACHE", "off")

    @default("replies")
    def _replies(self) -> str:
        return os.environ.get("NBASSIST_REPLIES", "")

    def __init__(self, shell: Any) -> None:
        super().__init__(shell=shell)
        self.notebook_shell = shell  # never None, as `Magics.shell` may be
        self.session = Session(shell)
        self.failures = LastFailure(shell)
        self._completer: Any = None

    def complete(self, shell: Any, event: Any) -> list[str]:
        """Complete the first line of a cell; called by IPython on Tab."""
        from .completion import Completer

        if self._completer is None:
            self._completer = Completer(self)
        found: list[str] = self._completer(shell, event)
        return found

    @no_var_expand
    @cell_magic
    def assistant(self, line: str, cell: str) -> Any:
        """Send the cell to a model; see `parser` for the flags."""
        from ..context.alternatives import has_alternatives
        from .running import run_prompt

        check_not_inside()
        options = parse(line)
        prompt = cell.strip()
        if not prompt:
            raise UsageError("the cell is empty: write the prompt on the lines below %%assistant")
        if options.is_sweep or has_alternatives(prompt):
            from .sweeping import run_sweep

            if options.leave:
                raise UsageError("--leave is for one reply: it can't be used with many variants")
            return run_sweep(self, prompt, options)
        return run_prompt(self, prompt, options)

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
