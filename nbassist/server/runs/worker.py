"""Works off runs: each is an asyncio task that writes to the store, whether a client listens or not."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from ...core.events import TurnEnded
from .. import objects
from ..api.event_stream import Channel
from ..config import ServerLimits
from ..observe.metrics import Metrics
from ..observe.tracing import run_span
from ..store import leased_writes, leases, messages
from ..store.database import Database
from ..store.leased_writes import LeaseLostError, Material
from ..store.prepared import Row
from ..store.run_ending import End, end_run
from ..store.schema import ACTIVE, runs
from .event_translation import Turn, tell_ending, tell_run
from .model_names import MODEL, TOOLS, ModelNames, tools_note, with_notes
from .own_tools import OwnTools
from .upstream import UpstreamError
from .upstream_client import UpstreamClient
from .upstream_request import Asking, spent_limit

log = logging.getLogger("nbassist.server")

_BROKEN = ("server_error", "This server failed while it worked on the run; its log says why.")


@dataclass(slots=True, eq=False)
class _Work:
    """A run that this server works on. `ending` protects its last write from a cancellation that comes too late.

    `material` is there where the run was begun as it was made; `placed` says that it holds one of the server's places.
    """

    run_id: str
    channel: Channel = field(default_factory=lambda: Channel(listened=False))
    task: asyncio.Task[None] | None = None
    begun: bool = False
    asked_to_cancel: bool = False
    turn: Turn | None = None
    ending: bool = False
    material: Material | None = None
    placed: bool = False


class Worker:
    """The runs of one server.

    Parameters
    ----------
    database : Database
        The store, which other servers may share.
    client : UpstreamClient
        The model.
    limits : ServerLimits
        See there.
    names : ModelNames
        Which of the upstream's models answers.
    metrics : Metrics, optional
        Where turns are counted.
    say : callable
        Logs a note about how runs are answered.
    own : OwnTools
        The tools that the server runs itself.
    """

    def __init__(
        self,
        database: Database,
        client: UpstreamClient,
        limits: ServerLimits,
        names: ModelNames,
        own: OwnTools,
        metrics: Metrics | None = None,
        say: Callable[[str], None] = log.warning,
    ) -> None:
        # The random end tells apart what host and number do not: in containers both are often the same.
        self.owner = f"{socket.gethostname()[:64]}:{os.getpid()}:{secrets.token_hex(6)}"
        self._database = database
        self._limits = limits
        self._names = names
        self._asking = Asking(client, names, self._noted, metrics)
        self._own = own
        self._metrics = metrics
        self._say = say
        self._works: dict[str, _Work] = {}
        self._slots = asyncio.Semaphore(limits.active_runs)
        self._closing = False
        self._wake = asyncio.Event()

    @property
    def active(self) -> int:
        """How many runs this server works on."""
        return len(self._works)

    def lease(self, *, streamed: bool) -> dict[str, Any]:
        """Return the lease for a new run: this server's where a client listens here, or where there is room."""
        # The channel of a stream lives in this process, so its run does, too.
        mine = streamed or len(self._works) < self._limits.active_runs
        return leases.lease(self.owner if mine else None, self._lease_end())

    def start(self, run: Row, channel: Channel | None = None) -> None:
        """Work on a queued run, if its lease is this server's; tell `channel`."""
        if run["lease_owner"] == self.owner:
            self._start(run["id"], channel)

    async def place(self) -> bool:
        """Hold a place for a run that begins as it is made, which saves a transaction; return False where none is free.

        It is for `start_begun`, or to be given back with `free`.
        """
        if self._closing or self._slots.locked():
            return False
        await self._slots.acquire()  # without waiting, as there is one
        return True

    def free(self) -> None:
        """Give back what `place` held."""
        self._slots.release()

    def start_begun(self, material: Material, channel: Channel) -> None:
        """Work on a run that has begun, and for which a place is held."""
        self._start(material.run["id"], channel, material)

    def cancel(self, run_id: str) -> None:
        """End a run that is `cancelling`, if it is this server's or nobody's."""
        work = self._works.get(run_id)
        if work is None:
            # Not worked on here: where nobody holds it, the next look ends it, which need not wait for its second.
            self._wake.set()
        elif work.task is not None and not work.ending and not work.asked_to_cancel:
            # A run in its last write has ended: for that one the cancel came too late.
            work.asked_to_cancel = True
            self._interrupt(work)

    async def keep(self) -> None:
        """Renew leases, write what replies have grown by, take over and end what is left behind, until cancelled."""
        while True:
            try:
                await self._look_after()
            except SQLAlchemyError as error:
                log.error("the store failed; it is asked again: %s", type(error).__name__)
            try:
                async with asyncio.timeout(self._limits.sweep_seconds):
                    await self._wake.wait()
            except TimeoutError:
                continue
            self._wake.clear()

    async def close(self) -> None:
        """Stop: a run that has not begun is left to others, one that has fails, or whose client listens here."""
        self._closing = True
        for work in self._works.values():
            if not work.ending:
                self._interrupt(work)
        # Requests that were under way may have started further ones, which see that this is closing.
        while works := list(self._works.values()):
            await asyncio.gather(*(work.task for work in works if work.task), return_exceptions=True)

    @staticmethod
    def _interrupt(work: _Work) -> None:
        # A task that is cancelled before its first step never takes one: its run would be held, and its stream open.
        if work.begun and work.task is not None:
            work.task.cancel()

    async def _look_after(self) -> None:
        working = list(self._works)
        if working:
            # First: this server's own leases are good again before it ends runs whose leases are not.
            for run_id in await self._database.write(leases.renew, self.owner, working, self._lease_end()):
                self.cancel(run_id)
        turns_now = [work.turn for work in self._works.values() if work.turn is not None]
        if texts := [text for turn in turns_now if (text := turn.unwritten())]:
            await self._database.write(messages.write_texts, texts)
        now = time.time()
        # A read, which waits for nobody: an idle server writes nothing.
        if not await self._database.read(leases.any_left, now):
            return
        await self._database.write(leases.sweep, int(now), frozenset(self._works))
        room = self._limits.active_runs - len(self._works)
        if room > 0:
            for run_id in await self._database.write(leases.claim, self.owner, self._lease_end(), now, room):
                self._start(run_id, None)

    def _lease_end(self) -> float:
        return time.time() + self._limits.lease_seconds

    def _start(self, run_id: str, channel: Channel | None, material: Material | None = None) -> None:
        # A run that was claimed may have been started by its request as well.
        if run_id in self._works:
            return
        work = _Work(run_id, channel or Channel(listened=False), material=material, placed=material is not None)
        self._works[run_id] = work
        work.task = asyncio.create_task(self._work(work), name=run_id)

    async def _work(self, work: _Work) -> None:
        try:
            work.begun = True
            if work.asked_to_cancel or self._closing:
                raise asyncio.CancelledError
            # Held for a turn, not for a run: one that waits for outputs takes no slot.
            if not work.placed:
                work.placed = await self._slots.acquire()
            await self._work_turn(work)
        except LeaseLostError:
            await self._tell_what_became(work)
        except asyncio.CancelledError:
            await self._stop(work)
        # A run that nobody ends locks its thread, so whatever went wrong with it, it ends here.
        except Exception as error:
            # The text of an error of the store holds the statement, and with it what a client wrote.
            log.error("run %s failed", work.run_id, exc_info=not isinstance(error, SQLAlchemyError))
            await self._fail(work)
        finally:
            if work.placed:
                self._slots.release()
            work.channel.close()
            del self._works[work.run_id]
            if len(self._works) == self._limits.active_runs - 1:
                self._wake.set()  # there may be queued runs that had no room

    async def _work_turn(self, work: _Work) -> None:
        material = work.material
        if material is None:
            material = await self._database.write(leased_writes.begin, work.run_id, self.owner, int(time.time()))
        work.turn = turn = Turn(self._database, work.channel, material.run, self.owner)
        with run_span(material.run) as span:
            model, material = await self._named(material)
            tell_run(work.channel, material.run)
            while True:
                material = await self._own.offered(material)
                work.turn = turn = self._own.turn(material, work.channel, self.owner)
                if await self._take_turn(work, turn, material, model):
                    break
                material = await self._database.write(leased_writes.again, work.run_id, self.owner)
            outcome = turn.outcome
            span.set(nbassist__run__status=outcome.status)
            if outcome.error:
                span.fail(outcome.error)
            if self._metrics is not None:
                self._metrics.turn(outcome.status, outcome.usage, outcome.error)

    async def _named(self, material: Material) -> tuple[str, Material]:
        """Return the model that answers, and the run as noted where that is not as its client asked."""
        answering = await self._names.find(material.run["model"])
        notes = {MODEL: answering.note, TOOLS: tools_note(material.run["tools"], self._own.kinds)}
        return answering.model, await self._noted(material, notes)

    async def _take_turn(self, work: _Work, turn: Turn, material: Material, model: str) -> bool:
        """Take a turn; return whether the run is over, or waits for its client."""
        run = material.run
        used = objects.total_usage([step["usage"] for step in material.steps])
        try:
            # The life of a run goes on across its turns.
            async with asyncio.timeout(max(0.0, run["expires_at"] - time.time())):
                if spent := spent_limit(run, used):
                    work.ending = True
                    await turn.end("incomplete", reason=spent, message_reason="max_tokens")
                    return True
                ended = await self._asking.ask(turn, material, used, model)
                await turn.finish_text()
                if ended.reason == "tool_calls" and await self._own.answer(turn, material):
                    await turn.complete_calls(ended)
                    return False
        except TimeoutError:
            work.ending = True
            await turn.end("expired")
            return True
        except UpstreamError as failure:
            work.ending = True
            await turn.end("failed", error=(failure.code, str(failure)))
            return True
        # From here on a cancel would only tear the last write.
        work.ending = True
        await _finish(turn, run, ended, used)
        return True

    async def _noted(self, material: Material, notes: Mapping[str, str]) -> Material:
        """Write into a run's metadata how it is answered, where that is not as its client asked."""
        for text in filter(None, notes.values()):
            self._say(text)
        metadata = with_notes(material.run["metadata"], notes)
        if metadata == material.run["metadata"]:
            return material

        def work(connection: Connection) -> Row:
            return leased_writes.change_run(connection, material.run["id"], self.owner, ACTIVE, metadata=metadata)

        return replace(material, run=await self._database.write(work))

    async def _stop(self, work: _Work) -> None:
        """After a cancellation: by a client, or because the server stops."""
        if work.asked_to_cancel:
            await self._tell_what_became(work)
        elif work.turn is not None or work.channel.listened:
            await self._end(work, "failed", leases.DIED)
        else:
            # Not begun: another server can do it as well as this one.
            await self._database.write(self._release, work.run_id)

    def _release(self, connection: Connection, run_id: str) -> None:
        try:
            leased_writes.change_run(connection, run_id, self.owner, ("queued",), **leases.lease(None, 0))
        except LeaseLostError:
            return  # it was not this server's any more, so there is nothing to give back

    async def _fail(self, work: _Work) -> None:
        """End a run after an error of this server's, with as little as can go wrong."""
        try:
            await self._end_as_it_stands(work, "failed", _BROKEN)
        except SQLAlchemyError as error:
            log.error("run %s can't be ended now: %s", work.run_id, type(error).__name__)
            code, message = _BROKEN
            work.channel.tell("error", {"message": message, "type": code, "param": None, "code": None})

    async def _end(self, work: _Work, end: End, error: tuple[str, str] | None = None) -> None:
        """End a run before its turn is over; what it has said so far is kept."""
        work.ending = True
        if work.turn is None:
            return await self._end_as_it_stands(work, end, error)
        with suppress(LeaseLostError):  # another server has ended it
            await work.turn.end(end, error=error)

    async def _end_as_it_stands(self, work: _Work, end: End, error: tuple[str, str] | None) -> None:
        now = int(time.time())
        with suppress(LeaseLostError):
            ending = await self._database.write(end_run, work.run_id, end, now, owner=self.owner, error=error)
            tell_ending(work.channel, ending)

    async def _tell_what_became(self, work: _Work) -> None:
        """The run went on without this task: a client cancelled it, another server ended it, or it was deleted."""
        run = await self._database.read(_read_run, work.run_id)
        if run is None:
            return
        tell_run(work.channel, run)
        if run["status"] == "cancelling":
            await self._end(work, "cancelled")


def _read_run(connection: Connection, run_id: str) -> Row | None:
    return connection.execute(select(runs).where(runs.c.id == run_id)).mappings().one_or_none()


async def _finish(turn: Turn, run: Row, ended: TurnEnded, used: dict[str, Any]) -> None:
    """Bring a turn that the upstream ended to its end."""
    match ended.reason:
        case "tool_calls":
            prompt = used["prompt_tokens"] + ended.usage.input_tokens
            if run["max_prompt_tokens"] is not None and prompt > run["max_prompt_tokens"]:
                await turn.end("incomplete", ended, reason="max_prompt_tokens", message_reason="max_tokens")
            else:
                await turn.ask_for_outputs(ended)
        case "stop" | "unmarked":
            await turn.end("completed", ended)
        case "length":
            await turn.end("incomplete", ended, reason="max_completion_tokens", message_reason="max_tokens")
        case "content_filter":
            error = ("invalid_prompt", "The upstream's content filter stopped the reply.")
            await turn.end("failed", ended, error=error, message_reason="content_filter")
        case _:
            error = ("server_error", ended.detail or "The upstream broke off.")
            await turn.end("failed", ended, error=error)
