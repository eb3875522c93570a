"""The kernels of one server, one for each thread that runs code; those that idle, or are too many, end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from .kernel import SandboxKernel
from .sandbox import Sandbox

log = logging.getLogger("nbassist.server")

_LOOK_SECONDS = 5.0


@dataclass(slots=True)
class KernelSession:
    """What a thread has of the interpreter: its kernel, None before the first call, and the files that it was given."""

    kernel: SandboxKernel | None = None
    given: set[str] = field(default_factory=set)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    lost: bool = False
    """Whether an earlier kernel of the thread ended, and with it all variables and files."""


class Kernels:
    """The sessions of one server."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._sessions: dict[str, KernelSession] = {}

    @contextlib.asynccontextmanager
    async def session(self, thread_id: str) -> AsyncIterator[tuple[KernelSession, SandboxKernel, bool]]:
        """Hold a thread's session: it, its kernel, and whether that is a new one in place of another that ended.

        Raises
        ------
        LocalUnavailableError
            Where no kernel can be started.
        """
        session = self._sessions.setdefault(thread_id, KernelSession())
        async with session.lock:
            renewed = False
            if session.kernel is None or not session.kernel.alive:
                renewed = session.lost or session.kernel is not None
                await self._make_room()
                session.kernel = await SandboxKernel.start(self.sandbox)
                session.given.clear()
                session.lost = False
            try:
                yield session, session.kernel, renewed
            except BaseException:
                # A call that was torn off may still run: the next one must not find it.
                await self._end(session)
                raise

    async def keep(self) -> None:
        """End what idles, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now = time.monotonic()
            for session in list(self._sessions.values()):
                kernel = session.kernel
                if kernel is None or session.lock.locked():
                    continue
                if not kernel.alive or now - kernel.used_at > self.sandbox.limits.idle_seconds:
                    log.info("an idle interpreter ends")
                    await self._end(session)

    async def close(self) -> None:
        """End all kernels."""
        await asyncio.gather(*(self._end(session) for session in self._sessions.values()))

    async def _make_room(self) -> None:
        """End the kernel that was unused for longest, where there are as many as may be."""
        running = [session for session in self._sessions.values() if session.kernel is not None]
        if len(running) < self.sandbox.limits.kernels:
            return
        idle = [
            (session.kernel.used_at, session) for session in running if session.kernel and not session.lock.locked()
        ]
        if idle:
            await self._end(min(idle, key=lambda pair: pair[0])[1])

    async def _end(self, session: KernelSession) -> None:
        kernel, session.kernel = session.kernel, None
        session.given.clear()
        if kernel is not None:
            session.lost = True
            await kernel.end()
