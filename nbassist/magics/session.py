"""What lives as long as the kernel: the assistant in use, and the threads of its notebook."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..settings import Settings, resolve

if TYPE_CHECKING:
    from ..assistant import Assistant
    from ..journal import Journal
    from ..journal.replies import ReplyFile
    from ..threads import Threads


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

    @property
    def threads(self) -> Threads:
        """The threads of this notebook; those of a kernel that does not know its notebook are in memory alone."""
        if self._threads is None:
            from ..paths import data_file
            from ..threads import Shelf, Threads
            from .notebook import notebook_path

            path = notebook_path(self._shell)
            self._threads = Threads(Shelf(data_file("threads"), path) if path else None)
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

        if self._assistant is None or self._assistant.settings != settings:
            self._assistant = Assistant(settings=settings, threads=self.threads)
        return self._assistant
