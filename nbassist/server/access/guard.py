"""Who may ask: a known Host, no foreign Origin, and a token, before anything else is looked at."""

from __future__ import annotations

import math
from collections.abc import Iterable

from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..api.errors import ApiError
from .host_allowlist import HostRules, OriginRules, host_name
from .tokens import Rates, Tokens

OWNER = "nbassist.owner"
"""Where a request's scope holds whose token it came with."""
_OPEN = frozenset({"/health"})
"""What needs no token."""
_EXPOSED = "x-request-id, openai-processing-ms, openai-poll-after-ms, retry-after, x-ratelimit-remaining-requests"


class Guard:
    """ASGI middleware in front of all routes.

    A page that a browser loaded from elsewhere can reach a server on the loopback under a name of its own (DNS
    rebinding), so the Host is checked, too; and no page has any business here unless its Origin is allowed.
    """

    def __init__(
        self,
        app: ASGIApp,
        tokens: Tokens,
        rates: Rates,
        allowed_hosts: Iterable[str] = (),
        allowed_origins: Iterable[str] = (),
    ) -> None:
        self._app = app
        self._tokens = tokens
        self._rates = rates
        self._hosts = HostRules(allowed_hosts)
        self._origins = OriginRules(allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        added: dict[str, str] = {}
        try:
            # Before the token: a page under a foreign name is not even told whether its token would be right.
            self._check_place(headers.get("host", ""), origin)
            if origin is not None:
                added = {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": _EXPOSED}
                added["Vary"] = "Origin"
                if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
                    await _preflight(headers, origin)(scope, receive, send)
                    return
            if scope["path"] not in _OPEN:
                scope[OWNER] = await self._check_token(scope, headers, added)
        except ApiError as refusal:
            if refusal.status == 401:
                added["WWW-Authenticate"] = "Bearer"
            await JSONResponse(refusal.to_dict(), refusal.status, added)(scope, receive, send)
            return
        await self._app(scope, receive, _adding(send, added) if added else send)

    def _check_place(self, host: str, origin: str | None) -> None:
        if not self._hosts.allow(host):
            name = _printable(host_name(host)) or "(none)"
            raise ApiError(
                f"This server is not asked under the host name {name}; --allow-host {name} allows it.",
                status=403,
                code="host_not_allowed",
            )
        if origin is not None and not self._origins.allow(origin):
            name = _printable(origin)
            raise ApiError(
                f"Pages of the origin {name} may not use this server; --allow-origin {name} allows them.",
                status=403,
                code="origin_not_allowed",
            )

    async def _check_token(self, scope: Scope, headers: Headers, added: dict[str, str]) -> str:
        kind, _, token = headers.get("authorization", "").partition(" ")
        # Azure's clients send their key in a header of its own.
        token = headers.get("api-key", "") if kind.lower() != "bearer" or not token.strip() else token
        if not token.strip():
            raise ApiError("You didn't provide an API key: send the server's token as a bearer token.", status=401)
        try:
            identity = await self._tokens.find(token.strip(), scope["app"].state.server.database)
        except SQLAlchemyError:
            raise ApiError("The server's store can't be used just now; its log says why.", status=503) from None
        if identity is None:
            raise ApiError("Incorrect API key provided.", status=401, code="invalid_api_key")
        if identity.per_minute:
            left, wait = self._rates.take(identity.owner, identity.per_minute)
            added["x-ratelimit-limit-requests"] = str(identity.per_minute)
            added["x-ratelimit-remaining-requests"] = str(left)
            if wait:
                added["retry-after"] = str(math.ceil(wait))
                raise ApiError(
                    f"Rate limit reached: this key may make {identity.per_minute} requests a minute. "
                    f"Please try again in {wait:.1f}s.",
                    status=429,
                    code="rate_limit_exceeded",
                )
        return identity.owner


def _printable(text: str) -> str:
    return "".join(letter for letter in text[:200] if letter.isascii() and letter.isprintable())


def _preflight(headers: Headers, origin: str) -> Response:
    """Answer a browser that asks whether it may ask; it sends no token yet."""
    answer = {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": "GET, POST, DELETE, OPTIONS",
        # The SDKs send a dozen headers of their own, which change with each release.
        "Access-Control-Allow-Headers": headers.get("access-control-request-headers") or "authorization, content-type",
        "Access-Control-Max-Age": "600",
        "Vary": "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
    }
    if headers.get("access-control-request-private-network") == "true":
        answer["Access-Control-Allow-Private-Network"] = "true"
    return Response(status_code=204, headers=answer)


def _adding(send: Send, added: dict[str, str]) -> Send:
    async def send_with(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in added.items():
                headers[name] = value
        await send(message)

    return send_with
