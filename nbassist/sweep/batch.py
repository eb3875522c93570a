"""A sweep through the Batch API: submitted once, followed, and collected, also by another kernel after a restart."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..backends.batches import PATHS, BatchState, batch_line, follow, submit
from ..backends.steps import Flow
from ..backends.transport import Transport
from ..errors import UsageError
from ..paths import data_file
from .afar import Wanted, keep, split

if TYPE_CHECKING:
    from .runs import Runs
    from .sweep import Sweep, SweepView

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
    """
    wire = _wire(sweep)
    wanted, _ = split(sweep)
    failed: dict[str, str] = {}
    if wanted:
        settings = sweep.assistant.settings
        transport = Transport(settings.base_url, settings.api_key)
        name = _name(settings.base_url, wanted)
        for _ in transport.drive(_flow(sweep, wanted, wire, name, told, wait, failed)):
            pass
    missing = [one.run for one in wanted if one.key in failed]
    for one in wanted:
        if one.key in failed:
            one.run.error = failed[one.key]
    return sweep.run(view, leaving=missing)


def _flow(
    sweep: Sweep, wanted: list[Wanted], wire: str, name: str, told: Any, wait: float, failed: dict[str, str]
) -> Flow:
    batch_id = _kept().get(name, "")
    if not batch_id:
        lines = {one.key: batch_line(one.key, one.request, wire) for one in wanted}
        batch_id = yield from submit(list(lines.values()), wire)
        _keep({**_kept(), name: batch_id})
    found = yield from follow(batch_id, wire, told, wait)
    for one in wanted:
        events = found.get(one.key, "the batch ended without an answer to this")
        if isinstance(events, str):
            failed[one.key] = events
        elif not keep(sweep, one.key, events):
            failed[one.key] = "the answer in the batch was cut short"
    _keep({known: kept for known, kept in _kept().items() if known != name})


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
    os.replace(draft, path)
