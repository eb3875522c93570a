"""A sweep on a Dask cluster that is there already: each run is asked by a worker, and kept here as if asked here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ...core.conversation import Conversation
from ...core.installing import pip_install
from ...errors import BudgetError, NbassistError, UsageError
from ...reply import Reply
from ...run.meter import Budget, cost_ahead
from ..run_list import Update
from ..runner import options_of, run_all
from .collecting import Collected, Swept, Wanted, split, turns_of

_LEFT = ("conversation", "tools", "namespace", "approval", "cache", "variant", "off")
"""Options that stay here, or are made anew on the worker."""


def client_of(on: str, namespace: Mapping[str, Any]) -> tuple[Any, bool]:
    """Return the client of a cluster, named `dask://HOST:PORT` or by a variable, and whether it is ours to close.

    Raises
    ------
    UsageError
        Where there is no such cluster, or `distributed` is not installed.
    """
    try:
        import distributed
    except ImportError as error:
        raise UsageError(f"--on needs Dask: {pip_install('dask')} ({error})") from error
    make: Any = distributed.Client
    if on.startswith("dask://"):
        try:
            return make(f"tcp://{on.removeprefix('dask://')}", timeout=10, set_as_default=False), True
        except (OSError, ValueError) as error:
            raise UsageError(f"no Dask scheduler answers at {on}: {error}") from error
    client = namespace.get(on)
    if not isinstance(client, make):
        raise UsageError(f"--on {on}: name a distributed.Client of this notebook, or dask://HOST:PORT")
    return client, False


def ask_on_worker(settings: Any, standing: Mapping[str, Any], messages: Any, prompt: str, options: Any) -> Reply | str:
    """Ask on a worker; return the reply, or in one line why there is none."""
    from ...assistant import Assistant

    try:
        assistant = Assistant(settings=settings, **standing)
        return assistant.ask(prompt, conversation=Conversation("", messages), tools=(), **options)
    except NbassistError as error:
        return str(error)


async def run_on(client: Any, sweep: Swept, tell: Callable[[Update], None]) -> None:
    """Run what is not done; what is done when this is cancelled stays done.

    Raises
    ------
    BudgetError
        Where a run would pass the budget; those that were asked before have come to their end.
    """
    wanted, known = await asyncio.to_thread(split, sweep)
    if known:
        await run_all(sweep.runs, sweep.order, sweep.pace(), tell, known)
    loop = asyncio.get_running_loop()
    ended: asyncio.Queue[tuple[Wanted, Any]] = asyncio.Queue()
    futures: dict[int, Any] = {}
    left, passed, dearest = list(reversed(wanted)), "", 0.0
    try:
        while futures or left:
            while left and len(futures) < _at_once(client, sweep):
                one = left.pop()
                try:
                    _set_aside(sweep, one, dearest)
                except BudgetError as error:
                    passed, left = str(error), []
                    break
                tell(Update("started", one.run.task.number))
                future = await asyncio.to_thread(_submit, client, sweep, one)
                future.add_done_callback(lambda done, one=one: loop.call_soon_threadsafe(ended.put_nowait, (one, done)))
                futures[one.run.task.number] = future
            if not futures:
                break
            one, future = await ended.get()
            del futures[one.run.task.number]
            _budget(sweep, one).settle(id(one.run), 0.0)
            result = await asyncio.to_thread(_result, future)
            await _take(sweep, one, result)
            dearest = max(dearest, _cost(sweep, one, result))
            tell(Update("ended", one.run.task.number))
    finally:
        if futures:
            client.cancel(list(futures.values()))
        for one in wanted:
            # The endpoint may have answered what is cancelled on its way here.
            _budget(sweep, one).settle(id(one.run), None if one.run.task.number in futures else 0.0)
    if passed:
        raise BudgetError(passed)


def _budget(sweep: Swept, one: Wanted) -> Budget:
    asker: Any = sweep.order.asker(one.run.task.option("profile"))
    budget: Budget = asker.budget
    return budget


def _at_once(client: Any, sweep: Swept) -> float:
    """Return how many runs the cluster gets at once: all of them, unless each has to fit into what is left to spend."""
    asker: Any = sweep.order.asker("")
    return max(1, sum(client.nthreads().values())) if asker.budget.limit else float("inf")


def _set_aside(sweep: Swept, one: Wanted, dearest: float) -> None:
    """Set aside what a run takes, or what the dearest has taken: on a worker none is stopped in its middle."""
    asker: Any = sweep.order.asker(one.run.task.option("profile"))
    if limit := asker.budget.limit:
        more = cost_ahead(one.request, asker.model, asker.price, limit)
        asker.budget.reserve(id(one.run), 0.0, max(more, dearest))


def _cost(sweep: Swept, one: Wanted, result: Reply | str) -> float:
    asker: Any = sweep.order.asker(one.run.task.option("profile"))
    return 0.0 if isinstance(result, str) else asker.price(result.model, result.usage) or 0.0


def _submit(client: Any, sweep: Swept, one: Wanted) -> Any:
    order = sweep.order
    asker: Any = order.asker(one.run.task.option("profile"))
    options = {name: value for name, value in options_of(one.run.task, order).items() if name not in _LEFT}
    standing = {"instructions": asker.instructions, "parameters": asker.parameters, "window": asker.window}
    messages = tuple(order.conversation.messages)
    return client.submit(ask_on_worker, asker.settings, standing, messages, one.run.task.prompt, options, pure=False)


def _result(future: Any) -> Reply | str:
    if future.status != "finished":
        error = future.exception()
        return f"the worker failed: {type(error).__name__}: {error}"
    result: Reply | str = future.result()
    return result


async def _take(sweep: Swept, one: Wanted, result: Reply | str) -> None:
    run, order = one.run, sweep.order
    if isinstance(result, str):
        run.error = result
        return
    turns = iter(turns_of(result.events))
    came = Collected(lambda request: next(turns, "the worker asked this once"))
    asker: Any = order.asker(run.task.option("profile"))
    with suppress(NbassistError):  # asked as if here, for the cache and the journal: the reply is there all the same
        await asker.answered_by(came, took=result.seconds).aask(run.task.prompt, **options_of(run.task, order))
    run.reply, run.error, run.seconds = replace(result), "", result.seconds
