"""Which model of the upstream answers for the name that a client gave, and what the run is told of that."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from ..api.field_checks import HOSTED_TOOLS

_MOST_REFUSED = 1000
_LISTED_SECONDS = 60.0
"""How long a list of models is believed: an engine may be given another at any time."""
_NO_CHAT = re.compile(r"embed|whisper|tts|rerank|moderation|dall-e|image|transcribe|speech|bge-", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answering:
    """The model that answers, and a sentence about it where it is not the one that was asked for, else empty."""

    model: str
    note: str = ""


@dataclass(slots=True)
class ModelNames:
    """The names of one upstream.

    Parameters
    ----------
    default : str
        The model for names that the upstream does not have; empty where none was given.
    mapped : sequence of (pattern, name)
        `*` and `?` stand for any letters; the first that matches counts.
    listed : callable
        Asks the upstream for the names of its models; none where it does not tell.
    """

    default: str
    mapped: Sequence[tuple[str, str]]
    listed: Callable[[], Awaitable[Iterable[str]]]
    _known: tuple[str, ...] = ()
    _known_at: float = float("-inf")
    _refused: set[str] = field(default_factory=set)
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def find(self, name: str) -> Answering:
        """Return the model that answers for `name`; an empty name is the default's."""
        for pattern, model in self.mapped:
            if fnmatchcase(name, pattern):
                # Whether the upstream has it is not asked: the map goes first.
                return Answering(
                    model, f"{model} answers for {name}, as --model-map says" if name not in ("", model) else ""
                )
        if not name:
            return Answering(self.default)
        known = await self._listed()
        if name == self.default or _is_in(name, known):
            return Answering(name)
        return self._instead(name) if name in self._refused or (known and self.default) else Answering(name)

    async def after_refusal(self, name: str) -> Answering | None:
        """Return the model to ask in place of one that the upstream refused as unknown; None where there is none."""
        if len(self._refused) < _MOST_REFUSED:
            self._refused.add(name)
        found = self._instead(name)
        return found if found.model != name else None

    def _instead(self, name: str) -> Answering:
        if self.default:
            return _instead(name, self.default, "the server's default")
        able = [model for model in self._known if not _NO_CHAT.search(model)] or self._known
        return _instead(name, able[0], "the first of its list") if able else Answering(name)

    async def _listed(self) -> tuple[str, ...]:
        async with self._asking:  # one asks, the others wait for what it hears
            if time.monotonic() - self._known_at > _LISTED_SECONDS:
                self._known = tuple(await self.listed())
                self._known_at = time.monotonic()
            return self._known


def _is_in(name: str, known: Iterable[str]) -> bool:
    # Ollama lists `llama3.2:latest` for what is asked for as `llama3.2`, Gemini `models/gemini-…`.
    return any(model in (name, f"{name}:latest", f"models/{name}") for model in known)


def _instead(name: str, model: str, why: str) -> Answering:
    if model == name or not name:
        return Answering(model)
    return Answering(model, f"{name} is not a model of the upstream: {model} answers, {why}")


MODEL = "nbassist_model"
TOOLS = "nbassist_tools"
_MOST_PAIRS = 16
_LONGEST = 512


def tools_note(tools: Sequence[Mapping[str, Any]], own: Sequence[str] = ()) -> str:
    """Return what to say of hosted tools among a run's that are not run here; empty where there are none."""
    kinds = {str(tool["type"]) for tool in tools}
    named = [name for name in HOSTED_TOOLS if name in kinds and name not in own]
    without = f"answered without {' and '.join(named)}, which this server does not run"
    return f"{without}: start it with --code-interpreter" if named else ""


def with_notes(metadata: Mapping[str, str], notes: Mapping[str, str]) -> dict[str, str]:
    """Return metadata with notes; where it is full, the client's own stays, and the log alone has the notes."""
    found = dict(metadata)
    for name, text in notes.items():
        if text and (name in found or len(found) < _MOST_PAIRS):
            found[name] = text[:_LONGEST]
    return found
