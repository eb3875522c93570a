"""Send what a backend's flow asks for, sync or async, through the `openai` package, and give events as they come.

What a flow may ask for stands in `nbassist.backends.http.requests`. The two drivers below differ only in `await`,
after the model of httpx's auth flows.

Retries are here, and what may be asked again is said by `failures.seconds_to_wait`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from dataclasses import replace
from typing import Any, Generic, TypeVar

import openai

from ...config.quirk_names import Access
from ...core import interrupts
from ...core.events import Event, Retrying, TurnEnded
from ...errors import BackendError, NbassistError
from .answer_stream import EventStream
from .clients import Clients
from .failures import asks_all_to_wait, read_failure, seconds_to_wait, without_keys
from .http_package import httpx
from .read_limits import Grace
from .requests import STALL, Decoder, Fetch, Flow, JsonRequest, Open, Pause, Step, Upload
from .unsendable import unsendable

# Mostly it is in one packet with that event.
_DRAIN = 0.02  # seconds that the end of a body may take after its last event
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
T = TypeVar("T")
_BROKEN = (httpx.HTTPError, httpx.StreamError, openai.APIError, ValueError)
"""What a stream raises when it breaks: httpx's own errors pass through the SDK as they are, and bad JSON and bad
UTF-8 as ValueError."""


class Transport:
    """A connection to one endpoint.

    Parameters
    ----------
    base_url : str
        Up to and with `/v1`, as the SDK takes it.
    api_key : str
        Sent as a bearer token; never shown.
    headers : mapping of str to str
        Sent with every request.
    stall : float
        Seconds without an event, keep-alive comments aside, after which a stream is taken for cut.
    access : Access
        What else is sent with every request, and where the key is from.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        headers: Mapping[str, str] | None = None,
        *,
        stall: float = STALL,
        access: Access = Access(),
    ) -> None:
        self.base_url = base_url
        self._stall = stall
        self._key_from = access.key_from
        self._secrets = tuple(filter(None, (api_key, *access.headers.values(), *access.query.values())))
        self._clients = Clients(base_url, api_key, {**access.headers, **(headers or {})}, stall, access.query)

    def drive(self, flow: Generator[Step, Any, T]) -> Generator[Event, None, T]:
        """Run `flow` to its end on this thread; yield its events as they come, and return what it returns."""
        going = _Going(flow)
        while (step := going.step()) is not None:
            try:
                if isinstance(step, JsonRequest | Upload):
                    going.answer = self._call(step)
                elif isinstance(step, Fetch):
                    going.answer = self._fetch(step)
                elif isinstance(step, Open):
                    yield from self._read(step)
                elif isinstance(step, Pause):
                    interrupts.sleep(step.seconds)
                else:
                    yield self._told(step)
            except BackendError as error:
                if retrying := going.failed(error):
                    yield retrying
                    interrupts.sleep(retrying.seconds)
        return going.value

    async def adrive(self, flow: Flow) -> AsyncIterator[Event]:
        """Run `flow` to its end on this event loop; yield its events as they come."""
        going = _Going(flow)
        while (step := going.step()) is not None:
            try:
                if isinstance(step, JsonRequest | Upload):
                    going.answer = await self._acall(step)
                elif isinstance(step, Fetch):
                    going.answer = await self._afetch(step)
                elif isinstance(step, Open):
                    async for event in self._aread(step):
                        yield event
                elif isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                else:
                    yield self._told(step)
            except BackendError as error:
                if retrying := going.failed(error):
                    yield retrying
                    await asyncio.sleep(retrying.seconds)

    def run(self, flow: Generator[Step, Any, T]) -> T:
        """Run `flow` to its end on this thread and return what it returns; its events are for nobody.

        Raises
        ------
        BackendError
            As the flow lets it out.
        """
        going = self.drive(flow)
        while True:
            try:
                next(going)
            except StopIteration as stop:
                value: T = stop.value
                return value

    def _call(self, call: JsonRequest | Upload) -> Any:
        try:
            return _request(self._clients.here().sdk, call)
        except _BROKEN as error:
            raise self._unsent(call, error) from error

    async def _acall(self, call: JsonRequest | Upload) -> Any:
        try:
            return await _request((await self._clients.of_loop()).sdk, call)
        except _BROKEN as error:
            raise self._unsent(call, error) from error

    def _fetch(self, step: Fetch) -> bytes | None:
        data = bytearray()
        try:
            response = self._clients.fetch(step)
            try:
                for piece in response.iter_bytes():
                    data += piece
                    if len(data) > step.limit:
                        return None
            finally:
                response.close()
        except _BROKEN as error:
            raise self._failure(error) from error
        return bytes(data)

    async def _afetch(self, step: Fetch) -> bytes | None:
        data = bytearray()
        try:
            response = await self._clients.afetch(step)
            try:
                async for piece in response.aiter_bytes():
                    data += piece
                    if len(data) > step.limit:
                        return None
            finally:
                await response.aclose()
        except _BROKEN as error:
            raise self._failure(error) from error
        return bytes(data)

    def _read(self, step: Open) -> Iterator[Event]:
        try:
            response = self._clients.open(step)
        except _BROKEN as error:
            raise self._unsent(step, error) from error
        stream = EventStream(step.decoder, self._stall, response.headers.get("content-type", ""))
        grace = Grace(response)
        try:
            with grace:
                for piece in response.iter_bytes():
                    for event in stream.feed(piece):
                        yield self._told(event)
                    if stream.done:
                        break
                    grace.until(stream.until)
            for event in stream.finish():
                yield self._told(event)
        except (BackendError, *_BROKEN) as error:
            # The break is our own doing, see `Grace`: all that counts had come.
            yield from self._ended(stream) if grace.over else self._broken(step.decoder, error)
        finally:
            response.close()

    async def _aread(self, step: Open) -> AsyncIterator[Event]:
        try:
            response = await self._clients.aopen(step)
        except _BROKEN as error:
            raise self._unsent(step, error) from error
        stream = EventStream(step.decoder, self._stall, response.headers.get("content-type", ""))
        try:
            pieces = response.aiter_bytes()
            while (piece := await next_piece(pieces, stream)) is not None:
                for event in stream.feed(piece):
                    yield self._told(event)
                if stream.done:
                    await _drain(pieces)
                    break
            for event in stream.finish():
                yield self._told(event)
        except (BackendError, *_BROKEN) as error:
            for event in self._broken(step.decoder, error):
                yield event
        finally:
            await response.aclose()

    def _unsent(self, step: JsonRequest | Upload | Open, error: Exception) -> NbassistError:
        """Return what the failure of a request means: it may be that there was nothing that could be sent."""
        # As the writer of JSON raises it; so do readers of an answer.
        unsent = unsendable(step.body) if isinstance(error, ValueError) and not isinstance(step, Upload) else None
        return unsent or self._failure(error)

    def _failure(self, error: Exception, *, streaming: bool = False) -> BackendError:
        return read_failure(error, self.base_url, self._secrets, streaming=streaming, key_from=self._key_from)

    def _told(self, event: Event) -> Event:
        """Return an event without the keys, where the endpoint says in it why a turn ended."""
        if isinstance(event, TurnEnded) and event.detail:
            return replace(event, detail=without_keys(event.detail, self._secrets))
        return event

    @staticmethod
    def _ended(stream: EventStream) -> Iterator[Event]:
        """Take the end of a stream that was left open: all that counts of it came."""
        yield from stream.finish()

    def _broken(self, decoder: Decoder, error: Exception) -> list[Event]:
        """Keep what came before the break; where nothing had come, it is an error like any other."""
        failure = self._failure(error, streaming=True)
        if decoder.started:
            return decoder.broken(failure)
        raise failure from error


