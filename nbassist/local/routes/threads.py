"""`/threads` and their messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import wire
from ..bodies import MessageCreate, MetadataModify, ThreadCreate, ThreadModify
from ..body import read_model
from ..checks import check_page
from ..server import now, path_id, server_of
from ..store import messages, threads
from ..text import IDENTIFIER


def message_fields(body: MessageCreate) -> dict[str, Any]:
    """Return the columns of a client's message."""
    return {
        "role": body.role,
        "content": [part.to_wire() for part in body.content],
        "metadata": body.metadata,
    }


def add_thread(
    connection: Connection, metadata: Mapping[str, str] | None, added: Sequence[Mapping[str, Any]], time: int
) -> RowMapping:
    """Add a thread with its first messages."""
    row = threads.create(connection, metadata, time)
    for message in added:
        messages.add(connection, row["id"], message, time)
    return row


async def create(request: Request) -> Response:
    server = server_of(request)
    body = await read_model(request, ThreadCreate, server.limits)
    added = [message_fields(message) for message in body.messages or ()]
    return JSONResponse(wire.thread(await server.database.write(add_thread, body.metadata, added, now())))


async def read(request: Request) -> Response:
    thread_id = path_id(request, "thread_id", "thread")
    return JSONResponse(wire.thread(await server_of(request).database.read(threads.read, thread_id)))


async def modify(request: Request) -> Response:
    server, thread_id = server_of(request), path_id(request, "thread_id", "thread")
    body = await read_model(request, ThreadModify, server.limits)
    if "metadata" not in body.given:
        row = await server.database.read(threads.read, thread_id)
    else:
        row = await server.database.write(threads.modify, thread_id, body.metadata)
    return JSONResponse(wire.thread(row))


async def delete(request: Request) -> Response:
    thread_id = path_id(request, "thread_id", "thread")
    await server_of(request).database.write(threads.delete, thread_id)
    return JSONResponse(wire.deleted("thread", thread_id))


async def create_message(request: Request) -> Response:
    server, thread_id = server_of(request), path_id(request, "thread_id", "thread")
    body = await read_model(request, MessageCreate, server.limits)
    row = await server.database.write(messages.create, thread_id, message_fields(body), now())
    return JSONResponse(wire.message(row))


async def list_messages(request: Request) -> Response:
    thread_id = path_id(request, "thread_id", "thread")
    query = check_page(request.query_params, "run_id")
    run_id = request.query_params.get("run_id") or None
    if run_id and not IDENTIFIER.fullmatch(run_id):
        return JSONResponse(wire.page([], False))
    rows, more = await server_of(request).database.read(messages.listing, thread_id, query, run_id)
    return JSONResponse(wire.page([wire.message(row) for row in rows], more))


async def read_message(request: Request) -> Response:
    thread_id, message_id = path_id(request, "thread_id", "thread"), path_id(request, "message_id", "message")
    return JSONResponse(wire.message(await server_of(request).database.read(messages.read, thread_id, message_id)))


async def modify_message(request: Request) -> Response:
    server = server_of(request)
    thread_id, message_id = path_id(request, "thread_id", "thread"), path_id(request, "message_id", "message")
    body = await read_model(request, MetadataModify, server.limits)
    if "metadata" not in body.given:
        row = await server.database.read(messages.read, thread_id, message_id)
    else:
        row = await server.database.write(messages.modify, thread_id, message_id, body.metadata)
    return JSONResponse(wire.message(row))


async def delete_message(request: Request) -> Response:
    thread_id, message_id = path_id(request, "thread_id", "thread"), path_id(request, "message_id", "message")
    await server_of(request).database.write(messages.delete, thread_id, message_id)
    return JSONResponse(wire.deleted("thread.message", message_id))


routes = [
    Route("/threads", create, methods=["POST"]),
    Route("/threads/{thread_id}", read, methods=["GET"]),
    Route("/threads/{thread_id}", modify, methods=["POST"]),
    Route("/threads/{thread_id}", delete, methods=["DELETE"]),
    Route("/threads/{thread_id}/messages", create_message, methods=["POST"]),
    Route("/threads/{thread_id}/messages", list_messages, methods=["GET"]),
    Route("/threads/{thread_id}/messages/{message_id}", read_message, methods=["GET"]),
    Route("/threads/{thread_id}/messages/{message_id}", modify_message, methods=["POST"]),
    Route("/threads/{thread_id}/messages/{message_id}", delete_message, methods=["DELETE"]),
]
