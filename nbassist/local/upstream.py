"""Where the model is: any Chat Completions endpoint, asked for a stream, its events told by `backends.chat_decoder`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx2

from ..backends import reading
from ..backends.chat_decoder import ChatDecoder
from ..errors import BackendError, LocalError
from ..events import Event
from .text import clean

_ATTEMPTS = 4
_LOADING_SECONDS = 180.0
"""How long an engine that says that it loads its model is asked again."""
_LONGEST_WAIT = 20.0
_END_SECONDS = 0.1
"""How long an upstream may take to end an answer of which all is said."""
_IDLE_SECONDS = 3.0
"""How long a connection is kept for the next request: less than the 5 s after which uvicorn and llama.cpp close one."""
_LONGEST_EVENT = 16 * 1024 * 1024
_TIMEOUT = httpx2.Timeout(600.0, connect=10.0, pool=None)
_SHORTEST_KEY = 3
"""Up to so many characters it is a placeholder, and may stand in any text."""
_OPENAI = "api.openai.com"
"""The one host whose newer models refuse `max_tokens`, the name that all others know."""
_OVERFLOW = ("context_length_exceeded", "exceed_context_size_error", "maximum context length", "context size")


class Upstream(Protocol):
    """An endpoint of Chat Completions.

    Attributes
    ----------
    api_key : str
        Its key, empty where it needs none; never in a response or a log line.
    default_model : str
        For a request that names no model; empty where there is none.
    extra : mapping
        Fields for every request, such as `stop` or `temperature`; what a client chose goes before them.
    tool_note : str
        What this model is told behind the outputs of its tools; empty for a model that needs no telling.
    context : int
        Tokens of its context; 0 where that is not known.
    """

    @property
    def api_key(self) -> str: ...
    @property
    def default_model(self) -> str: ...
    @property
    def extra(self) -> Mapping[str, Any]: ...
    @property
    def tool_note(self) -> str: ...
    @property
    def context(self) -> int: ...
    async def base_url(self) -> str:
        """Return the URL up to and with `/v1`; an engine starts at the first call, and raises LocalError if not."""
        ...


@dataclass(frozen=True, slots=True)
class UrlUpstream:
    """An endpoint that somebody else runs, at `url`, up to and with `/v1`."""

    url: str
    api_key: str = field(default="", repr=False)
    default_model: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
    tool_note: str = ""
    context: int = 0

    async def base_url(self) -> str:
        """Return `url`."""
        return self.url.rstrip("/")


class UpstreamError(Exception):
    """The upstream gave no reply, or broke off; `code` is one of those of a run's `last_error`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(clean(" ".join(message.split()))[:1000])
        self.code = code


class ContextOverflowError(UpstreamError):
    """The upstream says that the prompt is longer than its model's context."""


