"""The outermost layer: each request gets an id, is timed, counted and logged, as lines of JSON where wanted."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import secrets
import time
from datetime import UTC, datetime

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..api.errors import ApiError
from .metrics import Metrics

log = logging.getLogger("nbassist.access")

REQUEST_ID = "nbassist.request_id"
_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_VERSION = "2020-10-01"
"""What the hosted service sent as `openai-version`, to the end."""


class Observe:
    """ASGI middleware around everything else.

    Parameters
    ----------
    metrics : Metrics, optional
        Where requests are counted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics | None = None) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0
        request_id = scope[REQUEST_ID] = _request_id(scope)

        async def send_with(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                headers["openai-version"] = _VERSION
                headers["openai-processing-ms"] = str(round((time.perf_counter() - began) * 1000))
            await send(message)

        try:
            await self._app(scope, receive, send_with)
        except asyncio.CancelledError:
            # The server ends, and waits no longer: to a client that has no answer yet uvicorn would say 500.
            if status:
                raise
            refusal = ApiError("The server ends.", status=503)
            await JSONResponse(refusal.to_dict(), 503, {"connection": "close"})(scope, receive, send_with)
        finally:
            self._tell(scope, status, time.perf_counter() - began)

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        if self._metrics is not None:
            self._metrics.request(operation(scope), scope["method"], status, seconds)
        if log.isEnabledFor(logging.INFO):
            client = scope.get("client") or ("-", 0)
            told = {
                "request_id": scope[REQUEST_ID],
                "client": client[0],
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "seconds": round(seconds, 4),
                "owner": scope.get("nbassist.owner"),
            }
            log.info("%s %s %s %s", client[0], scope["method"], scope["path"], status, extra={"told": told})


def operation(scope: Scope) -> str:
    """Return what was asked for, such as `runs.create`: a name for each route, whatever ids are in its path."""
    endpoint = scope.get("endpoint")
    module = getattr(endpoint, "__module__", "").rpartition(".")[2]
    return f"{module}.{getattr(endpoint, '__name__', '')}" if module else "none"


def _request_id(scope: Scope) -> str:
    """Return the id that a proxy or client gave, by which its log and this one can be read together, or a new one."""
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"").decode("latin-1")
    return given if _GIVEN_ID.fullmatch(given) else f"req_{secrets.token_hex(16)}"


def is_told(record: logging.LogRecord) -> bool:
    """Return whether a line goes into the log: uvicorn tells how many answers it cuts off, and then all tracebacks."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


class JsonLines(logging.Formatter):
    """One object a line: time, level, logger, message, and what a record tells besides."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        told = getattr(record, "told", None)
        if isinstance(told, dict):
            line.update({name: value for name, value in told.items() if value is not None})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)
