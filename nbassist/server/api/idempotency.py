"""Requests that are sent anew because the answer to them was lost: what they made is found again, not made twice.

A client says by `Idempotency-Key` that two requests are one. What the first made has an id that follows from the key,
so any server on the store finds it, and the store itself holds that there is one.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from .. import objects
from ..access.guard import OWNER
from ..runs.event_translation import tell_ending
from ..state import Server, server_of
from ..store.prepared import Row
from ..store.run_ending import as_it_stands
from ..store.schema import made_id
from .bodies import Body
from .checks import wants_found
from .errors import ApiError
from .event_stream import Channel, encode, with_comments

_LONGEST = 255
_LOOK_SECONDS = 0.2
_LATER = (
    "started_at",
    "cancelled_at",
    "failed_at",
    "completed_at",
    "required_action",
    "last_error",
    "incomplete_details",
    "usage",
)
"""Columns of a run that nothing stands in when it begins."""


def keyed_id(request: Request, body: Body, prefix: str) -> str | None:
    """Return the id of what a request makes; None where it has no key, and any id will do.

    Path and body are in it as well as the key and whose it is: another request under the same key is another one.

    Raises
    ------
    ApiError
        Where the key is too long.
    """
    key = request.headers.get("idempotency-key", "")
    if not key:
        return None
    if len(key) > _LONGEST:
        raise ApiError(f"Invalid 'Idempotency-Key': it has at most {_LONGEST} characters.")
    said = (request.scope[OWNER], request.url.path, key, body.model_dump_json(exclude_unset=True))
    return made_id(prefix, int.from_bytes(hashlib.sha256("\0".join(said).encode()).digest()))


def answer_again(request: Request, thread: Row | None, run: Row, stream: bool | None) -> Response:
    """Answer a request for a run that is there already: as it stands, or as a stream to its end.

    Parameters
    ----------
    thread : row, optional
        The thread, where the request made that, too.
    """
    if not stream:
        return JSONResponse(objects.run(run))
    server = server_of(request)
    told = _to_its_end(server, thread, run, found=wants_found(request.query_params))
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    stream_ = with_comments(told, server.limits.silent_seconds)
    return StreamingResponse(stream_, media_type="text/event-stream", headers=headers)


async def _to_its_end(server: Server, thread: Row | None, run: Row, *, found: bool) -> AsyncIterator[bytes]:
    """Yield what the first stream told, without the deltas: those went with it."""
    if thread is not None:
        yield encode("thread.created", objects.thread(thread, streamed=True))
    # As it was then: of an event with the run's end in it, clients take the run to be over, and its answer to be empty.
    begun = {**run, **dict.fromkeys(_LATER), "status": "queued"}
    yield encode("thread.run.created", objects.run(begun, streamed=True))
    channel = Channel(found=found)
    while not server.stopping.is_set():
        # Another server may work on it, so the store is asked and not this one's memory.
        standing = await server.database.read(as_it_stands, run["id"])
        if standing is None:
            break  # deleted meanwhile
        if standing.run["status"] in (*objects.ENDED, "requires_action"):
            tell_ending(channel, standing)
            break
        await asyncio.sleep(_LOOK_SECONDS)
    channel.close()
    async for piece in channel.listen():
        yield piece
