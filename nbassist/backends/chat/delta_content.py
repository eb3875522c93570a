"""What a delta of Chat Completions may hold: parts of a list, pictures, citations, thinking in the text, an end."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias

from ...core.events import CitationAdded, Event, ImageReady, TurnReason
from .. import loose_json

_THINKING = ("thinking", "reasoning")


def pieces_of(content: Any) -> Iterator[tuple[str, Any]]:
    """Yield the kind, `text` or `thinking`, and the text of each piece of a delta's content, as JSON has it.

    Mistral's models that reason send a list of parts, `{"type": "thinking", "thinking": [{"type": "text", ...}]}`.
    """
    if isinstance(content, Mapping):
        content = [content]
    if not isinstance(content, list):
        if content not in (None, ""):
            yield "text", content
        return
    for part in content:
        if not isinstance(part, Mapping):
            yield "text", part
            continue
        kind = "thinking" if part.get("type") in _THINKING else "text"
        inner = part.get("thinking") or part.get("reasoning") if kind == "thinking" else None
        for text in inner if isinstance(inner, list) else [part if inner is None else inner]:
            if piece := text.get("text") if isinstance(text, Mapping) else text:
                yield kind, piece


class Extras:
    """The pictures and sources of one reply, each told once."""

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._sources: list[str] = []
        self._titles: dict[str, str] = {}

    def take(self, delta: Mapping[str, Any]) -> list[Event]:
        """Return the pictures and citations of a delta that were not told yet."""
        events: list[Event] = []
        parts = loose_json.listing(delta.get("content"))
        for image in map(loose_json.mapping, [*loose_json.listing(delta.get("images")), *parts]):
            where = image.get("image_url")
            url = loose_json.text(loose_json.mapping(where).get("url") if isinstance(where, Mapping) else where)
            if url and self._is_new(url):
                events.append(_picture(url))
        for annotation in loose_json.listing(delta.get("annotations")):
            # Models that search the web, at OpenAI and OpenRouter.
            cited = loose_json.mapping(loose_json.mapping(annotation).get("url_citation"))
            url = loose_json.text(cited.get("url"))
            if url and self._is_new(url):
                events.append(CitationAdded(loose_json.text(cited.get("title")) or url, url))
        return events

    def take_sources(self, chunk: Mapping[str, Any]) -> None:
        """Take what Perplexity sends beside the choices: `citations`, URLs that the text counts from [1]."""
        if urls := [loose_json.text(url) for url in loose_json.listing(chunk.get("citations"))]:
            self._sources = urls
        for found in map(loose_json.mapping, loose_json.listing(chunk.get("search_results"))):
            if url := loose_json.text(found.get("url")):
                self._titles[url] = loose_json.text(found.get("title"))

    def sources(self) -> list[Event]:
        """Return the sources of the whole reply, with the marks that stand for them in its text."""
        urls = self._sources or list(self._titles)
        return [
            CitationAdded(self._titles.get(url) or url, url, f"[{number}]")
            for number, url in enumerate(urls, 1)
            if url and self._is_new(url)
        ]

    def _is_new(self, url: str) -> bool:
        # A picture's URL is the picture itself, megabytes of it: its digest is kept, not it.
        mark = hashlib.sha256(url.encode()).hexdigest()
        new = mark not in self._told
        self._told.add(mark)
        return new


def _picture(url: str) -> Event:
    """Return a picture that came as a `data:` URL (OpenRouter); another is told of, and not fetched."""
    head, _, body = url.partition(",")
    if head.startswith("data:") and head.endswith(";base64"):
        try:
            return ImageReady(head[5:-7] or "image/png", base64.b64decode(body, validate=True))
        except ValueError:
            return CitationAdded("an image that can't be read")
    # To fetch it would tell the address of this machine to whoever the model names.
    return CitationAdded("image", url)


Kind: TypeAlias = Literal["thinking", "text"]
_OPENING = "<think>"
_CLOSING = "</think>"
_BLANKS = 1_000  # in front of the tag


class ThinkReader:
    """Take the pieces of a reply, cut anywhere, and give back thinking and text, in order.

    Only a reply that begins with the tag has thinking in it: further down it is what the answer speaks of.

    Parameters
    ----------
    on : bool
        Whether there may be any; else all is text, at once.
    """

    def __init__(self, on: bool) -> None:
        self._where: Literal["start", "thinking", "behind", "text"] = "start" if on else "text"
        self._held = ""
        self._thought = False

    @property
    def passes(self) -> bool:
        """Whether all that comes from here on is text."""
        return self._where == "text" and not self._held

    def feed(self, piece: str) -> list[tuple[Kind, str]]:
        """Take the next piece; return what is decided by it."""
        self._held += piece
        found: list[tuple[Kind, str]] = []
        while self._held and self._step(found):
            pass
        return found

    def finish(self) -> list[tuple[Kind, str]]:
        """Return what was held back when the reply ended."""
        held, self._held = self._held, ""
        kind: Kind = "thinking" if self._where == "thinking" else "text"
        return [(kind, held)] if held and self._where != "behind" else []

    def _step(self, found: list[tuple[Kind, str]]) -> bool:
        """Decide on the head of what is held; return False where more is needed."""
        if self._where == "start":
            body = self._held.lstrip()
            if body.startswith(_OPENING):
                self._where, self._held = "thinking", body[len(_OPENING) :]
            elif not _OPENING.startswith(body) or len(self._held) > _BLANKS:
                self._where = "text"
            return self._where != "start"
        if self._where == "thinking":
            self._held = self._held if self._thought else self._held.lstrip("\n")
            end = self._held.find(_CLOSING)
            if end < 0:
                # The longest end of what is held that may begin the closing tag stays back.
                length = len(self._held)
                tails = range(max(0, length - len(_CLOSING)), length)
                end = next((at for at in tails if _CLOSING.startswith(self._held[at:])), length)
                self._release(found, "thinking", end)
                return False
            self._release(found, "thinking", end)
            self._where, self._held = "behind", self._held[len(_CLOSING) :]
            return True
        # Models put blank lines between their thinking and the answer; they belong to neither.
        if self._where == "behind":
            self._held = self._held.lstrip()
            self._where = "text" if self._held else "behind"
            return bool(self._held)
        self._release(found, "text", len(self._held))
        return False

    def _release(self, found: list[tuple[Kind, str]], kind: Kind, end: int) -> None:
        if end:
            found.append((kind, self._held[:end]))
            self._thought = True
        self._held = self._held[end:]


_WHOLE = (
    *("stop", "eos", "eos_token", "end_turn", "stop_sequence", "stop_str", "end", "complete", "completed", "done"),
    *("tool_calls", "tool_call", "tool_use", "function_call", "function_calls"),
)
"""OpenAI's own; TGI's `eos_token`, Anthropic's and Bedrock's words behind gateways, Cohere's `COMPLETE`."""
_LENGTH = ("length", "max_tokens", "model_length", "max_output_tokens", "max_completion_tokens", "token_limit")
_FILTER = (
    *("content_filter", "content_filtered", "safety", "recitation", "blocklist", "prohibited_content", "spii"),
    *("image_safety", "refusal", "guardrail_intervened", "sensitive"),
)


def meaning(word: str) -> tuple[TurnReason, str]:
    """Return what `word`, which is not empty, says of a turn, and what to tell about it.

    Gemini has its words in capitals, and some behind another: `content_filter: RECITATION`. One that is not known to
    mean a whole answer (`abort`, `error`, `insufficient_system_resource`) is never taken for one.
    """
    first = re.split(r"[:\s]", word.strip().lower(), maxsplit=1)[0].removeprefix("finish_reason_")
    if first in _WHOLE:
        return "stop", ""
    if first in _LENGTH or first.endswith("window_exceeded"):
        return "length", ""
    if first in _FILTER:
        return "content_filter", "" if word == "content_filter" else f"the endpoint's filter ended the reply: {word}"
    return "unknown", f"the endpoint ended the reply with {word!r}, which does not mean that it is whole"
