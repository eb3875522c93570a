"""One run in the journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..events import Usage
from .codec import Timed


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