class _Going(Generic[T]):
    """A flow on its way: what came of a step goes into it, and what may pass is tried again before it fails there."""

    def __init__(self, flow: Generator[Step, Any, T]) -> None:
        self.answer: Any = None
        self.value: T
        """What the flow returned, once `step` gave None."""
        self._flow = flow
        self._step: Step | None = None
        self._attempt = 0
        self._failure: BackendError | None = None
        self._again = False

    def step(self) -> Step | None:
        """Return what is to do now: the next step, or the last one again; None where the flow has ended."""
        if self._again:
            self._again = False
            return self._step
        self._attempt = 0
        answer, failure = self.answer, self._failure
        self.answer = self._failure = None
        try:
            # A failure that is not tried again is raised inside the flow, at its yield, where the protocol knows what
            # to do about it.
            self._step = self._flow.throw(failure) if failure else self._flow.send(answer)
        except StopIteration as stop:
            self._step, self.value = None, stop.value
        return self._step

    def failed(self, error: BackendError) -> Retrying | None:
        """Take a step's failure; return the wait before it is tried again, or None where the flow is to take it."""
        self._attempt += 1
        wait = seconds_to_wait(error, self._attempt)
        if wait is None:
            self._failure = error
            return None
        self._again = True
        return Retrying(wait, self._attempt, str(error), everyone=asks_all_to_wait(error))


async def next_piece(pieces: AsyncIterator[bytes], stream: EventStream) -> bytes | None:
    """Return the next piece of a body; None where it has ended, or was left open too long behind its finish reason."""
    try:
        # The loop's clock is the monotonic one.
        async with asyncio.timeout_at(stream.until):
            return await anext(pieces, None)
    except TimeoutError:
        return None


async def _drain(pieces: AsyncIterator[bytes]) -> None:
    """Read the end of a body whose last event came, so that its connection can be used again; nothing waits for it."""
    try:
        async with asyncio.timeout(_DRAIN):
            async for _ in pieces:
                pass
    except (TimeoutError, httpx.HTTPError, httpx.StreamError):
        return  # the connection is closed, as it would have been


def _request(client: Any, call: JsonRequest | Upload) -> Any:
    if isinstance(call, Upload):
        file = (call.name, call.data, call.media_type)
        # The package writes a form only where it finds this header, and puts the boundary into it.
        form = {"headers": {"Content-Type": "multipart/form-data"}}
        return client.post(call.path, cast_to=object, body=dict(call.fields), files=[("file", file)], options=form)
    options: dict[str, Any] = {"cast_to": object}
    if call.query:
        options["options"] = {"params": dict(call.query)}
    if call.method != "GET":
        options["body"] = dict(call.body or {})
    return getattr(client, call.method.lower())(call.path, **options)
