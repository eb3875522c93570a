"""Secrets are not shown: the values of key variables are replaced before the model, a display or a file gets them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from .events import ApprovalAnswered, ApprovalAsked, Event, ToolFinished

_NAMES = re.compile(r"(^|_)(API_?KEY|ACCESS_?KEY|SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIALS?)(_|$)|_KEY$", re.IGNORECASE)
_SHORTEST = 8
"""Characters; a shorter value would be found in ordinary text."""


@lru_cache(maxsize=4096)
def is_secret(name: str) -> bool:
    """Whether a variable's name says that its value is secret."""
    return _NAMES.search(name) is not None


class Redactor:
    """Replaces the values of environment variables whose names say that they are secret.

    Parameters
    ----------
    environ : mapping of str to str, optional
        The environment of the process, as it is now, by default.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        named = {name: environ.get(name, "") for name in environ if is_secret(name)}
        found = {value: name for name, value in named.items() if len(value) >= _SHORTEST}
        # The longest first: one secret may be the beginning of another.
        self._found = sorted(found.items(), key=lambda item: -len(item[0]))

    def text(self, text: str) -> str:
        """Return `text` with each secret replaced by the name of its variable in brackets."""
        for value, name in self._found:
            if value in text:
                text = text.replace(value, f"[{name}]")
        return text

    def restored(self, text: str, original: str) -> str:
        """Return `text`, which a person edited, with the secrets that stood in the original in their places again."""
        for value, name in self._found:
            if value in original:
                text = text.replace(f"[{name}]", value)
        return text

    def event(self, event: Event) -> Event:
        """Return `event` with the secrets in all that a tool or a person said in it replaced."""
        if not self._found:
            return event
        if isinstance(event, ApprovalAsked):
            return replace(event, arguments=self.text(event.arguments), problem=self.text(event.problem))
        if isinstance(event, ApprovalAnswered):
            return replace(event, arguments=self.text(event.arguments), comment=self.text(event.comment))
        return self._tool_finished(event) if isinstance(event, ToolFinished) else event

    def _tool_finished(self, event: ToolFinished) -> ToolFinished:
        return replace(
            event,
            output=self.text(event.output),
            error=None if event.error is None else self.text(event.error),
            traceback=self.text(event.traceback),
            display=tuple({mime: self._content(data) for mime, data in bundle.items()} for bundle in event.display),
        )

    def _content(self, data: Any) -> Any:
        if isinstance(data, str):
            return self.text(data)
        if isinstance(data, Mapping):
            return {key: self._content(value) for key, value in data.items()}
        return [self._content(value) for value in data] if isinstance(data, list) else data
