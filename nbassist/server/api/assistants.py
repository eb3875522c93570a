"""`/assistants`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import objects
from ..hosted.stores.resources import resolved
from ..runs.model_names import tools_note
from ..state import now, path_id, server_of, store_of, taking_of
from ..store import assistants
from ..store.prepared import Row
from .bodies import AssistantCreate, AssistantModify
from .checks import check_page
from .request_body import read_model

log = logging.getLogger("nbassist.server")


def fields(body: AssistantModify) -> dict[str, Any]:
    """Return the columns that a client gave."""
    given = body.given
    if body.tools is not None:
        given["tools"] = [tool.to_wire() for tool in body.tools]
    # Null can't unset a model, as an assistant has one always, and it is no id.
    for name in ("id", "model"):
        if given.get(name, "") is None:
            del given[name]
    return given


async def create(request: Request) -> Response:
    body = await read_model(request, AssistantCreate)
    return await _write(request, fields(body), lambda connection, given: assistants.create(connection, given, now()))


async def listing(request: Request) -> Response:
    query = check_page(request.query_params)
    rows, more = await store_of(request).read(assistants.listing, query)
    return JSONResponse(objects.page([objects.assistant(row) for row in rows], more))


async def read(request: Request) -> Response:
    assistant_id = path_id(request, "assistant_id", "assistant")
    return JSONResponse(objects.assistant(await store_of(request).read(assistants.read, assistant_id)))


async def modify(request: Request) -> Response:
    assistant_id = path_id(request, "assistant_id", "assistant")
    body = await read_model(request, AssistantModify)

    def change(connection: Connection, given: dict[str, Any]) -> Row:
        return assistants.modify(connection, assistant_id, given)

    return await _write(request, fields(body), change)


async def _write(
    request: Request, given: dict[str, Any], work: Callable[[Connection, dict[str, Any]], Row]
) -> Response:
    """Write an assistant, and before it the vector stores that are described with it."""
    taking = taking_of(request)

    def whole(connection: Connection) -> Row:
        if "tool_resources" not in given:
            return work(connection, given)
        # In a dictionary of its own: a transaction that was taken back is done once more, from what was asked.
        resources = resolved(connection, given["tool_resources"], now(), taking)
        return work(connection, {**given, "tool_resources": resources})

    row = await store_of(request).write(whole)
    if note := tools_note(given.get("tools") or (), server_of(request).config.own_tools):
        log.warning("%s will be %s", row["id"], note)
    if given.get("tool_resources"):
        server_of(request).search.wake()
    return JSONResponse(objects.assistant(row))


async def delete(request: Request) -> Response:
    assistant_id = path_id(request, "assistant_id", "assistant")
    await store_of(request).write(assistants.delete, assistant_id)
    return JSONResponse(objects.deleted("assistant", assistant_id))


routes = [
    Route("/assistants", create, methods=["POST"]),
    Route("/assistants", listing, methods=["GET"]),
    Route("/assistants/{assistant_id}", read, methods=["GET"]),
    Route("/assistants/{assistant_id}", modify, methods=["POST"]),
    Route("/assistants/{assistant_id}", delete, methods=["DELETE"]),
]
