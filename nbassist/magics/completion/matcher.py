"""What IPython asks on Tab: where in a cell of ours the cursor stands, and what may stand there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .values import Choice, Values

if TYPE_CHECKING:
    from ..config import Config

_LINE = re.compile(r"^\s*(%{1,2})assistant(?=\s)(.*)$", re.DOTALL)
_HEAD = re.compile(r"^(?:\s*(?:#.*)?\n)*\s*%%assistant\b")
# A quote that is still open runs to the cursor.
_LONGEST = 1_000  # characters of a word that is completed
_WORD = re.compile(r"""(?:[^\s"']|"[^"]*(?:"|$)|'[^']*(?:'|$))+$""")
_WIDEST = 70
"""Characters of the help beside a flag: a menu that is wider hides the cell."""


@dataclass(frozen=True, slots=True)
class CursorPlace:
    """Where the cursor stands in a cell of ours.

    Parameters
    ----------
    kind : str
        "cell" for the first line of `%%assistant`, "line" for `%assistant`, "value" within `{{ … }}`, "prose" else.
    before : tuple of str
        The words that stand before the one at the cursor.
    word : str
        What stands of the word at the cursor; may be empty.
    """

    kind: str
    before: tuple[str, ...]
    word: str


def place_of(text: str) -> CursorPlace | None:
    """Return where the end of `text` stands; None where it is no cell of ours.

    Parameters
    ----------
    text : str
        The cell up to the cursor.
    """
    is_cell = _HEAD.match(text)
    line = text.rpartition("\n")[2]
    found = _LINE.match(line)
    if found and (found[1] == "%" or is_cell):
        rest = found[2]
        # Not of all of a long line: the word is looked for from each of its characters.
        word = last[0] if (last := _WORD.search(rest, max(0, len(rest) - _LONGEST))) else ""
        before = rest[: len(rest) - len(word)].split()
        return CursorPlace("cell" if found[1] == "%%" else "line", tuple(before), word)
    if not is_cell or "\n" not in text[is_cell.end() - 1 :]:
        return None
    expression = text.rpartition("{{")[2] if "{{" in text else None
    if expression is not None and "}}" not in expression and "\n" not in expression:
        word = re.split(r"[^\w.]", expression)[-1]
        return CursorPlace("value", tuple(expression[: len(expression) - len(word)].split()), word)
    word = "" if text[-1:].isspace() else text.split()[-1]
    return CursorPlace("prose", (), word)


class Matcher:
    """Completes cells of one notebook, in the form of IPython's second API of matchers.

    Parameters
    ----------
    magics : Config
        Whose names are completed.
    """

    def __init__(self, magics: Config) -> None:
        self._values = Values(magics)

    def __call__(self, context: Any) -> dict[str, Any]:
        """Return what may stand at the cursor, and keep the other matchers out of a cell of ours."""
        # IPython's matchers are given one line; what kind of cell it is stands in the first.
        lines = context.full_text.split("\n")[: context.cursor_line]
        text = "\n".join([*lines, context.text_until_cursor])
        place = place_of(text)
        if place is None:
            return {"completions": [], "suppress": False}
        word, choices = self.choices(place)
        # Others are kept out only where something is offered: the word itself, where nothing fits, changes nothing.
        found = choices or ([Choice(word)] if word else [])
        return {
            "completions": [_completion(one) for one in found],
            "matched_fragment": word,
            "suppress": bool(found),
            "ordered": True,
        }

    def choices(self, place: CursorPlace) -> tuple[str, Sequence[Choice]]:
        """Return the part of the word that is replaced, and what it may become, the likeliest first."""
        if place.kind == "prose":
            return place.word, ()
        if place.kind == "value":
            return place.word, _beginning(self._values.of_expression(place.before, place.word), place.word)
        flag = place.before[-1] if place.before else ""
        word, listed = place.word, self._values.of_flag(flag, place.word)
        if listed is not None:
            # Of a list, and of NAME=VALUE, what comes after the last sign is completed, and the rest stays.
            word = re.split(r"[,=]", word)[-1]
            return word, _beginning(listed, word)
        if place.kind == "cell" or place.word.startswith("-"):
            return word, _beginning(self._values.flags(place.kind, place.before), word)
        return word, _beginning(self._values.of_command(place.before), word)


def _beginning(choices: Sequence[Choice], word: str) -> list[Choice]:
    return [one for one in choices if one.text.startswith(word)]


def _completion(choice: Choice) -> Any:
    from IPython.core.completer import SimpleCompletion

    about = choice.about if len(choice.about) <= _WIDEST else choice.about[: _WIDEST - 1] + "…"
    return SimpleCompletion(choice.text, type=about)
