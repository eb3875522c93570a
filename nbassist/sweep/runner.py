"""Runs the tasks of a plan on an event loop, many at once, and tells what happens to each."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Protocol, Unpack, cast

from ..core.conversation import Conversation
from ..core.events import Event, Retrying, TextDelta
from ..core.protocols import View
from ..errors import BudgetError, NbassistError, UsageError
from ..reply import Reply
from ..run.options import PromptOptions
from ..tools import Toolbox
from .plan import OPTIONS, Plan, Task
from .rate_limiter import Pace, PaceSlot
from .run_list import SweepRun, Update


class Asker(Protocol):
    """What asks: see `nbassist.Assistant`."""

    async def aask(self, prompt: str, *, view: View | None = None, **options: Unpack[PromptOptions]) -> Reply: ...


@dataclass(frozen=True)
class SweepSpec:
    """How a sweep is to be run.

    Parameters
    ----------
    asker : callable
        Gives the assistant for a profile; an empty one is the assistant's own.
    conversation : Conversation
        What each run goes on from, on a fork of its own.
    tools : Toolbox
        What the model may call; those that need approval are refused.
    options : mapping
        What all runs share; see `nbassist.run.options.PromptOptions`.
    cache : str
        How recorded replies are used.
    name : str
        What the journal knows the runs by, with their numbers; empty where they need not be found again.
    """

    asker: Callable[[str], Asker]
    conversation: Conversation
    tools: Toolbox = field(default_factory=Toolbox)
    options: PromptOptions = field(default_factory=lambda: PromptOptions())
    cache: str = "auto"
    name: str = ""


async def run_all(
    runs: Sequence[SweepRun],
    order: SweepSpec,
    pace: Pace,
    tell: Callable[[Update], None],
    todo: list[SweepRun] | None = None,
) -> None:
    """Run what is not done yet; what is done when this is cancelled stays done.

    Parameters
    ----------
    runs : sequence of SweepRun
        They are filled in, one by one, as they end.
    order, pace
        How, and how fast.
    tell : callable
        Told what happens, on this loop.
    todo : list of SweepRun, optional
        Only these; all that are not done by default.

    Raises
    ------
    BudgetError
        Where a run would pass the budget; those that were asked before have come to their end.
    """
    waiting = (run for run in (runs if todo is None else todo) if not run.ok)
    passed: list[str] = []
    async with asyncio.TaskGroup() as group:
        for run in waiting:
            # A task is made when it may begin: a plan of two million would else be two million tasks that wait.
            slot = await pace.begin()
            group.create_task(_in_slot(run, order, slot, pace, tell, passed))
            if passed:  # those that are asked already come to their end, and no other begins
                break
    if passed:
        raise BudgetError(passed[0])


async def _in_slot(
    run: SweepRun, order: SweepSpec, slot: PaceSlot, pace: Pace, tell: Callable[[Update], None], passed: list[str]
) -> None:
    with slot:
        if passed:
            return
        try:
            await _run(run, order, slot, pace, tell)
        except BudgetError as error:
            passed.append(str(error))
            tell(Update("ended", run.task.number))


async def _run(run: SweepRun, order: SweepSpec, slot: PaceSlot, pace: Pace, tell: Callable[[Update], None]) -> None:
    task = run.task
    tell(Update("started", task.number))
    watcher, clock = _Watcher(task.number, slot, pace, tell), time.monotonic()
    try:
        reply = await order.asker(task.option("profile")).aask(task.prompt, view=watcher, **options_of(task, order))
    except (UsageError, BudgetError):
        raise  # the sweep itself is wrong, or at its end: every run would say the same
    except NbassistError as error:
        run.reply, run.error = None, str(error)
    else:
        run.reply, run.error = reply, ""
        run.key = reply_key(task, reply.text, model=reply.model, instructions=order.options.get("instructions") or "")
        pace.spend(reply.usage.input_tokens + reply.usage.output_tokens)
    run.seconds = time.monotonic() - clock
    run.first_token = watcher.first - clock if watcher.first else 0.0
    tell(Update("ended", task.number))


class _Watcher:
    """Sees the events of one run as a view does."""

    def __init__(self, number: int, slot: PaceSlot, pace: Pace, tell: Callable[[Update], None]) -> None:
        self.first = 0.0
        self._slot = slot
        self._number = number
        self._pace = pace
        self._tell = tell

    def apply(self, event: Event) -> None:
        if isinstance(event, TextDelta):
            self.first = self.first or time.monotonic()
            self._tell(Update("text", self._number, event.text))
        elif isinstance(event, Retrying):
            if event.everyone:
                self._pace.hold(event.seconds)
                self._tell(Update("waiting", self._number, event.detail, event.seconds))
            else:
                self._slot.lend()


def options_of(task: Task, order: SweepSpec) -> PromptOptions:
    """Return the options with which a task is asked; see `nbassist.run.options.PromptOptions`."""
    varied = {
        option: str(task.variant[name])
        for name, option in (("model", "model"), ("system", "instructions"), ("reasoning", "reasoning"))
        if name in task.variant
    }
    return {
        **order.options,
        **cast(PromptOptions, varied),
        "parameters": {**(order.options.get("parameters") or {}), **task.parameters},
        # Each on a fork, so that no run sees what another said.
        "conversation": order.conversation.fork(),
        "tools": order.tools,
        "approval": "deny",  # nobody is asked a hundred times, from a thread that is not the cell's
        "cache": order.cache,
        "repeat": task.same,
        "variant": {
            **task.variant,
            "input": str(task.input.index),
            "wording": task.wording,
            **({"run": run_name(order, task)} if order.name else {}),
        },
        "template": False,  # the plan has filled it in; braces in a row's own text are text
    }


def run_name(order: SweepSpec, task: Task) -> str:
    """Return what the journal knows a run by."""
    return f"{order.name}:{task.number}"


def reply_key(task: Task, text: str, *, model: str = "", instructions: str = "") -> str:
    """Return what a reply is known by, wherever it is asked again: by what was asked, and what came.

    Neither the place of its row nor that of its column counts, so that a rating finds its reply after both have moved.
    """
    asked = {name: str(value) for name, value in task.variant.items() if name in OPTIONS or name in task.parameters}
    content = [task.prompt, task.same, sorted(asked.items()), model, instructions, text]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


PARAMETERS = (
    *("temperature", "top_p", "top_k", "min_p", "top_a", "typical_p", "seed", "stop", "n", "logit_bias", "logprobs"),
    *("max_tokens", "max_completion_tokens", "max_output_tokens", "min_tokens", "top_logprobs", "reasoning_effort"),
    *("presence_penalty", "frequency_penalty", "repetition_penalty", "repeat_penalty", "verbosity", "text"),
    *("response_format", "service_tier", "parallel_tool_calls", "tool_choice", "truncation", "user", "metadata"),
    *("store", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "prediction", "modalities"),
    *("web_search_options", "thinking", "enable_thinking", "chat_template_kwargs", "extra_body", "provider", "plugins"),
    *("mirostat", "mirostat_eta", "mirostat_tau", "num_ctx", "num_predict", "cache_prompt", "grammar", "guided_json"),
    *("max_tool_calls", "include", "background", "top_n", "max_turns", "best_of", "length_penalty", "ignore_eos"),
)
"""Parameters of models that endpoints are known to take."""


def check_parameters(plan: Plan, set_already: Iterable[str]) -> None:
    """Refuse to vary what no endpoint is known to take: most ignore it, and the columns would differ by chance."""
    for name in plan.vary:
        known = (*OPTIONS, *plan.alternatives, *PARAMETERS, *set_already)
        if name in known:
            continue
        near = [one for one in known if one.startswith(name)] or get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"where the engine has it, set it with -p {name}=…, too"
        raise UsageError(f"no parameter {name!r} is known that could be varied; {hint}")
