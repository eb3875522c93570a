"""`/assistants`."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import wire
from ..bodies import AssistantCreate, AssistantModify
from ..body import read_model
from ..checks import check_page
from ..server import now, path_id, server_of
from ..store import assistants


def fields(body: AssistantModify) -> dict[str, Any]:
    """Return the columns that a client gave."""
    given = body.given
    given.pop("tool_resources", None)
    if body.tools is not None:
        given["tools"] = [tool.to_wire() for tool in body.tools]
    if given.get("model", "") is None:
        del given["model"]
    return given


async def create(request: Request) -> Response:
    server = server_of(request)
    body = await read_model(request, AssistantCreate, server.limits)
    return JSONResponse(wire.assistant(await server.database.write(assistants.create, fields(body), now())))


async def listing(request: Request) -> Response:
    query = check_page(request.query_params)
    rows, more = await server_of(request).database.read(assistants.listing, query)
    return JSONResponse(wire.page([wire.assistant(row) for row in rows], more))


async def read(request: Request) -> Response:
    assistant_id = path_id(request, "assistant_id", "assistant")
    return JSONResponse(wire.assistant(await server_of(request).database.read(assistants.read, assistant_id)))


async def modify(request: Request) -> Response:
    server, assistant_id = server_of(request), path_id(request, "assistant_id", "assistant")
    body = await read_model(request, AssistantModify, server.limits)
    return JSONResponse(wire.assistant(await server.database.write(assistants.modify, assistant_id, fields(body))))


async def delete(request: Request) -> Response:
    assistant_id = path_id(request, "assistant_id", "assistant")
    await server_of(request).database.write(assistants.delete, assistant_id)
    return JSONResponse(wire.deleted("assistant", assistant_id))


routes = [
    Route("/assistants", create, methods=["POST"]),
    Route("/assistants", listing, methods=["GET"]),
    Route("/assistants/{assistant_id}", read, methods=["GET"]),
    Route("/assistants/{assistant_id}", modify, methods=["POST"]),
    Route("/assistants/{assistant_id}", delete, methods=["DELETE"]),
]
