"""Asks the upstream for streams, whose events `backends.chat.decoder` tells; what had no effect is asked again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import lru_cache
from typing import Any

import httpx2

from ...backends import loose_json
from ...backends.chat.backend import fitted
from ...backends.chat.decoder import ChatDecoder
from ...backends.chat.history import mended
from ...backends.chat.opaque_state import put_back
from ...backends.error_bodies import error_message
from ...backends.http.answer_stream import EventStream
from ...backends.http.failures import read_status, seconds_to_wait
from ...backends.http.transport import next_piece
from ...backends.provider_quirks import home_of, is_settled, learnt, quirks_of
from ...backends.refused_options import CORRECTIONS, mend
from ...config.quirk_names import Quirks
from ...core.events import Event
from ...errors import AuthenticationError, BackendError, LocalError, RateLimitError
from .chat_request import KEPT, ChatMessage
from .transport import mounts, pieces_of
from .upstream import ContextOverflowError, UnknownModelError, Upstream, UpstreamError, UrlUpstream, is_unknown_model

_ATTEMPTS = 4
_LOADING_SECONDS = 180.0
"""How long an engine that says that it loads its model is asked again."""
_LONGEST_WAIT = 20.0
_LIST_SECONDS = 5.0
_END_SECONDS = 0.1
"""How long an upstream may take to end an answer of which all is said."""
_IDLE_SECONDS = 3.0
"""How long a connection is kept for the next request: less than the 5 s after which uvicorn and llama.cpp close one."""
_STALL_SECONDS = 600.0
_RESET = (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError)
"""How a connection ends that was kept alive, and that the upstream closed meanwhile: before any answer."""
# Reading may take the whole life of a run: an engine that reads a long prompt says nothing meanwhile. No connection is
# waited for, as the pool has no limit.
_TIMEOUT = httpx2.Timeout(600.0, connect=10.0, pool=None)
_SHORTEST_KEY = 3
"""Up to so many characters it is a placeholder, and may stand in any text."""
# OpenAI's code, llama.cpp's type, and the words that other servers took over from them.
_OVERFLOW = ("context_length_exceeded", "exceed_context_size_error", "maximum context length", "context size")


class _RefusedError(Exception):
    """A refusal that may be mended: as the backends have it, and as it is told where it can't be."""

    def __init__(self, refusal: BackendError, failure: UpstreamError) -> None:
        super().__init__(str(failure))
        self.refusal = refusal
        self.failure = failure


