"""What `%config NbAssist` says, and what else the magics of one notebook share."""

from __future__ import annotations

import os
from typing import Any

from IPython.core.magic import Magics
from traitlets import Bool, Enum, Int, Unicode, default

from .failures import LastFailure
from .session import Session


class Config(Magics):
    """What a person has set for this notebook, its session, and the last error of its cells."""

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
        ["auto", "off", "refresh", "replay"],
        help="How recorded replies are used; where this is not set, NBASSIST_CACHE says it.",
    ).tag(config=True)
    replies = Unicode(help="A file beside the notebook that keeps its replies; NBASSIST_REPLIES says it, too.").tag(
        config=True
    )
    timed = Bool(False, help="Whether a recorded reply takes the time again that it took; else it comes at once.").tag(
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

    def choices(self) -> dict[str, str]:
        """Return what `%config` says about where prompts go."""
        return {
            "profile": self.profile,
            "backend": self.backend,
            "base_url": self.base_url,
            "model": self.model,
        }
