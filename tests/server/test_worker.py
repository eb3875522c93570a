"""A worker's runs that are ended before they begin: none is held, and no stream is left open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from nbassist.server.api.event_stream import Channel
from nbassist.server.config import ServerLimits
from nbassist.server.runs import worker as worker_module
from nbassist.server.runs.worker import Worker


class Store:
    """Keeps what was asked of it, and has no runs."""

    def __init__(self) -> None:
        self.written: list[tuple[str, tuple[Any, ...]]] = []

    async def write(self, work: Callable[..., Any], *given: Any, **named: Any) -> None:
        self.written.append((work.__name__, given))

    async def read(self, work: Callable[..., Any], *given: Any) -> None:
        return None


def worker(store: Store) -> Worker:
    nothing: Any = None
    given: Any = store
    return Worker(given, nothing, ServerLimits(), nothing, nothing)


async def heard(channel: Channel) -> bytes:
    return b"".join([piece async for piece in channel.listen()])


def test_a_run_that_is_cancelled_before_its_first_step_is_held_no_longer() -> None:
    async def main() -> tuple[int, bytes]:
        one, channel = worker(Store()), Channel()
        one._start("run_1", channel)
        one.cancel("run_1")
        async with asyncio.timeout(30):
            said = await heard(channel)
        await asyncio.sleep(0)
        return one.active, said

    assert asyncio.run(main()) == (0, b"event: done\ndata: [DONE]\n\n")


def test_a_server_that_stops_tells_the_stream_of_a_run_that_has_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "tell_ending", lambda channel, ending: channel.tell("told", {}))
    store = Store()

    async def main() -> tuple[int, bytes]:
        one, channel = worker(store), Channel()
        one._start("run_1", channel)
        async with asyncio.timeout(30):
            await one.close()
            return one.active, await heard(channel)

    active, said = asyncio.run(main())
    assert active == 0
    assert said.startswith(b"event: told")
    ((name, (run_id, end, _)),) = store.written
    assert (name, run_id, end) == ("end_run", "run_1", "failed")


def test_a_server_that_stops_leaves_a_run_that_nobody_listens_to_here_to_others() -> None:
    store = Store()

    async def main() -> int:
        one = worker(store)
        one._start("run_1", None)
        await one.close()
        one._start("run_2", None)  # by a request that was under way
        await asyncio.sleep(0.1)
        return one.active

    assert asyncio.run(main()) == 0
    assert store.written == [("_release", ("run_1",)), ("_release", ("run_2",))]
