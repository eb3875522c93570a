"""`/threads` and their messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import objects
from ..hosted.stores.resources import Taking, attach, resolved
from ..state import now, path_id, server_of, store_of, taking_of
from ..store import messages, threads
from ..store.prepared import Row
from ..text import IDENTIFIER
from .bodies import MessageCreate, MetadataModify, ThreadCreate, ThreadModify
from .checks import check_page
from .idempotency import keyed_id
from .request_body import read_model


def message_fields(body: MessageCreate) -> dict[str, Any]:
    """Return the columns of a client's message."""
    return {
        "role": body.role,
        "content": [part.to_wire() for part in body.content],
        "attachments": body.attachments,
        "metadata": body.metadata,
    }


def thread_fields(body: ThreadCreate | ThreadModify) -> dict[str, Any]:
    """Return the columns of a thread that a client gave."""
    given = body.model_dump(include={"id", "metadata", "tool_resources"}, exclude_unset=True)
    if "metadata" in given:
        given["metadata"] = given["metadata"] or {}
    if given.get("id", "") is None:
        del given["id"]
    return given


def add_thread(
    connection: Connection, fields: Mapping[str, Any], added: Sequence[Mapping[str, Any]], time: int, taking: Taking
) -> Row:
    """Add a thread with its first messages, and what these bring its tools."""
    resources = resolved(connection, fields.get("tool_resources"), time, taking)
    row = threads.create(connection, {**fields, "tool_resources": resources}, time)
    for message in added:
        messages.add(connection, row["id"], message, time)
    attach(connection, row["id"], added, time, taking)
    return threads.read(connection, row["id"]) if any(message["attachments"] for message in added) else row


def wake_for(request: Request, added: Sequence[Mapping[str, Any]], resources: Any = None) -> None:
    """Have files read at once that came with messages, or in stores described inline."""
    if resources or any(message["attachments"] for message in added):
        server_of(request).search.wake()


async def create(request: Request) -> Response:
    body = await read_model(request, ThreadCreate)
    added = [message_fields(message) for message in body.messages or ()]
    fields, taking = thread_fields(body), taking_of(request)
    again = keyed_id(request, body, "thread")

    def work(connection: Connection) -> Row:
        if again and (there := threads.find(connection, again)):
            return there
        return add_thread(connection, {"id": again, **fields} if again else fields, added, now(), taking)

    row = await store_of(request).write(work)
    wake_for(request, added, fields.get("tool_resources"))
    return JSONResponse(objects.thread(row))


async def listing(request: Request) -> Response:
    """An addition of ours: the hosted service had no list of threads."""
    rows, more = await store_of(request).read(threads.listing, check_page(request.query_params))
    return JSONResponse(objects.page([objects.thread(row) for row in rows], more))


async def read(request: Request) -> Response:
    thread_id = path_id(request, "thread_id", "thread")
    return JSONResponse(objects.thread(await store_of(request).read(threads.read, thread_id)))


async def modify(request: Request) -> Response:
    thread_id = path_id(request, "thread_id", "thread")
    fields = thread_fields(await read_model(request, ThreadModify))
    if not fields:
        # Nothing to change, and so nothing to write: the answer is the thread as it is.
        return JSONResponse(objects.thread(await store_of(request).read(threads.read, thread_id)))
    taking = taking_of(request)

    def work(connection: Connection) -> Row:
        if "tool_resources" not in fields:
            return threads.modify(connection, thread_id, fields)
        # In a dictionary of its own: a transaction that was taken back is done once more, from what was asked.
        resources = resolved(connection, fields["tool_resources"], now(), taking)
        return threads.modify(connection, thread_id, {**fields, "tool_resources": resources})

    row = await store_of(request).write(work)
    wake_for(request, (), fields.get("tool_resources"))
    return JSONResponse(objects.thread(row))


async def delete(request: Request) -> Response:
    thread_id = path_id(request, "thread_id", "thread")
    await store_of(request).write(threads.delete, thread_id)
    return JSONResponse(objects.deleted("thread", thread_id))


async def create_message(request: Request) -> Response:
    thread_id = path_id(request, "thread_id", "thread")
    body = await read_model(request, MessageCreate)
    message, taking = message_fields(body), taking_of(request)
    message["id"] = keyed_id(request, body, "msg")

    def work(connection: Connection) -> Row:
        row = messages.create(connection, thread_id, message, now())
        attach(connection, thread_id, [message], now(), taking)
        return row

    row = await store_of(request).write(work)
    wake_for(request, [message])
    return JSONResponse(objects.message(row))


async def list_messages(request: Request) -> Response:
    thread_id = path_id(request, "thread_id", "thread")
    query = check_page(request.query_params, "run_id")
    run_id = request.query_params.get("run_id") or None
    # A filter that nothing passes is no mistake, and what can't be an id is not looked for.
    if run_id and not IDENTIFIER.fullmatch(run_id):
        return JSONResponse(objects.page([], False))
    rows, more = await store_of(request).read(messages.listing, thread_id, query, run_id)
    return JSONResponse(objects.page([objects.message(row) for row in rows], more))


async def read_message(request: Request) -> Response:
    thread_id, message_id = path_id(request, "thread_id", "thread"), path_id(request, "message_id", "message")
    return JSONResponse(objects.message(await store_of(request).read(messages.read, thread_id, message_id)))


async def modify_message(request: Request) -> Response:
    thread_id, message_id = path_id(request, "thread_id", "thread"), path_id(request, "message_id", "message")
    body = await read_model(request, MetadataModify)
    if "metadata" not in body.given:
        row = await store_of(request).read(messages.read, thread_id, message_id)
    else:
        row = await store_of(request).write(messages.modify, thread_id, message_id, body.metadata)
    return JSONResponse(objects.message(row))


async def delete_message(request: Request) -> Response:
    thread_id, message_id = path_id(request, "thread_id", "thread"), path_id(request, "message_id", "message")
    await store_of(request).write(messages.delete, thread_id, message_id)
    return JSONResponse(objects.deleted("thread.message", message_id))


routes = [
    Route("/threads", create, methods=["POST"]),
    Route("/threads", listing, methods=["GET"]),
    Route("/threads/{thread_id}", read, methods=["GET"]),
    Route("/threads/{thread_id}", modify, methods=["POST"]),
    Route("/threads/{thread_id}", delete, methods=["DELETE"]),
    Route("/threads/{thread_id}/messages", create_message, methods=["POST"]),
    Route("/threads/{thread_id}/messages", list_messages, methods=["GET"]),
    Route("/threads/{thread_id}/messages/{message_id}", read_message, methods=["GET"]),
    Route("/threads/{thread_id}/messages/{message_id}", modify_message, methods=["POST"]),
    Route("/threads/{thread_id}/messages/{message_id}", delete_message, methods=["DELETE"]),
]
