"""`Entry`: one run in the journal; and when something was, as a person writes it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..core.events import Usage
from ..errors import UsageError
from .event_codec import Timed


@dataclass(frozen=True, slots=True)
class Entry:
    """What was asked, and what came of it; keys are replaced in all of it.

    Parameters
    ----------
    prompt : str
        What the person said, `{{ … }}` filled in.
    began : float
        Seconds since 1970, UTC.
    notebook, cell, thread : str
        Where it was asked; empty where that is not known.
    backend, endpoint, model : str
        Where it went; the endpoint is "local" for the embedded server.
    instructions : str
        The system prompt; may be empty.
    parameters : mapping
        Of the model, by their names on the wire, with `reasoning` where it was set.
    tools : tuple of dict
        Names, descriptions and schemas of what the model could call.
    shown : tuple of str
        Labels of what was shown along with the prompt.
    text, finish, detail : str
        The answer and how the run ended; see `nbassist.Reply`.
    seconds, first_text : float
        From the prompt to the end, and to the first piece of text; `first_text` is 0 where there was none.
    usage : Usage
        Of all turns.
    cost : float, optional
        US dollars; None where not known.
    turns : int
        Requests to the model.
    replayed : bool
        Whether it was given again from a recording.
    rating : str
        What the person said of it; may be empty.
    variant : mapping
        What was varied, where the run belongs to a sweep.
    events : tuple of (float, Event)
        All that happened, with the seconds at which it did.
    number : int
        Its number in the journal, from 1; 0 before it is written.
    """

    prompt: str
    began: float = 0.0
    notebook: str = ""
    cell: str = ""
    thread: str = ""
    backend: str = ""
    endpoint: str = ""
    model: str = ""
    instructions: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tools: tuple[Mapping[str, Any], ...] = ()
    shown: tuple[str, ...] = ()
    text: str = ""
    finish: str = ""
    detail: str = ""
    seconds: float = 0.0
    first_text: float = 0.0
    usage: Usage = Usage()
    cost: float | None = None
    turns: int = 0
    replayed: bool = False
    rating: str = ""
    variant: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[Timed, ...] = field(default=(), repr=False)
    number: int = 0


_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}


def seconds_of(since: str) -> float:
    """Return the time that a person wrote, in seconds since 1970: `30m`, `2h`, `3d`, or `2026-11-22`; 0 for nothing.

    Raises
    ------
    UsageError
        Where it is neither.
    """
    if not since:
        return 0.0
    if since[:-1].isdigit() and since[-1] in _UNITS:
        return time.time() - int(since[:-1]) * _UNITS[since[-1]]
    try:
        return datetime.fromisoformat(since).timestamp()
    except ValueError:
        raise UsageError(f"a time is a span such as 30m, 2h or 3d, or a date, not {since!r}") from None