class UpstreamClient:
    """One pool of connections to an upstream; close it at the end."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=_IDLE_SECONDS)
        # A redirect would take the key to wherever it points.
        self.http = httpx2.AsyncClient(
            timeout=_TIMEOUT, limits=limits, follow_redirects=False, mounts=mounts(_IDLE_SECONDS)
        )

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
            # The key may be cut by the pieces of the connection.
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
        # Asking an engine would load its model, just to list it.
        if not isinstance(self.upstream, UrlUpstream):
            return [{**_model(self.upstream.default_model), "context_window": self.upstream.context}]
        try:
            response = await self.http.get(
                f"{await self.upstream.base_url()}/models", headers=self.headers(), timeout=20
            )
            found = loose_json.listing(loose_json.mapping(response.json()).get("data")) if response.is_success else []
        except (httpx2.HTTPError, ValueError) as error:
            raise self.failure(error) from error
        models = [{**_model(""), **entry} for entry in found if isinstance(entry, dict) and entry.get("id")]
        return models or ([_model(self.upstream.default_model)] if self.upstream.default_model else [])

    async def answers(self) -> bool:
        """Return whether anything answers at the upstream's URL, be it a refusal."""
        try:
            await self.http.get(
                f"{await self.upstream.base_url()}/models", headers=self.headers(), timeout=_LIST_SECONDS
            )
        except (httpx2.HTTPError, LocalError):
            return False
        return True

    async def model_names(self) -> tuple[str, ...]:
        """Return the names of the upstream's models; none where it does not tell: many have no list."""
        try:
            async with asyncio.timeout(_LIST_SECONDS):
                return tuple(str(entry["id"]) for entry in await self.models())
        except (UpstreamError, TimeoutError):
            return ()

    async def events(self, body: dict[str, Any], tools: tuple[str, ...]) -> AsyncGenerator[list[Event], None]:
        """Ask for a reply, and yield its events to `TurnEnded`, those that came together as one list.

        What surely had no effect is asked again: a refused connection, 429 and 503, before any output.

        Raises
        ------
        UpstreamError
            Where there is no reply; ContextOverflowError where the prompt is too long.
        """
        try:
            base_url = await self.upstream.base_url()
        except LocalError as error:
            raise UpstreamError("server_error", str(error)) from error
        model, home = body.get("model", ""), home_of(base_url)
        known = learnt(base_url, model)
        functions = [loose_json.mapping(tool.get("function")) for tool in body.get("tools") or ()]
        offered = {one.get("name"): loose_json.mapping(one.get("parameters")) for one in functions}
        for attempt in range(CORRECTIONS):
            habits = quirks_of(base_url, model)
            # Also of an engine of ours, whose model may write calls as text, until it has made a real one.
            own = not isinstance(self.upstream, UrlUpstream)
            in_text = (habits.text_calls or own) and not known.calls_natively
            decoder = ChatDecoder(
                {name: offered.get(name, {}) for name in tools},
                habits=replace(habits, text_calls=in_text),
                home=home,
                calls_natively=known.calls_natively,
                settled=own or is_settled(base_url, model),
            )
            sent = fitted_to(body, habits, home)
            try:
                async for events in self._ask(f"{base_url}/chat/completions", sent, decoder):
                    yield events
            except _RefusedError as refused:
                if attempt == CORRECTIONS - 1 or not mend(refused.refusal, sent, self.upstream.extra, known):
                    raise refused.failure from refused
                continue
            known.calls_natively = known.calls_natively or decoder.native_calls
            known.answers_as = decoder.model or known.answers_as
            return

    async def _ask(self, url: str, body: Mapping[str, Any], decoder: ChatDecoder) -> AsyncGenerator[list[Event], None]:
        try:
            async with aclosing(await self._open(url, body)) as response:
                stream = EventStream(decoder, _STALL_SECONDS, response.headers.get("content-type", ""))
                async with aclosing(pieces_of(response)) as pieces:
                    while (piece := await next_piece(pieces, stream)) is not None:
                        held: list[Event] = []
                        try:
                            held.extend(stream.feed(piece))
                        finally:
                            yield held  # what came before an error stands
                        if stream.done:
                            await _read_out(pieces)
                            break
                    yield list(stream.finish())
        except (BackendError, httpx2.HTTPError, httpx2.StreamError, ValueError) as error:
            failure = self.failure(error)
            # Nothing was told yet, so the run fails as if it had never begun; after that, what came is kept, and
            # marked.
            if not decoder.started:
                raise failure from error
            if isinstance(error, BackendError):
                error.args = (self.redact(error.words),)
            yield decoder.broken(error if isinstance(error, BackendError) else str(failure))

    async def _open(self, url: str, body: Mapping[str, Any]) -> httpx2.Response:
        loop = asyncio.get_running_loop()
        began, attempt = loop.time(), 0
        while True:
            attempt += 1
            request = self.http.build_request("POST", _parsed(url), json=body, headers=self.headers())
            try:
                response = await self.http.send(request, stream=True)
            except (httpx2.ConnectError, httpx2.ConnectTimeout, *_RESET) as error:
                if attempt >= _ATTEMPTS:
                    raise self.failure(error) from error
                await asyncio.sleep(0.1 * 2**attempt)
                continue
            if response.status_code == 200:
                return response
            failure, wait = await self._read_refusal(response, attempt)
            # llama.cpp answers 503 "Loading model" until it is ready, for longer than the attempts of any other
            # failure.
            loads = "loading" in str(failure).lower() and loop.time() - began < _LOADING_SECONDS
            if wait is None or (attempt >= _ATTEMPTS and not loads):
                raise failure
            await asyncio.sleep(0.5 if loads else wait)

    async def _read_refusal(self, response: httpx2.Response, attempt: int) -> tuple[Exception, float | None]:
        """Read what came in place of a stream, and how long to wait before the next try; None where there is none."""
        async with aclosing(response):
            content = await response.aread()
        try:
            answer = json.loads(content)
        except ValueError:
            answer = {}
        status = response.status_code
        error = read_status(status, answer, "The upstream", response.headers)
        words = self.redact(error_message(answer) or f"HTTP {status}")
        # The key is the server's own: what the upstream says about it is nothing for the client, and may quote it.
        if isinstance(error, AuthenticationError):
            return UpstreamError("server_error", f"The upstream refused this server's key ({status})."), None
        # 500 is what LiteLLM's proxy says of a parameter that it does not know: mended, not waited for.
        wait = None if status == 500 else seconds_to_wait(error, 1)
        wait = None if wait is None or wait > _LONGEST_WAIT else wait * attempt
        if isinstance(error, RateLimitError):
            return UpstreamError("rate_limit_exceeded", f"The upstream: {words}"), wait
        if status in (400, 413, 422) and any(sign in content.decode(errors="replace") for sign in _OVERFLOW):
            return ContextOverflowError("invalid_prompt", f"The upstream: {words}"), None
        if is_unknown_model(status, content.decode(errors="replace")):
            hint = "--upstream-model NAME answers for names that the upstream does not have"
            return UnknownModelError("server_error", f"The upstream answered {status}: {words} ({hint})"), None
        code = "invalid_prompt" if status in (400, 413, 422) else "server_error"
        said = (
            f"The upstream failed ({status}): {words}"
            if wait is not None
            else f"The upstream answered {status}: {words}"
        )
        failure = UpstreamError(code, said)
        return (failure, wait) if wait is not None else (_RefusedError(error, failure), None)

    def failure(self, error: Exception) -> UpstreamError:
        """Return what went wrong in words that tell nothing of the key."""
        if isinstance(error, UpstreamError):
            return error
        if isinstance(error, _RefusedError):
            return error.failure
        if isinstance(error, BackendError):
            return UpstreamError("server_error", self.redact(error.words))
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


@lru_cache(64)  # one, as a rule: to read it anew takes as long as to write the request
def _parsed(url: str) -> httpx2.URL:
    return httpx2.URL(url)


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "nbassist"}


def fitted_to(body: Mapping[str, Any], habits: Quirks, home: str) -> dict[str, Any]:
    """Return a body as the upstream at `home` takes it: its history valid, and with what it sent to be sent back."""
    messages: list[ChatMessage] = []
    for held in body["messages"]:
        message = {name: value for name, value in held.items() if name != KEPT}
        if message["role"] == "assistant":
            kept = held.get(KEPT) or {}
            put_back(message, kept if kept.get("home") == home else {}, habits)
        messages.append(message)
    return fitted({**body, "messages": mended(messages, habits)}, habits)
