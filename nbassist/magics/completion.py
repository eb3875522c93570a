"""Tab in the first line of a cell: flags, and the names of threads, tools, models, profiles and variables."""

from __future__ import annotations

from collections.abc import Iterable
from threading import Thread
from typing import TYPE_CHECKING, Any

from .commands import HOMES
from .flags import REASONING, parser

if TYPE_CHECKING:
    from .config import Config

_PATIENCE = 1.0  # seconds for an endpoint to list its models, once


class Completer:
    """Completes `%%assistant` and `%assistant` lines.

    Parameters
    ----------
    magics : Config
        Whose names are completed.
    """

    def __init__(self, magics: Config) -> None:
        self._magics = magics
        self._models: dict[str, list[str]] = {}

    def __call__(self, shell: Any, event: Any) -> list[str]:
        """Return what may stand where the cursor is; called by IPython with the line up to there."""
        line = event.text_until_cursor
        words = line.split()
        word = "" if line[-1:].isspace() else words[-1]
        before = words[1:] if not word else words[1:-1]
        found = self.after(before, word, is_cell=words[0] == "%%assistant")
        return [one for one in found if one.startswith(word)]

    def after(self, before: list[str], word: str, *, is_cell: bool) -> list[str]:
        """Return what may follow the words that stand already."""
        flag = before[-1] if before else ""
        values = self._values(flag, word)
        if values is not None:
            return list(values)
        if not is_cell and not before:
            return list(HOMES)
        if not is_cell and before[0] in ("use", "history", "delete", "rename"):
            profiles = list(self._values("--profile", "") or ()) if before[0] == "use" else []
            return [*profiles, *self._magics.session.threads.names()]
        if not is_cell and before[0] == "explain" and len(before) == 1:
            return self._variables()
        taken = set(before)
        flags = [flag for action in parser()._actions for flag in action.option_strings]
        return [one for one in flags if one not in taken]

    def _values(self, flag: str, word: str) -> Iterable[str] | None:
        """What may follow a flag that takes a value; None for any other."""
        listed = word.rpartition(",")[0]
        beginning = f"{listed}," if listed else ""
        if flag in ("-t", "--thread"):
            return self._magics.session.threads.names()
        if flag == "--tools":
            from ..tools import current

            return [f"{beginning}{name}" for name in current()]
        if flag in ("-m", "--model"):
            return self._known_models()
        if flag == "--profile":
            from ..profiles import profiles

            return list(profiles())
        if flag == "--reasoning":
            return REASONING
        if flag == "--see":
            return [f"{beginning}{name}" for name in (*self._variables(), "cells")]
        return self._variables() if flag in ("--image", "--as", "--to") else None

    def _variables(self) -> list[str]:
        shell = self._magics.notebook_shell
        hidden = shell.user_ns_hidden
        return sorted(name for name in shell.user_ns if not name.startswith("_") and name not in hidden)

    def _known_models(self) -> list[str]:
        """The endpoint's models, asked for once and not waited for long."""
        settings = self._magics.session.settings(self._magics.choices())
        if settings.base_url not in self._models:
            found: list[str] = []

            def look() -> None:
                from ..backends import connect
                from ..errors import NbassistError

                try:
                    found.extend(connect("chat", settings.base_url, settings.api_key).models())
                except NbassistError:
                    return  # there is nothing to complete, and Tab is no place to say why

            if settings.base_url:
                looking = Thread(target=look, daemon=True)
                looking.start()
                looking.join(_PATIENCE)
            self._models[settings.base_url] = found
        return self._models[settings.base_url]
