"""The `openai` package's clients of one endpoint: one for this thread's requests, and one for each event loop."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai

from .steps import Open
from .template import Template, check_status

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Client:
    """A client, and what it sends by."""

    sdk: openai.OpenAI
    http: httpx2.Client


@dataclass(frozen=True, slots=True)
class AsyncClient:
    """The client of one event loop; `keeper` closes it with the loop."""

    sdk: openai.AsyncOpenAI
    http: httpx2.AsyncClient
    keeper: AsyncGenerator[None, None]


class Clients:
    """Makes the clients when they are needed, and asks for streams by them; the parameters are those of `Transport`."""

    def __init__(self, base_url: str, api_key: str, headers: Mapping[str, str], stall: float) -> None:
        self._base_url = base_url
        self._options: dict[str, Any] = {
            "base_url": base_url or None,
            "api_key": api_key or "none",
            "max_retries": 0,  # ours are shown, and never repeat what may have taken effect
            "timeout": httpx2.Timeout(600.0, connect=10.0, read=stall),
            "default_headers": dict(headers),
        }
        # A proxy is for the world outside; what listens on this machine is reached directly.
        self._http: dict[str, Any] = {
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
            http = openai.DefaultHttpxClient(**self._http)
            self._here = Client(openai.OpenAI(**self._options, http_client=http), http)
            weakref.finalize(self, self._here.sdk.close)
        return self._here

    async def of_loop(self) -> AsyncClient:
        """Return the client of the running loop, which is closed with the loop, or when these clients go."""
        loop = asyncio.get_running_loop()
        if loop not in self._loops:
            http = openai.DefaultAsyncHttpxClient(**self._http)
            sdk = openai.AsyncOpenAI(**self._options, http_client=http)
            made = self._loops[loop] = AsyncClient(sdk, http, _keep_open(sdk))
            await anext(made.keeper)
        return self._loops[loop]

    def open(self, step: Open) -> httpx2.Response:
        """Ask for a stream, and return the answer when it begins; errors are the package's, or httpx2's."""
        client = self.here()
        if self._template is None or step.method == "GET":
            return self._learnt(step, _open(client.sdk, step, openai.Stream[object]).response)
        response = client.http.send(self._template.post(step.path, step.body), stream=True)
        if not response.is_success:
            response.read()
        check_status(response)
        return response

    async def aopen(self, step: Open) -> httpx2.Response:
        """As `open`, on an event loop."""
        client = await self.of_loop()
        if self._template is None or step.method == "GET":
            return self._learnt(step, (await _open(client.sdk, step, openai.AsyncStream[object])).response)
        response = await client.http.send(self._template.post(step.path, step.body), stream=True)
        if not response.is_success:
            await response.aread()
        check_status(response)
        return response

    def _learnt(self, step: Open, response: httpx2.Response) -> httpx2.Response:
        """Remember what the package put around a request that went out well."""
        if step.method == "POST":
            base_url = self._base_url or str(response.request.url).removesuffix(step.path)
            self._template = Template(response.request, base_url)
        return response


def _open(client: Any, step: Open, kind: Any) -> Any:
    if step.method == "GET":
        query = {"params": dict(step.body)}
        return client.get(step.path, options=query, cast_to=object, stream=True, stream_cls=kind)
    return client.post(step.path, body=dict(step.body), cast_to=object, stream=True, stream_cls=kind)


async def _keep_open(client: openai.AsyncOpenAI) -> AsyncGenerator[None, None]:
    """Close `client` when the running loop closes what is left of its generators, or nothing refers to this one."""
    try:
        yield
    finally:
        await client.close()
