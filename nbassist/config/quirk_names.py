"""What an endpoint can do otherwise than the protocol says: the entries of the table of providers, and of a profile.

Which provider has which of them stands in `nbassist.backends.provider_quirks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, TypeAlias, get_args

ToolImages: TypeAlias = Literal["user", "tool", "none"]
CallIds: TypeAlias = Literal["any", "nine", "forty"]


@dataclass(frozen=True, slots=True)
class Quirks:
    """How an endpoint differs from the protocol; the defaults are those of one that keeps to it.

    Parameters
    ----------
    wants : tuple of str
        Fields that each message of the assistant has to carry, also those that another endpoint sent:
        `reasoning_content` for DeepSeek's thinking models. What an endpoint sent goes back to it in any case.
    refuses : tuple of str
        What it answers 4xx to, and is not sent: fields of a request (`stream_options`, `response_format`,
        `tool_choice`, `parallel_tool_calls`), of a tool (`strict`; `mixed_strict` where all tools have to agree), of a
        message (`reasoning`, `reasoning_content`, `reasoning_details`, `extra_content`); `images`, those of tools
        and of earlier prompts; `user_after_tool`, a prompt behind a tool's output; `items`, reasoning
        items of Responses.
    call_ids : {"any", "nine", "forty"}
        The ids of calls that it takes: any, nine letters and digits, or at most forty characters.
    tool_images : {"user", "tool", "none"}
        Where it takes images of tools: in a message of the person behind the outputs, in the output, or nowhere.
    runs : tuple of str
        Tools that the service runs itself, by their types on the wire of Responses: `code_interpreter`.
    text_calls : bool
        Whether its models write calls as JSON into their text, which are then read.
    think_tags : bool
        Whether its models think in the text, between `<think>` and `</think>`.
    unsigned : mapping
        What a call that it did not make itself has to carry.
    names : mapping of str to str
        What it calls the fields of a request, by what nbassist and other endpoints call them.
    """

    wants: tuple[str, ...] = ()
    refuses: tuple[str, ...] = ()
    call_ids: CallIds = "any"
    tool_images: ToolImages = "user"
    runs: tuple[str, ...] = ()
    text_calls: bool = False
    think_tags: bool = False
    unsigned: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    def with_entries(self, entries: Mapping[str, Any]) -> Quirks:
        """Return these habits with what a profile says: lists and mappings are added to, all else is replaced."""
        changed: dict[str, Any] = {}
        for name, value in entries.items():
            before = getattr(self, name)
            if isinstance(before, tuple):
                value = (*before, *(item for item in value if item not in before))
            elif isinstance(before, Mapping):
                value = {**before, **value}
            changed[name] = value
        return replace(self, **changed)


@dataclass(frozen=True, slots=True)
class Access:
    """How an endpoint is reached, beside its URL and key.

    Parameters
    ----------
    headers, query : mapping of str to str
        Sent with every request; a header may hold a key, so neither is shown.
    key_from : str
        Where the key came from, such as the name of a variable; empty where that is not known.
    entries : mapping
        What a profile says of its habits; see `Quirks`. `provider` names a row of the table.
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    key_from: str = ""
    entries: Mapping[str, Any] = field(default_factory=dict)


ENTRIES = tuple(item.name for item in fields(Quirks))
"""What a profile can say, beside `provider` for all of a known one's."""


def problem_with(entry: str, value: Any) -> str:
    """Return what is wrong with the value of an entry in a profile; empty where nothing is."""
    if entry in ("wants", "refuses", "runs"):
        right = isinstance(value, list) and all(isinstance(item, str) for item in value)
        return "" if right else "is a list of names"
    if entry in ("text_calls", "think_tags"):
        return "" if isinstance(value, bool) else "is true or false"
    if entry in ("unsigned", "names"):
        right = isinstance(value, dict) and (entry == "unsigned" or all(isinstance(v, str) for v in value.values()))
        return "" if right else "is a table"
    words = get_args(CallIds if entry == "call_ids" else ToolImages)
    return "" if value in words else f"is one of {', '.join(words)}"
