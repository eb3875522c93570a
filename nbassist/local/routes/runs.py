"""`/threads/{thread_id}/runs`, their steps, and `/threads/runs`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from .. import wire
from ..bodies import MetadataModify, RunCreate, RunSettings, ThreadCreate, ThreadRunCreate, ToolOutputs
from ..body import read_model
from ..checks import check_page, check_query
from ..server import now, path_id, server_of
from ..store import runs
from ..stream import Channel, EventStream
from .threads import add_thread, message_fields

_NO_COLUMN = ("stream", "thread", "tool_resources", "additional_messages")


def _settings(body: RunSettings) -> dict[str, Any]:
    given = {name: value for name, value in body.given.items() if name not in _NO_COLUMN}
    if body.tools is not None:
        given["tools"] = [tool.to_wire() for tool in body.tools]
    if body.truncation_strategy is not None:
        given["truncation_strategy"] = body.truncation_strategy.model_dump()
    return given


def _ids(request: Request) -> tuple[str, str]:
    return path_id(request, "thread_id", "thread"), path_id(request, "run_id", "run")


async def create(request: Request) -> ASGIApp:
    server, thread_id = server_of(request), path_id(request, "thread_id", "thread")
    check_query(request.query_params, "include[]")
    body = await read_model(request, RunCreate, server.limits)
    added = [message_fields(message) for message in body.additional_messages or ()]
    time, lease = now(), server.runner.lease(streamed=bool(body.stream))
    expires_at = time + server.limits.run_seconds
    row = await server.database.write(runs.create, thread_id, _settings(body), added, time, expires_at, lease)
    return _begin(request, row, Channel() if body.stream else None)


async def create_with_thread(request: Request) -> ASGIApp:
    server = server_of(request)
    body = await read_model(request, ThreadRunCreate, server.limits)
    wanted = body.thread or ThreadCreate()
    first = [message_fields(message) for message in wanted.messages or ()]
    settings, lease = _settings(body), server.runner.lease(streamed=bool(body.stream))

    def add(connection: Connection) -> tuple[RowMapping, RowMapping]:
        time = now()
        thread = add_thread(connection, wanted.metadata, first, time)
        expires_at = time + server.limits.run_seconds
        return thread, runs.create(connection, thread["id"], settings, (), time, expires_at, lease)

    thread, row = await server.database.write(add)
    channel = Channel() if body.stream else None
    if channel:
        channel.tell("thread.created", wire.thread(thread, streamed=True))
    return _begin(request, row, channel)


def _begin(request: Request, row: RowMapping, channel: Channel | None) -> ASGIApp:
    if channel:
        for event in ("thread.run.created", "thread.run.queued"):
            channel.tell(event, wire.run(row, streamed=True))
    return _work(request, row, channel)


def _work(request: Request, row: RowMapping, channel: Channel | None) -> ASGIApp:
    server = server_of(request)
    server.runner.start(row, channel)
    return EventStream(channel, server.limits.write_seconds) if channel else JSONResponse(wire.run(row))


async def submit(request: Request) -> ASGIApp:
    server, (thread_id, run_id) = server_of(request), _ids(request)
    body = await read_model(request, ToolOutputs, server.limits)
    outputs: Sequence[Mapping[str, str]] = [output.model_dump() for output in body.tool_outputs]
    lease = server.runner.lease(streamed=bool(body.stream))
    step, row = await server.database.write(runs.take_outputs, thread_id, run_id, outputs, now(), lease)
    channel = Channel() if body.stream else None
    if channel:
        channel.tell("thread.run.step.completed", wire.step(step))
        channel.tell("thread.run.queued", wire.run(row, streamed=True))
    return _work(request, row, channel)


async def cancel(request: Request) -> ASGIApp:
    server, (thread_id, run_id) = server_of(request), _ids(request)
    row = await server.database.write(runs.ask_to_cancel, thread_id, run_id)
    server.runner.cancel(run_id)
    return JSONResponse(wire.run(row))


async def listing(request: Request) -> ASGIApp:
    thread_id = path_id(request, "thread_id", "thread")
    query = check_page(request.query_params)
    rows, more = await server_of(request).database.read(runs.listing, thread_id, query)
    return JSONResponse(wire.page([wire.run(row) for row in rows], more))


async def read(request: Request) -> ASGIApp:
    return JSONResponse(wire.run(await server_of(request).database.read(runs.read, *_ids(request))))


async def modify(request: Request) -> ASGIApp:
    server, ids = server_of(request), _ids(request)
    body = await read_model(request, MetadataModify, server.limits)
    if "metadata" not in body.given:
        return JSONResponse(wire.run(await server.database.read(runs.read, *ids)))
    return JSONResponse(wire.run(await server.database.write(runs.modify, *ids, body.metadata)))


async def list_steps(request: Request) -> ASGIApp:
    ids, query = _ids(request), check_page(request.query_params, "include[]")
    rows, more = await server_of(request).database.read(runs.list_steps, *ids, query)
    return JSONResponse(wire.page([wire.step(row) for row in rows], more))


async def read_step(request: Request) -> ASGIApp:
    ids, step_id = _ids(request), path_id(request, "step_id", "run step")
    check_query(request.query_params, "include[]")
    return JSONResponse(wire.step(await server_of(request).database.read(runs.read_step, *ids, step_id)))


routes = [
    Route("/threads/runs", create_with_thread, methods=["POST"]),
    Route("/threads/{thread_id}/runs", create, methods=["POST"]),
    Route("/threads/{thread_id}/runs", listing, methods=["GET"]),
    Route("/threads/{thread_id}/runs/{run_id}", read, methods=["GET"]),
    Route("/threads/{thread_id}/runs/{run_id}", modify, methods=["POST"]),
    Route("/threads/{thread_id}/runs/{run_id}/cancel", cancel, methods=["POST"]),
    Route("/threads/{thread_id}/runs/{run_id}/submit_tool_outputs", submit, methods=["POST"]),
    Route("/threads/{thread_id}/runs/{run_id}/steps", list_steps, methods=["GET"]),
    Route("/threads/{thread_id}/runs/{run_id}/steps/{step_id}", read_step, methods=["GET"]),
]
