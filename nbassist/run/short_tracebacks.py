"""Errors as a program gets them: one line, without the frames and the chain of what led to them.

A refused request is an error of a socket in one library, wrapped in two others, in ours: a hundred lines, of which who
asked can use the last. The first of them stands in `__context__` for who wants it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from types import TracebackType
from typing import Any

from ..core.events import Event
from ..errors import NbassistError


class bare_errors:  # noqa: N801  # used as a function; contextlib's own would put the traceback back
    """Let our errors out bare."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, frames: TracebackType | None) -> None:
        if isinstance(error, NbassistError):
            raise error.with_traceback(None) from None


def stream_bare(events: Iterator[Event]) -> Iterator[Event]:
    """Pass events on; closing this closes them."""
    with bare_errors():
        yield from events


async def astream_bare(events: AsyncIterator[Event]) -> AsyncIterator[Event]:
    """As `stream_bare`, on the running event loop."""
    with bare_errors():
        async with aclosing(events) as those:  # type: ignore[type-var]  # it is a generator
            async for event in those:
                yield event
