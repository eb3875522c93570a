"""Send what a backend's flow asks for, sync or async, through the `openai` package, and give events as they come.

A flow is a generator without IO, written once for each protocol: it yields `Call` (and is sent the JSON that came
back), `Open` (a stream, which its decoder turns into events), or an event of its own. The two drivers below differ
only in `await`, after the model of httpx's auth flows.
"""

from __future__ import annotations

import asyncio
import json
import time
import weakref
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias
from urllib.parse import urlsplit

import httpx2
import openai

from ..errors import BackendError, NotAnEndpointError
from ..events import Event, Retrying
from . import reading
from .failures import read_failure, seconds_to_wait

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
# A model on a slow machine may read for minutes before it writes, and a server may send nothing meanwhile.
_TIMEOUT = httpx2.Timeout(600.0, connect=10.0, read=300.0)
_BROKEN = (httpx2.HTTPError, httpx2.StreamError, openai.APIError, ValueError)
"""What a stream raises when it breaks: httpx2's own errors pass through the SDK as they are, and bad JSON and bad
UTF-8 as ValueError."""


class Decoder(Protocol):
    """From the chunks of one stream to events; see `nbassist.backends.chat.ChatDecoder`."""

    started: bool

    @property
    def done(self) -> bool: ...
    def feed(self, chunk: Any) -> list[Event]: ...
    def finish(self) -> list[Event]: ...
    def broken(self, error: BackendError | str) -> list[Event]: ...


@dataclass(frozen=True, slots=True)
class Call:
    """One request; `body` is sent as JSON, and the JSON that comes back is sent into the flow."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    query: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Open:
    """One request whose answer is a stream of server-sent events for `decoder`."""

    path: str
    body: Mapping[str, Any]
    decoder: Decoder


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait before the next step, so many seconds."""

    seconds: float


Flow: TypeAlias = Generator[Call | Open | Pause | Event, Any, None]


