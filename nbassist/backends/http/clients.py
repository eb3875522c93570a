"""The `openai` package's clients of one endpoint: one for this thread's requests, and one for each event loop.

What the package puts around a body is the same for each request, and is made once: making a request takes it longer
than sending it, so that of a sweep it would be a third of the work.
"""

from __future__ import annotations

import asyncio
import json
import warnings
import weakref
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode, urlsplit

import openai

from ...core import runtime_environment
from ...core.notices import tell_once
from .http_package import httpx
from .read_limits import abound, bound
from .requests import Fetch, Open
from .stepped_reads import read_in_steps

_ONCE = "Idempotency-Key"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Client:
    """A client, and what it sends by."""

    sdk: openai.OpenAI
    http: httpx.Client


@dataclass(frozen=True, slots=True)
class AsyncClient:
    """The client of one event loop; `keeper` closes it with the loop."""

    sdk: openai.AsyncOpenAI
    http: httpx.AsyncClient
    keeper: AsyncGenerator[None, None]


class Clients:
    """Makes the clients when they are needed, and asks for streams by them; the parameters are those of `Transport`."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        headers: Mapping[str, str],
        stall: float,
        query: Mapping[str, str] | None = None,
    ) -> None:
        self._base_url = base_url
        self._query = dict(query or {})
        self._options: dict[str, Any] = {
            "base_url": base_url or None,
            # Without one the package raises, also for servers that want none.
            "api_key": api_key or "none",
            # The package would repeat in silence, and also what may have taken effect.
            "max_retries": 0,  # ours are shown, and never repeat what may have taken effect
            # A read may wait as long as a stream may be silent: a local model says nothing while it reads a long
            # prompt.
            "timeout": httpx.Timeout(600.0, connect=10.0, read=stall),
            "default_headers": dict(headers),
            "default_query": self._query,
        }
        # A proxy is for the world outside; what listens on this machine is reached directly.
        self._http: dict[str, Any] = {
            # A redirect would take the key to another host, and may make a GET of the POST.
            "follow_redirects": False,
            "trust_env": urlsplit(base_url).hostname not in _LOOPBACK,
            # Without TLS there is no need for the certificates, which take longer to load than the request.
            "verify": not base_url.startswith("http://"),
        }
        self._here: Client | None = None
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncClient] = weakref.WeakKeyDictionary()
        self._template: Template | None = None

    def here(self) -> Client:
        """Return the client for requests that wait."""
        if self._here is None:
            if not runtime_environment.can_wait():
                tell_once(
                    "waiting",
                    "this browser can't wait for a reply as it is written (it has no JSPI): each is shown when it is "
                    "whole; `await` with `aask` takes it as it comes",
                )
            with _of_a_page():
                http = openai.DefaultHttpxClient(**self._http, event_hooks={"response": [bound]})
            read_in_steps(http)
            self._here = Client(openai.OpenAI(**self._options, http_client=http), http)
            # Of the client, not of self: a finalizer that holds its own object would keep it alive for ever.
            weakref.finalize(self, self._here.sdk.close)
        return self._here

    async def of_loop(self) -> AsyncClient:
        """Return the client of the running loop, which is closed with the loop, or when these clients go."""
        loop = asyncio.get_running_loop()
        if loop not in self._loops:
            with _of_a_page():
                http = openai.DefaultAsyncHttpxClient(**self._http, event_hooks={"response": [abound]})
            sdk = openai.AsyncOpenAI(**self._options, http_client=http)
            made = self._loops[loop] = AsyncClient(sdk, http, _keep_open(sdk))
            # Begun on the loop, so that the loop knows the generator and closes it with the others
            # (`shutdown_asyncgens`, which asyncio.run does): a loop has no other way to tell that it ends.
            await anext(made.keeper)
        return self._loops[loop]

    def open(self, step: Open) -> httpx.Response:
        """Ask for a stream, and return the answer when it begins; errors are the package's, or httpx's."""
        client = self.here()
        # The first request is the package's, which knows what headers are due; the later ones copy what it put around
        # the body.
        if self._template is None or step.method == "GET":
            return self._learnt(step, _open(client.sdk, step, openai.Stream[object]).response)
        response = client.http.send(self._template.post(step), stream=True)
        if not response.is_success:
            response.read()
        check_status(response)
        return response

    async def aopen(self, step: Open) -> httpx.Response:
        """As `open`, on an event loop."""
        client = await self.of_loop()
        if self._template is None or step.method == "GET":
            return self._learnt(step, (await _open(client.sdk, step, openai.AsyncStream[object])).response)
        response = await client.http.send(self._template.post(step), stream=True)
        if not response.is_success:
            await response.aread()
        check_status(response)
        return response

    def fetch(self, step: Fetch) -> httpx.Response:
        """Ask for the bytes of a file, and return the answer when they begin; errors are as those of `open`."""
        response: httpx.Response = _fetch(self.here().sdk, step, openai.Stream[object]).response
        return response

    async def afetch(self, step: Fetch) -> httpx.Response:
        """As `fetch`, on an event loop."""
        response: httpx.Response = (await _fetch((await self.of_loop()).sdk, step, openai.AsyncStream[object])).response
        return response

    def _learnt(self, step: Open, response: httpx.Response) -> httpx.Response:
        """Remember what the package put around a request that went out well."""
        if step.method == "POST":
            base_url = self._base_url or str(response.request.url).partition("?")[0].removesuffix(step.path)
            self._template = Template(response.request, base_url, self._query)
        return response


@contextmanager
def _of_a_page() -> Iterator[None]:
    """Make a client without its word that in a browser the page's own rules hold for connections."""
    if runtime_environment.THREADS:
        yield
        return
    with warnings.catch_warnings():  # not where there are threads: the filters are the whole process's
        warnings.filterwarnings("ignore", "The following transport option", UserWarning)
        yield


