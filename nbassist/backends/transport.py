"""Send what a backend's flow asks for, sync or async, through the `openai` package, and give events as they come.

What a flow may ask for stands in `nbassist.backends.steps`. The two drivers below differ only in `await`, after the
model of httpx's auth flows.
"""

from __future__ import annotations

import asyncio
import json
import time
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai

from ..errors import BackendError, NotAnEndpointError
from ..events import Event, Retrying
from .answer import EventStream, is_stream, what_came
from .failures import read_failure, seconds_to_wait
from .steps import Call, Decoder, Fetch, Flow, Open, Pause, Upload, find_window, list_models

_DRAIN = 0.02  # seconds that the end of a body may take after its last event
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
STALL = 300.0
"""Seconds; a model on a slow machine may read for minutes before it writes, and send nothing meanwhile."""
_BROKEN = (httpx2.HTTPError, httpx2.StreamError, openai.APIError, ValueError)
"""What a stream raises when it breaks: httpx2's own errors pass through the SDK as they are, and bad JSON and bad
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
    """

    def __init__(
        self, base_url: str, api_key: str, headers: Mapping[str, str] | None = None, *, stall: float = STALL
    ) -> None:
        self.base_url = base_url
        self._stall = stall
        self._secrets = (api_key,) if api_key else ()
        self._options: dict[str, Any] = {
            "base_url": base_url or None,
            "api_key": api_key or "none",
            "max_retries": 0,  # ours are shown, and never repeat what may have taken effect
            "timeout": httpx2.Timeout(600.0, connect=10.0, read=stall),
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
        self._open: weakref.WeakKeyDictionary[
            asyncio.AbstractEventLoop, tuple[openai.AsyncOpenAI, AsyncGenerator[None, None]]
        ] = weakref.WeakKeyDictionary()

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
                if isinstance(step, Call | Upload | Fetch):
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
        client = await self._async()
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
                if isinstance(step, Call | Upload | Fetch):
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

    def window(self, model: str) -> int:
        """Return the tokens of a model's context; 0 where the endpoint does not say."""
        found: list[int] = []

        def flow() -> Flow:
            found.append((yield from find_window(model)))

        try:
            for _ in self.drive(flow()):
                pass
        except BackendError:
            return 0  # what is wrong there is told by the request itself
        return found[0]

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

    def _call(self, call: Call | Upload | Fetch) -> Any:
        try:
            answer = _request(self._sync(), call)
            return _bounded(answer.content, call) if isinstance(call, Fetch) else answer
        except _BROKEN as error:
            raise read_failure(error, self.base_url, self._secrets) from error

    async def _acall(self, client: openai.AsyncOpenAI, call: Call | Upload | Fetch) -> Any:
        try:
            answer = await _request(client, call)
            return _bounded(answer.content, call) if isinstance(call, Fetch) else answer
        except _BROKEN as error:
            raise read_failure(error, self.base_url, self._secrets) from error

    def _read(self, step: Open) -> Iterator[Event]:
        try:
            response = _open(self._sync(), step, openai.Stream[object]).response
        except _BROKEN as error:
            raise read_failure(error, self.base_url, self._secrets) from error
        try:
            if not is_stream(response):
                raise self._no_stream(response, response.read())
            stream = EventStream(step.decoder, self._stall)
            for piece in response.iter_bytes():
                yield from stream.feed(piece)
                if stream.done:
                    break
            yield from stream.finish()
        except (BackendError, *_BROKEN) as error:
            yield from self._broken(step.decoder, error)
        finally:
            response.close()

    async def _aread(self, client: openai.AsyncOpenAI, step: Open) -> AsyncIterator[Event]:
        try:
            response = (await _open(client, step, openai.AsyncStream[object])).response
        except _BROKEN as error:
            raise read_failure(error, self.base_url, self._secrets) from error
        try:
            if not is_stream(response):
                raise self._no_stream(response, await response.aread())
            stream = EventStream(step.decoder, self._stall)
            pieces = response.aiter_bytes()
            async for piece in pieces:
                for event in stream.feed(piece):
                    yield event
                if stream.done:
                    await _drain(pieces)
                    break
            for event in stream.finish():
                yield event
        except (BackendError, *_BROKEN) as error:
            for event in self._broken(step.decoder, error):
                yield event
        finally:
            await response.aclose()

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
        return read_failure(NotAnEndpointError(what_came(response, data)), self.base_url, self._secrets)

    async def _async(self) -> openai.AsyncOpenAI:
        """Return the client of the running loop, which is closed with the loop, or when this transport goes."""
        loop = asyncio.get_running_loop()
        if loop not in self._open:
            http = openai.DefaultAsyncHttpxClient(**self._http)
            client = openai.AsyncOpenAI(**self._options, http_client=http)
            keeper = self._open[loop] = client, _keep_open(client)
            await anext(keeper[1])
        return self._open[loop][0]

    def _sync(self) -> openai.OpenAI:
        if self._client is None:
            self._client = openai.OpenAI(**self._options, http_client=openai.DefaultHttpxClient(**self._http))
            weakref.finalize(self, self._client.close)
        return self._client


async def _keep_open(client: openai.AsyncOpenAI) -> AsyncGenerator[None, None]:
    """Close `client` when the running loop closes what is left of its generators, or nothing refers to this one."""
    try:
        yield
    finally:
        await client.close()


async def _drain(pieces: AsyncIterator[bytes]) -> None:
    """Read the end of a body whose last event came, so that its connection can be used again; nothing waits for it."""
    try:
        async with asyncio.timeout(_DRAIN):
            async for _ in pieces:
                pass
    except (TimeoutError, httpx2.HTTPError, httpx2.StreamError):
        return  # the connection is closed, as it would have been


def _request(client: Any, call: Call | Upload | Fetch) -> Any:
    if isinstance(call, Fetch):
        return client.get(call.path, cast_to=openai.HttpxBinaryResponseContent)
    if isinstance(call, Upload):
        file = (call.name, call.data, call.media_type)
        form = {"headers": {"Content-Type": "multipart/form-data"}}
        return client.post(call.path, cast_to=object, body=dict(call.fields), files=[("file", file)], options=form)
    options: dict[str, Any] = {"cast_to": object}
    if call.query:
        options["options"] = {"params": dict(call.query)}
    if call.method != "GET":
        options["body"] = dict(call.body or {})
    return getattr(client, call.method.lower())(call.path, **options)


def _bounded(data: bytes, call: Fetch) -> bytes:
    return data if len(data) <= call.limit else b""


def _open(client: Any, step: Open, kind: Any) -> Any:
    if step.method == "GET":
        query = {"params": dict(step.body)}
        return client.get(step.path, options=query, cast_to=object, stream=True, stream_cls=kind)
    return client.post(step.path, body=dict(step.body), cast_to=object, stream=True, stream_cls=kind)
