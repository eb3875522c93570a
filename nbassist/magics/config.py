"""What `%config NbAssist` says, and what lives as long as the kernel: the assistant in use, and the threads."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics
from traitlets import Bool, Enum, Float, Int, Unicode, default

from ..config.settings import Settings, resolve
from .notebook import CellLog, LastFailure

if TYPE_CHECKING:
    from ..assistant import Assistant
    from ..journal import Journal
    from ..journal.replies import ReplyFile
    from ..run.meter import Budget
    from ..threads import Threads
    from .preload import Preload


class Session:
    """The assistant and the threads of one kernel.

    Attributes
    ----------
    chosen : mapping of str to str
        What `%assistant use` said about where prompts go; empty where it was not used.
    began : float
        When the kernel's first magic was loaded, in seconds since 1970.
    """

    def __init__(self, shell: Any = None) -> None:
        self.began = time.time()
        self.chosen: Mapping[str, str] = {}
        self._shell = shell
        self._threads: Threads | None = None
        self._assistant: Assistant | None = None
        self._replies: dict[str, ReplyFile] = {}
        self._budget: Budget | None = None

    @property
    def threads(self) -> Threads:
        """The threads of this notebook; those of a kernel that does not know its notebook are in memory alone."""
        if self._threads is None:
            from ..config.paths import data_file
            from ..threads import Threads, ThreadStorage
            from .notebook import notebook_path

            path = notebook_path(self._shell)
            self._threads = Threads(ThreadStorage(data_file("threads"), path) if path else None)
        return self._threads

    @property
    def journal(self) -> Journal:
        """Where the runs of this person are written."""
        from ..journal import default_journal

        return default_journal()

    def settings(
        self, config: Mapping[str, str], flags: Mapping[str, str] | None = None, *, offline: bool = False
    ) -> Settings:
        """Settle where the next prompt goes; the environment and `%config` may have changed since the last."""
        return resolve(arguments=flags, chosen=self.chosen, config=config, offline=offline)

    @property
    def budget(self) -> Budget:
        """What all runs of this kernel have spent together."""
        from ..run.meter import Budget

        self._budget = self._budget or Budget()
        return self._budget

    def replies(self, path: str) -> ReplyFile | None:
        """Return the file of recorded replies at `path`, read once; None for an empty path."""
        if not path:
            return None
        if path not in self._replies:
            from pathlib import Path

            from ..journal.replies import ReplyFile

            self._replies[path] = ReplyFile(Path(path).expanduser())
        return self._replies[path]

    def assistant(self, settings: Settings) -> Assistant:
        """Return the assistant for `settings`: the same one as long as they do not change."""
        from ..assistant import Assistant

        # The same object, so that its connection and what it learnt of the endpoint serve the next cell, too.
        if self._assistant is None or self._assistant.settings != settings:
            self._assistant = Assistant(settings=settings, threads=self.threads)
        return self._assistant


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
    budget = Float(0.0, min=0.0, help="US dollars that this kernel may spend; 0 for no limit.").tag(config=True)
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

    template = Bool(True, help="Whether {{ expression }} in a prompt is filled in; --raw says no for one cell.").tag(
        config=True
    )
    on_failure = Enum(
        ["raise", "show"],
        "raise",
        help="Whether a cell fails, so that Run All stops, whose reply broke off or can't be read: raise, or show.",
    ).tag(config=True)

    # Read when it is asked for first, not when the class is made: an import reads no environment.
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
        self.preload: Preload | None = None
        self.failures = LastFailure(shell)
        self.log = CellLog(shell)

    def settle(self) -> None:
        """Wait for what is imported beside the cell that runs."""
        if self.preload is not None:
            self.preload.settle()

    def forget(self) -> None:
        """Watch the shell no longer."""
        if self.preload is not None:
            self.preload.end()
        self.failures.forget()
        self.log.forget()

    def choices(self) -> dict[str, str]:
        """Return what `%config` says about where prompts go."""
        return {
            "profile": self.profile,
            "backend": self.backend,
            "base_url": self.base_url,
            "model": self.model,
        }