def list_models() -> Generator[Call | Open | Pause | Event, Any, list[str]]:
    """Ask for the names of the endpoint's models, in its order; a part of a flow.

    Raises
    ------
    BackendError
        Where it names none.
    """
    answer = reading.mapping((yield Call("GET", "/models")))
    names = [reading.text(reading.mapping(item).get("id")) for item in reading.listing(answer.get("data"))]
    if not any(names):
        raise BackendError("the endpoint names no model: say which one with -m or NBASSIST_MODEL")
    return [name for name in names if name]


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
    """

    def __init__(self, base_url: str, api_key: str, headers: Mapping[str, str] | None = None) -> None:
        self.base_url = base_url
        self._secrets = (api_key,) if api_key else ()
        self._options: dict[str, Any] = {
            "base_url": base_url or None,
            "api_key": api_key or "none",
            "max_retries": 0,  # ours are shown, and never repeat what may have taken effect
            "timeout": _TIMEOUT,
            "default_headers": dict(headers or {}),
        }
        # A proxy is for the world outside; what listens on this machine is reached directly.
        self._http: dict[str, Any] = {
            "follow_redirects": False,
            "trust_env": urlsplit(base_url).hostname not in _LOOPBACK,
            # Without TLS there is no need for the certificates, which take longer to load than the request.
            "verify": not base_url.startswith("http://"),
        }
        self._client: openai.OpenAI | None = None

    def drive(self, flow: Flow) -> Iterator[Event]:
        """Run `flow` to its end on this thread; yield its events as they come."""
        answer: Any = None
        failure: BackendError | None = None
        attempt = 0
        step: Any = None
        while True:
            try:
                if attempt == 0:
                    step = flow.throw(failure) if failure else flow.send(answer)
            except StopIteration:
                return
            answer, failure = None, None
            try:
                if isinstance(step, Call):
                    answer = self._call(step)
                elif isinstance(step, Open):
                    yield from self._read(step)
                elif isinstance(step, Pause):
                    time.sleep(step.seconds)
                else:
                    yield step
            except BackendError as error:
                attempt += 1
                wait = seconds_to_wait(error, attempt)
                if wait is None:
                    attempt, failure = 0, error
                    continue
                yield Retrying(wait, attempt, str(error))
                time.sleep(wait)
            else:
                attempt = 0

    async def adrive(self, flow: Flow) -> AsyncIterator[Event]:
        """Run `flow` to its end on this event loop; yield its events as they come."""
        async with openai.AsyncOpenAI(
            **self._options, http_client=openai.DefaultAsyncHttpxClient(**self._http)
        ) as client:
            answer: Any = None
            failure: BackendError | None = None
            attempt = 0
            step: Any = None
            while True:
                try:
                    if attempt == 0:
                        step = flow.throw(failure) if failure else flow.send(answer)
                except StopIteration:
                    return
                answer, failure = None, None
                try:
                    if isinstance(step, Call):
                        answer = await self._acall(client, step)
                    elif isinstance(step, Open):
                        async for event in self._aread(client, step):
                            yield event
                    elif isinstance(step, Pause):
                        await asyncio.sleep(step.seconds)
                    else:
                        yield step
                except BackendError as error:
                    attempt += 1
                    wait = seconds_to_wait(error, attempt)
                    if wait is None:
                        attempt, failure = 0, error
                        continue
                    yield Retrying(wait, attempt, str(error))
                    await asyncio.sleep(wait)
                else:
                    attempt = 0

    def models(self) -> list[str]:
        """Return the names of the endpoint's models, in its order; at least one.

        Raises
        ------
        BackendError
            Where it does not tell, or has none.
        """
        found: list[str] = []

        def flow() -> Flow:
            found.extend((yield from list_models()))

        for _ in self.drive(flow()):
            pass
        return found

    def _call(self, call: Call) -> Any:
        try:
            return _request(self._sync(), call)
        except _BROKEN as error:
            raise read_failure(error, self.base_url, self._secrets) from error

    async def _acall(self, client: openai.AsyncOpenAI, call: Call) -> Any:
        try:
            return await _request(client, call)
        except _BROKEN as error:
            raise read_failure(error, self.base_url, self._secrets) from error

    def _read(self, step: Open) -> Iterator[Event]:
        try:
            stream = _open(self._sync(), step, openai.Stream[object])
        except _BROKEN as error:
            raise read_failure(error, self.base_url, self._secrets) from error
        try:
            if not _is_stream(stream.response):
                raise self._no_stream(stream.response, stream.response.read())
            for chunk in stream:
                yield from step.decoder.feed(chunk)
                if step.decoder.done:
                    break
            yield from step.decoder.finish()
        except (BackendError, *_BROKEN) as error:
            yield from self._broken(step.decoder, error)
        finally:
            stream.close()

    async def _aread(self, client: openai.AsyncOpenAI, step: Open) -> AsyncIterator[Event]:
        try:
            stream = await _open(client, step, openai.AsyncStream[object])
        except _BROKEN as error:
            raise read_failure(error, self.base_url, self._secrets) from error
        try:
            if not _is_stream(stream.response):
                raise self._no_stream(stream.response, await stream.response.aread())
            async for chunk in stream:
                for event in step.decoder.feed(chunk):
                    yield event
                if step.decoder.done:
                    break
            for event in step.decoder.finish():
                yield event
        except (BackendError, *_BROKEN) as error:
            for event in self._broken(step.decoder, error):
                yield event
        finally:
            await stream.close()

    def _broken(self, decoder: Decoder, error: Exception) -> list[Event]:
        """Keep what came before the break; where nothing had come, it is an error like any other."""
        failure = read_failure(error, self.base_url, self._secrets, streaming=True)
        if decoder.started:
            return decoder.broken(failure)
        raise failure from error

    def _no_stream(self, response: httpx2.Response, body: bytes) -> BackendError:
        try:
            data = json.loads(body)
        except ValueError:
            data = None
        return read_failure(NotAnEndpointError(_what_came(response, data)), self.base_url, self._secrets)

    def _sync(self) -> openai.OpenAI:
        if self._client is None:
            self._client = openai.OpenAI(**self._options, http_client=openai.DefaultHttpxClient(**self._http))
            weakref.finalize(self, self._client.close)
        return self._client


def _what_came(response: httpx2.Response, data: Any) -> str:
    if message := reading.error_message(data):
        return f"the endpoint answered with an error in place of a stream: {message}"
    kind = response.headers.get("content-type", "no content type").partition(";")[0]
    return f"the endpoint answered with {kind} in place of a stream of events"


def _request(client: Any, call: Call) -> Any:
    options: dict[str, Any] = {"cast_to": object}
    if call.query:
        options["options"] = {"params": dict(call.query)}
    if call.method != "GET":
        options["body"] = dict(call.body or {})
    return getattr(client, call.method.lower())(call.path, **options)


def _open(client: Any, step: Open, kind: Any) -> Any:
    return client.post(step.path, body=dict(step.body), cast_to=object, stream=True, stream_cls=kind)


def _is_stream(response: httpx2.Response) -> bool:
    return response.headers.get("content-type", "").partition(";")[0].strip() == "text/event-stream"
