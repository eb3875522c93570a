"""The last cell that raised an error, for `%assistant fix`."""

from __future__ import annotations

import sys
from typing import Any


class LastFailure:
    """Keeps the last error of a cell of the person's, and that cell.

    Attributes
    ----------
    error : BaseException or None
        None where nothing failed since the extension was loaded.
    source : str
        The cell as it was written.
    """

    def __init__(self, shell: Any) -> None:
        self.error: BaseException | None = None
        self.source = ""
        self._events = shell.events
        self._events.register("post_run_cell", self._ended)

    def forget(self) -> None:
        """Watch no longer."""
        self._events.unregister("post_run_cell", self._ended)

    def last(self) -> tuple[BaseException | None, str]:
        """Return the error and its cell; what Python itself keeps where the error came before this was loaded."""
        if self.error is None:
            return getattr(sys, "last_value", None), ""
        return self.error, self.source

    def _ended(self, result: Any) -> None:
        error = result.error_before_exec or result.error_in_exec
        source = getattr(result.info, "raw_cell", "") or ""
        if error is not None and not source.lstrip().startswith(("%%assistant", "%assistant")):
            self.error, self.source = error, source
