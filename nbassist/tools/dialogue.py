"""Asking the person in words, with `input`: wherever one sits before the notebook or the terminal."""

from __future__ import annotations

import json
import re
from typing import Any

from ..events import ApprovalAnswered, ApprovalAsked
from . import capture
from .approval import NO_ONE, Ask
from .reprs import cut

_SHOWN = 2_000  # characters of one argument
# Controls, and what changes the direction of text or takes no room: what is shown has to be what is called.
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_CHOICES = "[y]es / [n]o, with a word to the model / [a]lways for this run / [e]dit the arguments: "
_CHOICES_HOSTED = "[y]es / [n]o, with a word to the model / [a]lways for this run: "


def asker(view: Any = None) -> Ask:
    """Return what asks the person: the view where it can (buttons), else `input`; with no one there it says no.

    A view that can ask has a method `ask(asked)`, which gives the answer, or None where no click would be heard.
    """
    by_view = getattr(view, "ask", None)

    def ask(asked: ApprovalAsked) -> ApprovalAnswered:
        answered = by_view(asked) if by_view is not None else None
        return in_words(asked) if answered is None else answered

    return ask


def in_words(asked: ApprovalAsked) -> ApprovalAnswered:
    """Show the call, one argument on each line, and take an answer; an interrupt passes through."""
    if not capture.someone_is_there():
        return ApprovalAnswered(asked.call_id, "refused", NO_ONE)
    try:
        with capture.uncaptured():
            return _conversation(asked)
    except (EOFError, NotImplementedError, RuntimeError):  # the end of the input; a frontend that takes none
        return ApprovalAnswered(asked.call_id, "refused", NO_ONE)


def _conversation(asked: ApprovalAsked) -> ApprovalAnswered:
    choices = _CHOICES_HOSTED if asked.kind == "approval" else _CHOICES
    prompt = f"{described(asked)}\n{choices}"
    while True:
        said = input(prompt).strip()
        letter, _, word = said.partition(" ")
        match letter.lower().rstrip(",:"):
            case "y" | "yes":
                return ApprovalAnswered(asked.call_id, "allowed")
            case "n" | "no":
                return ApprovalAnswered(asked.call_id, "refused", word.strip() or "the person said no")
            case "a" | "always":
                return ApprovalAnswered(asked.call_id, "always")
            case "e" | "edit" if asked.kind != "approval":
                edited = word.strip() or input(f"{asked.arguments}\nthe arguments to call it with: ").strip()
                if edited:
                    return ApprovalAnswered(asked.call_id, "edited", arguments=edited)
        prompt = f"{said[:40]!r} is no answer\n{choices}" if said else choices


def described(asked: ApprovalAsked) -> str:
    """Return the call as it would be made, one argument on each line; what can't be seen is escaped."""
    lines = [f"The model wants to call {asked.name}"]
    if asked.problem:
        lines = [f"{asked.name} can't be called so: {asked.problem}"]
    arguments = _arguments(asked)
    if isinstance(arguments, dict):
        width = max((len(str(name)) for name in arguments), default=0)
        lines += [f"  {name!s:<{width}} = {_value(value, width)}" for name, value in arguments.items()]
    else:
        lines.append(_value(arguments, 0))
    return _UNSEEN.sub(_escaped, "\n".join(lines))


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")


def _arguments(asked: ApprovalAsked) -> Any:
    if asked.kind == "custom":
        return asked.arguments
    try:
        return json.loads(asked.arguments or "{}")
    except (ValueError, RecursionError):
        return asked.arguments


def _value(value: Any, width: int) -> str:
    """Write a value; code keeps its lines, so that a person can read it."""
    if isinstance(value, str) and "\n" in value:
        return "\n" + "\n".join(f"  {'':<{width}}   {line}" for line in cut(value.rstrip("\n"), _SHOWN).split("\n"))
    return cut(json.dumps(value, ensure_ascii=False), _SHOWN)
