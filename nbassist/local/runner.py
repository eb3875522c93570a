"""Works off runs: each is an asyncio task that writes to the store, whether a client listens or not."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import time
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, RowMapping, select
from sqlalchemy.exc import SQLAlchemyError

from ..events import TurnEnded
from . import wire
from .config import Limits
from .history import chat_body, tool_names
from .store import leases, messages, turns
from .store.database import Database
from .store.endings import End, end_run
from .store.schema import runs
from .store.turns import LeaseLostError, Material
from .stream import Channel
from .turn import Turn, tell_ending, tell_run
from .upstream import ContextOverflowError, UpstreamClient, UpstreamError

log = logging.getLogger("nbassist.local")

_TRIES_TO_FIT = 6
_BROKEN = ("server_error", "This server failed while it worked on the run; its log says why.")


@dataclass(slots=True, eq=False)
class _Work:
    """A run that this server works on. `ending` protects its last write from a cancellation that comes too late."""

    run_id: str
    channel: Channel = field(default_factory=Channel)
    task: asyncio.Task[None] | None = None
    asked_to_cancel: bool = False
    turn: Turn | None = None
    ending: bool = False


class Runner:
    """The runs of one server.

    Parameters
    ----------
    database : Database
        The store, which other servers may share.
    client : UpstreamClient
        The model.
    limits : Limits
        See there.
    """

    def __init__(self, database: Database, client: UpstreamClient, limits: Limits) -> None:
        self.owner = f"{socket.gethostname()[:64]}:{os.getpid()}:{secrets.token_hex(6)}"
        self._database = database
        self._client = client
        self._limits = limits
        self._works: dict[str, _Work] = {}
        self._slots = asyncio.Semaphore(limits.active_runs)
        self._wake = asyncio.Event()

    @property
    def active(self) -> int:
        """How many runs this server works on."""
        return len(self._works)

    def lease(self, *, streamed: bool) -> dict[str, Any]:
        """Return the lease for a new run: this server's where a client listens here, or where there is room."""
        mine = streamed or len(self._works) < self._limits.active_runs
        return leases.lease(self.owner if mine else None, self._lease_end())

    def start(self, run: RowMapping, channel: Channel | None = None) -> None:
        """Work on a queued run, if its lease is this server's; tell `channel`."""
        if run["lease_owner"] == self.owner:
            self._start(run["id"], channel)

    def cancel(self, run_id: str) -> None:
        """End a run that is `cancelling`, if it is this server's or nobody's."""
        work = self._works.get(run_id)
        if work is None:
            self._wake.set()
        elif work.task is not None and not work.ending and not work.asked_to_cancel:
            work.asked_to_cancel = True
            work.task.cancel()

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
        """Stop: a run that has not begun is left to others, one that has fails."""
        works = list(self._works.values())
        for work in works:
            if work.task is not None and not work.ending:
                work.task.cancel()
        await asyncio.gather(*(work.task for work in works if work.task), return_exceptions=True)

    async def _look_after(self) -> None:
        working = list(self._works)
        if working:
            for run_id in await self._database.write(leases.renew, self.owner, working, self._lease_end()):
                self.cancel(run_id)
        turns_now = [work.turn for work in self._works.values() if work.turn is not None]
        if texts := [text for turn in turns_now if (text := turn.unwritten())]:
            await self._database.write(messages.write_texts, texts)
        now = time.time()
        if not await self._database.read(leases.any_left, now):
            return
        await self._database.write(leases.sweep, int(now), frozenset(self._works))
        room = self._limits.active_runs - len(self._works)
        if room > 0:
            for run_id in await self._database.write(leases.claim, self.owner, self._lease_end(), now, room):
                self._start(run_id, None)

    def _lease_end(self) -> float:
        return time.time() + self._limits.lease_seconds

    def _start(self, run_id: str, channel: Channel | None) -> None:
        if run_id in self._works:
            return
        work = _Work(run_id, channel or Channel())
        self._works[run_id] = work
        work.task = asyncio.create_task(self._work(work), name=run_id)

    async def _work(self, work: _Work) -> None:
        try:
            async with self._slots:
                await self._work_turn(work)
        except LeaseLostError:
            await self._tell_what_became(work)
        except asyncio.CancelledError:
            await self._stop(work)
        # A run that nobody ends locks its thread, so whatever went wrong with it, it ends here.
        except Exception as error:
            log.error("run %s failed", work.run_id, exc_info=not isinstance(error, SQLAlchemyError))
            await self._fail(work)
        finally:
            work.channel.close()
            del self._works[work.run_id]
            if len(self._works) == self._limits.active_runs - 1:
                self._wake.set()  # there may be queued runs that had no room

    async def _work_turn(self, work: _Work) -> None:
        material = await self._database.write(turns.begin, work.run_id, self.owner, int(time.time()))
        run = material.run
        tell_run(work.channel, run)
        work.turn = turn = Turn(self._database, work.channel, run, self.owner)
        used = wire.total_usage([step["usage"] for step in material.steps])
        ended: TurnEnded | None = None
        try:
            async with asyncio.timeout(max(0.0, run["expires_at"] - time.time())):
                if spent := _spent(run, used):
                    work.ending = True
                    return await turn.end("incomplete", reason=spent, message_reason="max_tokens")
                ended = await self._ask(turn, material, used)
        except TimeoutError:
            work.ending = True
            return await turn.end("expired")
        except UpstreamError as error:
            work.ending = True
            return await turn.end("failed", error=(error.code, str(error)))
        work.ending = True
        await _finish(turn, run, ended, used)

    async def _ask(self, turn: Turn, material: Material, used: dict[str, Any]) -> TurnEnded:
        """Ask the upstream, with a shorter history where it says that it is too long."""
        run = material.run
        left = {name: run[f"max_{name}_tokens"] for name in ("prompt", "completion")}
        left = {name: most if most is None else most - used[f"{name}_tokens"] for name, most in left.items()}
        for shortened in range(_TRIES_TO_FIT + 1):
            body = chat_body(
                material,
                self._client.upstream,
                max_tokens=left["completion"],
                prompt_tokens=left["prompt"],
                shortened=shortened,
            )
            try:
                async with aclosing(self._client.events(body, tool_names(run))) as events:
                    async for event in events:
                        if isinstance(event, TurnEnded):
                            return event
                        await turn.take(event)
            except ContextOverflowError:
                if shortened == _TRIES_TO_FIT or run["truncation_strategy"]["type"] != "auto":
                    raise
        raise UpstreamError("server_error", "The upstream ended without an end.")

    async def _stop(self, work: _Work) -> None:
        """After a cancellation: by a client, or because the server stops."""
        if work.asked_to_cancel:
            await self._tell_what_became(work)
        elif work.turn is not None:
            await self._end(work, "failed", leases.DIED)
        else:
            await self._database.write(self._release, work.run_id)

    def _release(self, connection: Connection, run_id: str) -> None:
        try:
            turns.change_run(connection, run_id, self.owner, ("queued",), **leases.lease(None, 0))
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


def _read_run(connection: Connection, run_id: str) -> RowMapping | None:
    return connection.execute(select(runs).where(runs.c.id == run_id)).mappings().one_or_none()


def _spent(run: RowMapping, used: dict[str, Any]) -> str | None:
    """Return which limit of tokens the run has reached, or None."""
    for name in ("completion", "prompt"):
        most = run[f"max_{name}_tokens"]
        if most is not None and used[f"{name}_tokens"] >= most:
            return f"max_{name}_tokens"
    return None


async def _finish(turn: Turn, run: RowMapping, ended: TurnEnded, used: dict[str, Any]) -> None:
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
