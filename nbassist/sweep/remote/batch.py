"""A sweep through the Batch API: submitted once, followed, and collected, also by another kernel after a restart."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...backends.batches import PATHS, BatchState, batch_line, follow, submit
from ...backends.http.requests import Step
from ...backends.http.transport import Transport
from ...config.paths import data_file
from ...core.events import Event
from ...core.files import put_in_place
from ...core.messages import Request
from ...errors import ConnectionFailedError, NbassistError, UsageError
from ...journal.cache import key_of
from ...run.meter import cost_ahead
from .collecting import Collected, Wanted, split

if TYPE_CHECKING:
    from ..runs import Runs
    from ..sweep import Sweep
    from ..worker_thread import SweepView

WAIT = 10.0
"""Seconds between the first looks at a batch."""


def run_batch(
    sweep: Sweep,
    view: SweepView | None = None,
    *,
    told: Callable[[BatchState], None] = lambda state: None,
    wait: float = WAIT,
) -> Runs:
    """Ask what is not known yet as a batch, wait for it, and return all runs.

    An interrupt leaves the batch to the endpoint: the same sweep, run again here or in another kernel, goes on with it.

    Raises
    ------
    UsageError
        Where the endpoint's protocol has no batches, tools are named, or replies are kept nowhere.
    BackendError
        Where the endpoint refuses.
    BudgetError
        Where the whole batch would pass the budget; nothing is submitted then.
    """
    wire = _wire(sweep)
    wanted, _ = split(sweep)
    if not wanted:
        return sweep.run(view)
    settings = sweep.assistant.settings
    name = _name(settings.base_url, wanted)
    budget, ours = sweep.assistant.budget, int(name[:15], 16)
    if budget.limit and name not in _kept():  # one that was submitted is paid for
        priced = sweep.assistant.answered_by(Collected(lambda request: ""), batch=True)
        more = sum(cost_ahead(one.request, priced.model, priced.price, budget.limit) for one in wanted)
        budget.reserve(ours, 0.0, more)
    try:
        found = Transport(settings.base_url, settings.api_key, access=settings.access).run(
            _flow(wanted, wire, name, told, wait)
        )
    except NbassistError as error:
        # One that was submitted goes on at the endpoint when we can't reach it, and is paid for.
        if not (isinstance(error, ConnectionFailedError) and name in _kept()):
            budget.settle(ours, 0.0)
        raise
    budget.settle(ours, 0.0)  # each run is counted as it is collected; after an interrupt all stays set aside
    answers: dict[str, list[list[Event] | str]] = defaultdict(list)
    for one in wanted:  # requests that are alike, the repeats of one prompt, may take each other's
        answers[key_of(one.request)].append(found.get(one.key, "the batch ended without an answer to this"))

    def answer(request: Request) -> list[Event] | str:
        left = answers[key_of(request)]
        return left.pop(0) if left else "a batch asks once: it has no answer to a second request"

    assistant = sweep.assistant.answered_by(Collected(answer), batch=True)
    runs = sweep.run(view, order=replace(sweep.order, asker=lambda profile: assistant))
    if all(one.run.done for one in wanted):
        getattr(sweep.store, "flush", bool)()  # it is kept before the batch is forgotten
        _keep({known: kept for known, kept in _kept().items() if known != name})
    return runs


def _flow(
    wanted: list[Wanted], wire: str, name: str, told: Callable[[BatchState], None], wait: float
) -> Generator[Step, Any, dict[str, list[Event] | str]]:
    batch_id = _kept().get(name, "")
    if not batch_id:
        lines = {one.key: batch_line(one.key, one.request, wire) for one in wanted}
        batch_id = yield from submit(list(lines.values()), wire)
        _keep({**_kept(), name: batch_id})
    return (yield from follow(batch_id, wire, told, wait))


def _wire(sweep: Sweep) -> str:
    settings = sweep.assistant.settings
    wire = settings.backend if settings.backend != "auto" else sweep.assistant.backend.name
    if wire not in PATHS:
        raise UsageError(f"--batch goes through Responses or Chat, not {wire}: choose the backend responses or chat")
    if sweep.order.tools.tools:
        raise UsageError("--batch asks once for each run: tools can't be called in it")
    if sweep.store is None:
        raise UsageError("--batch needs the journal: what the batch gives is kept there")
    if "profile" in sweep.plan.vary:
        raise UsageError("--batch goes to one endpoint: profiles can't be varied in it")
    if not (settings.model or sweep.order.options.get("model") or "model" in sweep.plan.vary):
        raise UsageError("--batch has to name the model: give it with -m")
    return wire


def _name(url: str, wanted: list[Wanted]) -> str:
    keys = "\n".join([url, *sorted(one.key for one in wanted)])
    return hashlib.sha256(keys.encode()).hexdigest()


def _kept() -> dict[str, str]:
    """Return the batches that were begun and not collected, by what they ask."""
    try:
        found = json.loads(data_file("batches.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(name): str(batch) for name, batch in found.items()} if isinstance(found, dict) else {}


def _keep(batches: dict[str, str]) -> None:
    path = data_file("batches.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    draft.write_text(json.dumps(batches, indent=1), encoding="utf-8")
    put_in_place(draft, path)
