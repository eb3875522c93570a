"""`/threads/{thread_id}/runs`, their steps, and `/threads/runs`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from .. import objects
from ..hosted.stores.resources import attach
from ..state import Server, now, path_id, server_of, store_of, taking_of
from ..store import begun_runs, leased_writes, runs, threads
from ..store.leased_writes import Material
from ..store.prepared import Row
from ..store.schema import new_id
from .bodies import MetadataModify, RunCreate, RunSettings, ThreadCreate, ThreadRunCreate, ToolOutputs
from .checks import check_page, check_query, wants_found
from .event_stream import Channel, RunEventStream
from .field_checks import HOSTED_TOOLS
from .idempotency import answer_again, keyed_id
from .request_body import read_model
from .threads import add_thread, message_fields, thread_fields, wake_for

_NO_COLUMN = ("stream", "thread", "tool_resources", "additional_messages")
_POLLS = ((3, 100), (15, 250), (60, 500))
"""Up to which age of a run, in seconds, a client is to wait how many milliseconds."""


def _settings(body: RunSettings) -> dict[str, Any]:
    given = {name: value for name, value in body.given.items() if name not in _NO_COLUMN}
    if body.tools is not None:
        given["tools"] = [tool.to_wire() for tool in body.tools]
    if body.truncation_strategy is not None:
        given["truncation_strategy"] = body.truncation_strategy.model_dump()
    return given


def _refused(server: Server) -> tuple[str, ...]:
    if server.config.hosted_tools != "refuse":
        return ()
    return tuple(name for name in HOSTED_TOOLS if name not in server.config.own_tools)


def _ids(request: Request) -> tuple[str, str]:
    return path_id(request, "thread_id", "thread"), path_id(request, "run_id", "run")


async def create(request: Request) -> ASGIApp:
    server, thread_id = server_of(request), path_id(request, "thread_id", "thread")
    check_query(request.query_params, "include[]")
    body = await read_model(request, RunCreate)
    added = [message_fields(message) for message in body.additional_messages or ()]
    # The lease is in the row from the beginning: no other server can take the run before this one starts it.
    time, lease = now(), server.runner.lease(streamed=bool(body.stream))
    expires_at = time + server.limits.run_seconds
    settings, taking = _settings(body), taking_of(request)
    settings["id"] = again = keyed_id(request, body, "run")

    def add(connection: Connection) -> tuple[Row, bool]:
        if again:
            # The first request may still be at it.
            threads.read(connection, thread_id, lock=True)
            if made := runs.made_before(connection, again):
                return made, False
        row = runs.create(connection, thread_id, settings, added, time, expires_at, lease, _refused(server))
        attach(connection, thread_id, added, time, taking)
        return row, True

    def add_begun(connection: Connection) -> tuple[None, Row, Material]:
        row, _ = add(connection)
        return None, row, leased_writes.begin(connection, row["id"], server.runner.owner, time)

    if body.stream and not again and await server.runner.place():
        answer = await _placed(request, store_of(request).write(add_begun))
        wake_for(request, added)
        return answer
    row, new = await store_of(request).write(add)
    if not new:
        return answer_again(request, None, row, body.stream)
    wake_for(request, added)
    return _begin(request, row, _channel(request, body.stream))


async def create_with_thread(request: Request) -> ASGIApp:
    server = server_of(request)
    body = await read_model(request, ThreadRunCreate)
    wanted = body.thread or ThreadCreate()
    first = [message_fields(message) for message in wanted.messages or ()]
    fields = thread_fields(wanted)
    if body.tool_resources:
        fields["tool_resources"] = {**(fields.get("tool_resources") or {}), **body.tool_resources}
    settings, lease = _settings(body), server.runner.lease(streamed=bool(body.stream))
    taking = taking_of(request)
    settings["id"] = again = keyed_id(request, body, "run")
    if body.stream and not again and begun_runs.is_plain(fields, first) and await server.runner.place():
        # Here and not in the work, which may be done twice.
        ids = {"id": new_id("thread"), **fields}, [{**message, "id": new_id("msg")} for message in first]
        made = (
            *ids,
            {**settings, "id": new_id("run")},
            now(),
            now() + server.limits.run_seconds,
            lease,
            _refused(server),
        )
        return await _placed(request, store_of(request).write_once(lambda found: begun_runs.create(found, *made)))

    def add(connection: Connection) -> tuple[Row, Row, bool]:
        if again and (made := runs.made_before(connection, again)):
            return threads.read(connection, made["thread_id"]), made, False
        time = now()
        thread = add_thread(connection, fields, first, time, taking)
        expires_at = time + server.limits.run_seconds
        given = settings, time, expires_at, lease, _refused(server)
        return thread, runs.create_first(connection, thread["id"], *given, empty=not first), True

    try:
        thread, row, new = await store_of(request).write(add)
    except IntegrityError:
        if again is None:
            raise
        # The first request was still at it, and now is not.
        thread, row, new = await store_of(request).write(add)
    if not new:
        return answer_again(request, thread, row, body.stream)
    wake_for(request, first, fields.get("tool_resources"))
    channel = _channel(request, body.stream)
    if channel:
        channel.tell("thread.created", objects.thread(thread, streamed=True))
    return _begin(request, row, channel)


async def _placed(request: Request, making: Awaitable[tuple[Row | None, Row, Material]]) -> ASGIApp:
    """Answer with the stream of a run for which a place is held, and which has begun once it is made."""

    async def begin() -> ASGIApp:
        runner = server_of(request).runner
        try:
            channel = Channel(found=wants_found(request.query_params))
            thread, row, material = await making
        except BaseException:
            runner.free()
            raise
        if thread is not None:
            channel.tell("thread.created", objects.thread(thread, streamed=True))
        _tell_made(channel, row)
        runner.start_begun(material, channel)
        return _stream(request, channel)

    # Were it cancelled with the request, nobody would work on what the store has as begun.
    return await asyncio.shield(asyncio.create_task(begin()))


def _channel(request: Request, stream: bool | None) -> Channel | None:
    return Channel(found=wants_found(request.query_params)) if stream else None


def _tell_made(channel: Channel, row: Row) -> None:
    # Told before the work begins, so that they stand before its `in_progress`.
    channel.tell("thread.run.created", objects.run(row, streamed=True), "thread.run.queued")


def _stream(request: Request, channel: Channel) -> ASGIApp:
    limits = server_of(request).limits
    return RunEventStream(channel, limits.write_seconds, limits.silent_seconds)


def _begin(request: Request, row: Row, channel: Channel | None) -> ASGIApp:
    if channel:
        _tell_made(channel, row)
    return _work(request, row, channel)


def _work(request: Request, row: Row, channel: Channel | None) -> ASGIApp:
    server_of(request).runner.start(row, channel)
    return _stream(request, channel) if channel else JSONResponse(objects.run(row))


async def submit(request: Request) -> ASGIApp:
    server, (thread_id, run_id) = server_of(request), _ids(request)
    body = await read_model(request, ToolOutputs)
    outputs: Sequence[Mapping[str, str]] = [output.model_dump() for output in body.tool_outputs]
    lease = server.runner.lease(streamed=bool(body.stream))
    step, row = await store_of(request).write(runs.take_outputs, thread_id, run_id, outputs, now(), lease)
    channel = _channel(request, body.stream)
    if channel:
        # In the order of the recordings: the calls' step ends before the run is queued again.
        channel.tell("thread.run.step.completed", objects.step(step, found=channel.found))
        channel.tell("thread.run.queued", objects.run(row, streamed=True))
    return _work(request, row, channel)


async def cancel(request: Request) -> ASGIApp:
    server, (thread_id, run_id) = server_of(request), _ids(request)
    row = await store_of(request).write(runs.ask_to_cancel, thread_id, run_id)
    # Once it is in the store: another server that holds the run learns of it there, when it renews its lease.
    server.runner.cancel(run_id)
    return JSONResponse(objects.run(row))


async def listing(request: Request) -> ASGIApp:
    thread_id = path_id(request, "thread_id", "thread")
    query = check_page(request.query_params)
    rows, more = await store_of(request).read(runs.listing, thread_id, query)
    return JSONResponse(objects.page([objects.run(row) for row in rows], more))


async def read(request: Request) -> ASGIApp:
    row = await store_of(request).read(runs.read, *_ids(request))
    wait = {} if row["status"] in objects.ENDED else {"openai-poll-after-ms": str(_poll_after(row))}
    return JSONResponse(objects.run(row), headers=wait)


def _poll_after(run: Row) -> int:
    """Return the milliseconds after which a client is to look again: soon at first, for most answers are short."""
    return next((wait for age, wait in _POLLS if now() - run["created_at"] < age), _POLLS[-1][1])


async def modify(request: Request) -> ASGIApp:
    ids = _ids(request)
    body = await read_model(request, MetadataModify)
    if "metadata" not in body.given:
        return JSONResponse(objects.run(await store_of(request).read(runs.read, *ids)))
    return JSONResponse(objects.run(await store_of(request).write(runs.modify, *ids, body.metadata)))


async def list_steps(request: Request) -> ASGIApp:
    ids, query = _ids(request), check_page(request.query_params, "include[]")
    run, rows, more = await store_of(request).read(runs.list_steps, *ids, query)
    shown = {"run_ended": run["status"] in objects.ENDED, "found": wants_found(request.query_params)}
    return JSONResponse(objects.page([objects.step(row, **shown) for row in rows], more))


async def read_step(request: Request) -> ASGIApp:
    ids, step_id = _ids(request), path_id(request, "step_id", "run step")
    check_query(request.query_params, "include[]")
    run, row = await store_of(request).read(runs.read_step, *ids, step_id)
    ended, found = run["status"] in objects.ENDED, wants_found(request.query_params)
    return JSONResponse(objects.step(row, run_ended=ended, found=found))


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