class UpstreamClient:
    """One pool of connections to an upstream; close it at the end."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=_IDLE_SECONDS)
        self.http = httpx2.AsyncClient(timeout=_TIMEOUT, limits=limits, follow_redirects=False)

    async def close(self) -> None:
        """Close all connections."""
        await self.http.aclose()

    def headers(self) -> dict[str, str]:
        """Return the headers of a request."""
        key = self.upstream.api_key
        return {"Authorization": f"Bearer {key}"} if key else {}

    def redact(self, text: str) -> str:
        """Return `text` without the upstream's key."""
        key = self.upstream.api_key
        return text.replace(key, "[key]") if len(key) > _SHORTEST_KEY else text

    async def redacted(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield what comes without the upstream's key; an end that the key may begin with waits for the next piece."""
        key, held = self.upstream.api_key.encode(), b""
        async for piece in pieces:
            piece = (held + piece).replace(key, b"[key]") if len(key) > _SHORTEST_KEY else piece
            tails = range(max(0, len(piece) - len(key) + 1), len(piece))
            end = next((start for start in tails if key.startswith(piece[start:])), len(piece))
            held = piece[end:]
            if end:
                yield piece[:end]
        if held:
            yield held

    async def models(self) -> list[dict[str, Any]]:
        """Return the upstream's models as the wire has them; for an engine of ours its one, without starting it.

        Raises
        ------
        UpstreamError
            Where it does not answer.
        """
        if not isinstance(self.upstream, UrlUpstream):
            return [{**_model(self.upstream.default_model), "context_window": self.upstream.context}]
        try:
            response = await self.http.get(
                f"{await self.upstream.base_url()}/models", headers=self.headers(), timeout=20
            )
            found = reading.listing(reading.mapping(response.json()).get("data")) if response.is_success else []
        except (httpx2.HTTPError, ValueError) as error:
            raise self.failure(error) from error
        models = [{**_model(""), **entry} for entry in found if isinstance(entry, dict) and entry.get("id")]
        return models or ([_model(self.upstream.default_model)] if self.upstream.default_model else [])

    async def events(self, body: dict[str, Any], tools: tuple[str, ...]) -> AsyncGenerator[Event, None]:
        """Ask for a reply, and yield its events to `TurnEnded`.

        What surely had no effect is asked again: a refused connection, 429 and 503, before any output.

        Raises
        ------
        UpstreamError
            Where there is no reply; ContextOverflowError where the prompt is too long.
        """
        try:
            url = f"{await self.upstream.base_url()}/chat/completions"
        except LocalError as error:
            raise UpstreamError("server_error", str(error)) from error
        if "max_tokens" in body and httpx2.URL(url).host == _OPENAI:
            body = {**body, "max_completion_tokens": body["max_tokens"]}
            del body["max_tokens"]
        decoder = ChatDecoder(tools)
        try:
            async with aclosing(await self._open(url, body)) as response:
                async for data in sse_data(response):
                    for event in decoder.feed(data):
                        yield event
                    if decoder.done:
                        break
                for event in decoder.finish():
                    yield event
        except (BackendError, httpx2.HTTPError, httpx2.StreamError, ValueError) as error:
            failure = self.failure(error)
            if not decoder.started:
                raise failure from error
            for event in decoder.broken(str(failure)):
                yield event

    async def _open(self, url: str, body: Mapping[str, Any]) -> httpx2.Response:
        loop = asyncio.get_running_loop()
        began, attempt = loop.time(), 0
        while True:
            attempt += 1
            request = self.http.build_request("POST", url, json=body, headers=self.headers())
            try:
                response = await self.http.send(request, stream=True)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                if attempt >= _ATTEMPTS:
                    raise self.failure(error) from error
                await asyncio.sleep(0.1 * 2**attempt)
                continue
            if response.status_code == 200:
                return response
            failure, wait = await self._read_refusal(response, attempt)
            loads = "loading" in str(failure).lower() and loop.time() - began < _LOADING_SECONDS
            if wait is None or (attempt >= _ATTEMPTS and not loads):
                raise failure
            await asyncio.sleep(0.5 if loads else wait)

    async def _read_refusal(self, response: httpx2.Response, attempt: int) -> tuple[UpstreamError, float | None]:
        """Read what came in place of a stream, and how long to wait before the next try; None where there is none."""
        async with aclosing(response):
            content = await response.aread()
        try:
            answer = json.loads(content)
        except ValueError:
            answer = {}
        status = response.status_code
        words = self.redact(reading.error_message(answer) or f"HTTP {status}")
        if status in (401, 403):
            return UpstreamError("server_error", f"The upstream refused this server's key ({status})."), None
        if status == 429:
            try:
                wait = float(response.headers.get("retry-after", 2**attempt))
            except ValueError:
                wait = 2.0**attempt
            over = wait > _LONGEST_WAIT or "quota" in content.decode(errors="replace").lower()
            return UpstreamError("rate_limit_exceeded", f"The upstream: {words}"), None if over else wait
        if status == 503:
            return UpstreamError("server_error", f"The upstream failed (503): {words}"), 0.5 * 2**attempt
        if status in (400, 413, 422) and any(sign in content.decode(errors="replace") for sign in _OVERFLOW):
            return ContextOverflowError("invalid_prompt", f"The upstream: {words}"), None
        code = "invalid_prompt" if status in (400, 413, 422) else "server_error"
        return UpstreamError(code, f"The upstream answered {status}: {words}"), None

    def failure(self, error: Exception) -> UpstreamError:
        """Return what went wrong in words that tell nothing of the key."""
        if isinstance(error, UpstreamError):
            return error
        if isinstance(error, BackendError):
            return UpstreamError("server_error", self.redact(str(error)))
        if isinstance(error, httpx2.TimeoutException):
            return UpstreamError("server_error", "The upstream sent nothing for too long.")
        if isinstance(error, httpx2.ConnectError):
            return UpstreamError("server_error", "The upstream does not answer: is it running?")
        if isinstance(error, httpx2.HTTPError | httpx2.StreamError):
            words = str(error) or type(error).__name__
            return UpstreamError("server_error", self.redact(f"The connection to the upstream broke: {words}"))
        return UpstreamError("server_error", "The upstream sent what is no Chat Completions stream.")


async def _read_out(rest: AsyncIterator[bytes]) -> None:
    """Read the end of an answer, which is there already as a rule: only then its connection serves the next request."""
    with suppress(TimeoutError, httpx2.HTTPError):
        async with asyncio.timeout(_END_SECONDS):
            async for _ in rest:
                pass


async def sse_data(response: httpx2.Response) -> AsyncIterator[Any]:
    """Yield the JSON of each server-sent event up to `[DONE]`; a whole JSON body, where no stream came, as one.

    Raises
    ------
    ValueError
        Where an event is no JSON, no UTF-8, or too long.
    """
    if "json" in response.headers.get("content-type", ""):
        yield json.loads(await response.aread())
        return
    rest, pieces = b"", response.aiter_bytes()
    async for piece in pieces:
        lines = (rest + piece).split(b"\n")
        rest = lines.pop()
        if len(rest) > _LONGEST_EVENT:
            raise ValueError("an event without an end")
        for line in lines:
            data = _event_data(line)
            if data == b"[DONE]":
                await _read_out(pieces)
                return
            if data:
                yield json.loads(data.decode())
    data = _event_data(rest)
    if data and data != b"[DONE]":
        yield json.loads(data)


def _event_data(line: bytes) -> bytes:
    # Chat Completions puts each event into one line; some servers write `error:` in place of `data:`.
    for name in (b"data:", b"error:"):
        if line.startswith(name):
            data = line[len(name) :].strip()
            return data if name == b"data:" or data.startswith(b"{") else json.dumps({"error": data.decode()}).encode()
    return b""


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "nbassist"}
