"""The code in the arguments of a call, as they are written: `{"code": "print(1)\\n"}`, cut anywhere."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

_BEGIN = re.compile(r'^\s*\{\s*"code"\s*:\s*"')
_ESCAPED = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?$")
_PAIR = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u[0-9a-fA-F]{0,3})?)?$")


@dataclass(slots=True)
class CodeStream:
    """Takes pieces of arguments and gives pieces of code."""

    said: str = ""
    """The code that was given so far."""
    _held: str = field(default="", init=False)
    _begun: bool = field(default=False, init=False)
    _ended: bool = field(default=False, init=False)

    def feed(self, piece: str) -> str:
        """Return what of the code is known by now that was not before."""
        if self._ended:
            return ""
        self._held += piece
        if not self._begun:
            found = _BEGIN.match(self._held)
            if found is None:
                return ""
            self._begun, self._held = True, self._held[found.end() :]
        raw, self._held = self._whole()
        try:
            # Control codes as they are: models write line ends into JSON strings.
            code = str(json.loads(f'"{raw}"', strict=False))
        except ValueError:
            self._ended = True  # no JSON after all: the rest is told when the call is ready
            return ""
        self.said += code
        return code

    def _whole(self) -> tuple[str, str]:
        """Return what of the held text is whole, up to the end of the string, and the rest."""
        at = 0
        while at < len(self._held):
            if self._held[at] == "\\":
                at += 2
            elif self._held[at] == '"':
                self._ended = True
                return self._held[:at], ""
            else:
                at += 1
        for pattern in (_PAIR, _ESCAPED):
            cut = pattern.search(self._held)
            if cut and not self._is_escaped(cut.start()):
                return self._held[: cut.start()], self._held[cut.start() :]
        return self._held, ""

    def _is_escaped(self, at: int) -> bool:
        """Return whether the backslash there is the second of a pair."""
        before = len(self._held[:at]) - len(self._held[:at].rstrip("\\"))
        return before % 2 == 1


def code_of(arguments: str) -> str:
    """Return the code of a call; a model that writes Python in place of JSON is taken at its word."""
    try:
        found = json.loads(arguments, strict=False)
    except ValueError:
        return arguments
    if isinstance(found, dict):
        return str(found.get("code") or found.get("input") or "")
    return found if isinstance(found, str) else arguments
