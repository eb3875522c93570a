"""The pieces of a stream, those that came together as one: whoever hands them on does it once, not for each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

_MOST = 1024 * 1024
"""Bytes that are read ahead of a listener that is behind."""


async def joined(pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Yield what `pieces` gives, all that came since the last time joined.

    An HTTP client gives each chunk by itself, also where a hundred came with one read of the socket. The task that
    takes them is not interrupted among those; what it took meanwhile is one piece here.
    """
    held: list[bytes] = []
    news, room = asyncio.Event(), asyncio.Event()

    async def read() -> None:
        size = 0
        try:
            async for piece in pieces:
                size = size + len(piece) if held else len(piece)
                held.append(piece)
                news.set()
                if size > _MOST:
                    room.clear()
                    await room.wait()
        finally:
            news.set()

    task = asyncio.create_task(read())
    try:
        while True:
            if held:
                piece = b"".join(held)
                held.clear()
                room.set()
                yield piece
            elif task.done():
                break
            else:
                # No await stands between the look and this: what comes meanwhile can't be missed.
                news.clear()
                await news.wait()
        await task  # raises what ended the stream
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
