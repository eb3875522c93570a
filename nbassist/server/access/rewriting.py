"""What is put right in a request before anything looks at it: the client behind a proxy, and Azure's paths and keys."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, unquote, urlencode

from starlette.types import ASGIApp, Receive, Scope, Send

from .host_allowlist import in_networks, network

_PREFIX = b"x-forwarded-"


class Forwarded:
    """ASGI middleware that puts the client, the scheme and the host that a proxy forwarded in place of its own.

    Parameters
    ----------
    proxies : iterable of str
        Addresses and networks of proxies; `*` for whoever asks, where nobody else can reach the server.
    """

    def __init__(self, app: ASGIApp, proxies: Iterable[str]) -> None:
        self._app = app
        listed = list(proxies)
        self._everybody = "*" in listed
        self._networks = [network(proxy) for proxy in listed if proxy != "*"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with what was forwarded where it came from a proxy."""
        client = scope.get("client")
        if scope["type"] == "http" and client and self._trusts(client[0]):
            self._read(scope)
        await self._app(scope, receive, send)

    def _trusts(self, address: str) -> bool:
        return self._everybody or in_networks(address, self._networks)

    def _read(self, scope: Scope) -> None:
        headers = scope["headers"]
        given = {name[12:]: value.decode("latin-1") for name, value in headers if name.startswith(_PREFIX)}
        if scheme := given.get(b"proto", "").strip().lower():
            scope["scheme"] = scheme
        # Each proxy adds the address that it saw, so the last that is no proxy of ours is the client.
        hops = [hop.strip() for hop in given.get(b"for", "").split(",") if hop.strip()]
        strangers = [hop for hop in hops if not in_networks(hop, self._networks)]
        if strangers:
            scope["client"] = (strangers[0 if self._everybody else -1], 0)
        if host := given.get(b"host", "").strip():
            others = [(name, value) for name, value in headers if name != b"host"]
            scope["headers"] = [*others, (b"host", host.encode("latin-1"))]


DEPLOYMENT = "nbassist.deployment"
"""Where a request's scope holds the deployment that its path named."""
_PATH = re.compile(r"/openai(?:/v1)?(?:/deployments/(?P<name>[^/]+))?(?P<rest>/.*)")


class AzurePaths:
    """ASGI middleware that reads Azure's paths as this server's own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http" and (found := _PATH.fullmatch(scope["path"])):
            query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
            kept = urlencode([(name, value) for name, value in query if name != "api-version"])
            path = f"/v1{found['rest']}"
            scope.update(path=path, raw_path=path.encode(), query_string=kept.encode())
            if found["name"]:
                scope[DEPLOYMENT] = unquote(found["name"])
        await self._app(scope, receive, send)
