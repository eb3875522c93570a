"""The tools that this server runs itself, as the model is offered them, and calls of them, as a run's steps keep them.

To the model each is a function like any other. On the wire its calls have a type of their own, which has no place for
what the model asked or was told; that stands beside the step, in its column `hosted`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

_SEARCH: dict[str, Any] = {
    "description": "Search the files of this conversation and of the assistant. Returns the passages that answer best.",
    "parameters": {
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "What to look for: a question, or the words of the answer"}
        },
        "required": ["query"],
    },
}
_CODE: dict[str, Any] = {
    "description": "Run Python in a session of this conversation, which keeps its variables. Returns what is printed "
    "and the value of the last expression. Plots are shown to the user. Files are read and written in /mnt/data.",
    "parameters": {
        "type": "object",
        "properties": {"code": {"type": "string", "description": "The Python code"}},
        "required": ["code"],
    },
}
_DEFINITIONS: dict[str, dict[str, Any]] = {"file_search": _SEARCH, "code_interpreter": _CODE}
_INSTEAD = {"file_search": "search_in_files", "code_interpreter": "run_python"}


@dataclass(frozen=True, slots=True)
class OwnFunction:
    """A tool of this server as the model is offered it: its type on the wire, and the function of Chat Completions."""

    kind: str
    tool: dict[str, Any]

    @property
    def name(self) -> str:
        """The name that the model calls it by."""
        return str(self.tool["function"]["name"])


@dataclass(slots=True)
class OwnCall:
    """A call of such a tool: what the model wrote, and once it has run, what the wire shows and the model is told."""

    id: str
    kind: str
    name: str
    arguments: str = ""
    output: str = ""
    files: dict[str, str] = field(default_factory=dict)
    """The files that it made: names and ids."""
    images: list[str] = field(default_factory=list)
    """The ids of the pictures that it showed."""

    def to_row(self) -> dict[str, Any]:
        """Return what a step keeps of it."""
        kept = {"name": self.name, "arguments": self.arguments, "output": self.output}
        return {**kept, "files": self.files, "images": self.images} if self.files or self.images else kept


def own_functions(tools: Iterable[Mapping[str, Any]], own: Mapping[str, str]) -> list[OwnFunction]:
    """Return the tools of a run that this server runs, in their order, each once.

    Parameters
    ----------
    tools : iterable of mapping
        Those of a run, as on the wire.
    own : mapping
        The types that this server runs, each with what is added to its description.
    """
    listed = list(tools)
    taken = {tool["function"]["name"] for tool in listed if tool["type"] == "function"}
    kinds = dict.fromkeys(tool["type"] for tool in listed if tool["type"] in own and tool["type"] in _DEFINITIONS)
    # A function of the client's may have the name; two of one name no endpoint takes.
    return [
        OwnFunction(kind, {"type": "function", "function": {"name": name, **_described(kind, own[kind])}})
        for kind in kinds
        for name in [_INSTEAD[kind] if kind in taken else kind]
    ]


def _described(kind: str, note: str) -> dict[str, Any]:
    definition = _DEFINITIONS[kind]
    return {**definition, "description": definition["description"] + note}


def arguments_of(call: OwnCall) -> dict[str, Any]:
    """Return the arguments of a call.

    Raises
    ------
    ValueError
        Where they are no JSON object; its text is for the model.
    """
    try:
        found = json.loads(call.arguments or "{}")
    except ValueError:
        raise ValueError("The arguments are no JSON. Call again with a JSON object.") from None
    if not isinstance(found, dict):
        raise ValueError("The arguments have to be a JSON object.")  # noqa: TRY004, its text is for the model
    return found


def shown_call(call_id: str, kind: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a call as its step shows it before it has run: with the ranking options of the run's tool, no results."""
    if kind == "file_search":
        given = settings.get("ranking_options") or {}
        options = {
            "ranker": given.get("ranker") or "default_2024_08_21",
            "score_threshold": given.get("score_threshold") or 0.0,
        }
        return {"id": call_id, "type": kind, kind: {"ranking_options": options, "results": []}}
    return {"id": call_id, "type": kind, kind: {"input": "", "outputs": []}}


def settings_of(tools: Iterable[Mapping[str, Any]], kind: str) -> Mapping[str, Any]:
    """Return the settings of a tool of a run, empty where it has none."""
    for tool in tools:
        if tool["type"] == kind:
            return tool.get(kind) or {}
    return {}
