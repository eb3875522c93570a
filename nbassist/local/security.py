"""Who may ask: a known Host, no foreign Origin, and the token, before anything else is looked at."""

from __future__ import annotations

import hmac

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from .refusals import ApiError

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_OPEN = frozenset({"/health"})
"""What needs no token."""


class Guard:
    """ASGI middleware in front of all routes.

    A page that a browser loaded from elsewhere can reach a server on the loopback under a name of its own (DNS
    rebinding), so the Host is checked, too; and no page has any business here unless its Origin is allowed.
    """

    def __init__(
        self, app: ASGIApp, token: str, allowed_hosts: tuple[str, ...], allowed_origins: tuple[str, ...]
    ) -> None:
        self._app = app
        self._token = token.encode()
        self._hosts = _LOOPBACK | {host.lower() for host in allowed_hosts}
        self._origins = frozenset(allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope["path"], Headers(scope=scope))
        if refusal is None:
            await self._app(scope, receive, send)
            return
        headers = {"WWW-Authenticate": "Bearer"} if refusal.status == 401 else None
        await JSONResponse(refusal.to_dict(), refusal.status, headers)(scope, receive, send)

    def _refusal(self, path: str, headers: Headers) -> ApiError | None:
        if _host_name(headers.get("host", "")) not in self._hosts:
            words = "This server is not asked under that host name; --allow-host NAME allows one."
            return ApiError(words, status=403, code="host_not_allowed")
        origin = headers.get("origin")
        if origin is not None and origin not in self._origins:
            return ApiError("Pages of that origin may not use this server.", status=403, code="origin_not_allowed")
        if path in _OPEN:
            return None
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token.strip():
            return ApiError("You didn't provide an API key: send the server's token as a bearer token.", status=401)
        if not hmac.compare_digest(token.strip().encode(), self._token):
            return ApiError("Incorrect API key provided.", status=401, code="invalid_api_key")
        return None


def _host_name(host: str) -> str:
    """Return the name in a Host header, lower case, without its port and without the brackets of IPv6."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")