def _open(client: Any, step: Open, kind: Any) -> Any:
    if step.method == "GET":
        query = {"params": dict(step.body)}
        return client.get(step.path, options=query, cast_to=object, stream=True, stream_cls=kind)
    options = {"headers": {_ONCE: step.once}} if step.once else {}
    return client.post(step.path, body=dict(step.body), options=options, cast_to=object, stream=True, stream_cls=kind)


def _fetch(client: Any, step: Fetch, kind: Any) -> Any:
    # As a stream, since a file may be larger than what is read of it.
    options = {"headers": {"Accept": "application/binary"}}
    return client.get(step.path, options=options, cast_to=object, stream=True, stream_cls=kind)


async def _keep_open(client: openai.AsyncOpenAI) -> AsyncGenerator[None, None]:
    """Close `client` when the running loop closes what is left of its generators, or nothing refers to this one."""
    try:
        yield
    finally:
        await client.close()


class Template:
    """What stands around the body of a request.

    Parameters
    ----------
    first : Request
        As the package made it and sent it.
    base_url : str
        What stands before the paths.
    query : mapping of str to str, optional
        What stands behind them.
    """

    def __init__(self, first: httpx.Request, base_url: str, query: Mapping[str, str] | None = None) -> None:
        self._base = base_url.rstrip("/")
        self._query = f"?{urlencode(query)}" if query else ""
        own = (b"content-length", _ONCE.lower().encode())
        self._headers = [(name, value) for name, value in first.headers.raw if name.lower() not in own]
        self._extensions = {"timeout": first.extensions["timeout"]}

    def post(self, step: Open) -> httpx.Request:
        """Return a request with another body, and maybe to another path."""
        content = json.dumps(dict(step.body), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        return httpx.Request(
            "POST",
            _url(self._base + step.path + self._query),
            headers=[*self._headers, (_ONCE.encode(), step.once.encode())] if step.once else self._headers,
            content=content,
            extensions=self._extensions,
        )


@lru_cache(maxsize=64)
def _url(text: str) -> httpx.URL:
    return httpx.URL(text)


def check_status(response: httpx.Response) -> None:
    """Look at the status of an answer, whose body has been read where it is no success.

    Raises
    ------
    openai.APIStatusError
        As the package raises it where it is anything but a success.
    """
    if response.is_success:
        return
    try:
        body = response.json()
    except ValueError:
        body = response.text
    inner = body.get("error", body) if isinstance(body, dict) else body
    raise openai.APIStatusError(f"Error code: {response.status_code}", response=response, body=inner)
