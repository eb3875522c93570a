"""What lives as long as the kernel: the assistant in use, and the threads by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..settings import Settings, resolve

if TYPE_CHECKING:
    from ..assistant import Assistant
    from ..conversation import Conversation

DEFAULT_THREAD = "main"


class Session:
    """The assistant and the threads of one kernel.

    Attributes
    ----------
    threads : dict of str to Conversation
        By name, in the order in which they were begun.
    """

    def __init__(self) -> None:
        self.threads: dict[str, Conversation] = {}
        self._assistant: Assistant | None = None

    def settings(self, config: Mapping[str, str]) -> Settings:
        """Settle where the next prompt goes; the environment and `%config` may have changed since the last."""
        return resolve(config=config)

    def assistant(self, settings: Settings) -> Assistant:
        """Return the assistant for `settings`: the same one as long as they do not change."""
        from ..assistant import Assistant

        if self._assistant is None or self._assistant.settings != settings:
            self._assistant = Assistant(settings=settings)
            # Another endpoint holds nothing of these threads: they are sent anew.
            for thread in self.threads.values():
                thread.keep_cursor({})
        return self._assistant

    def thread(self, name: str = "") -> Conversation:
        """Return the thread called `name`, begun where there is none; the default one for an empty name."""
        from ..conversation import Conversation

        name = name or DEFAULT_THREAD
        return self.threads.setdefault(name, Conversation(name))
