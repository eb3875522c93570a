"""`Sweep`: a plan and an assistant; runs it to the end, or as far as the person lets it."""

from __future__ import annotations

import asyncio
import secrets
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

from ..asking import Tools
from ..assistant import Assistant
from ..conversation import Conversation
from ..errors import UsageError
from ..prices import unchanged
from ..tools import Toolbox
from .adopting import adopt, cell_of
from .dask import run_on
from .estimate import Estimate, estimate
from .judging import check, judge_sweep, take_verdicts
from .onerun import Run
from .pace import Pace
from .plan import make_plan
from .runner import Order, run_all, run_name
from .runs import Runs
from .updates import Update

_LOOK = 0.04  # seconds
_TURN = 0.0005  # seconds


class SweepView(Protocol):
    """Shows a sweep while it runs."""

    def begin(self, runs: Runs) -> None: ...
    def apply(self, update: Update) -> None: ...
    def close(self) -> None: ...


class Sweep:
    """Many variants of one prompt at one assistant.

    Parameters
    ----------
    assistant : Assistant
        What is asked. Its journal, or its file of replies, is what the cache is.
    template : str
        The prompt; see `nbassist.sweep.plan.make_plan`.
    vary, over, repeat, namespace
        What is varied, what it goes over, how often each is asked, and the notebook's names; see `make_plan`.
    jobs : int
        Runs at once.
    rpm, tpm : int
        Requests, and tokens, in any minute; 0 for no limit.
    tools : Toolbox or iterable of functions
        What the model may call, nothing by default. Calls that need approval are refused.
    cache : {"auto", "off", "refresh", "replay"}
        How recorded replies are used: what is known is not asked again.
    conversation : Conversation, optional
        What each run goes on from, on a fork; the assistant's current thread by default.
    options : mapping, optional
        What all runs share; the fields of `nbassist.asking.Asking`.

    Raises
    ------
    UsageError
        Where the plan can't be made.
    """

    def __init__(
        self,
        assistant: Assistant,
        template: str,
        *,
        vary: Mapping[str, Sequence[Any]] | None = None,
        over: Any = None,
        repeat: int = 1,
        namespace: Mapping[str, Any] | None = None,
        jobs: int = 4,
        rpm: int = 0,
        tpm: int = 0,
        tools: Tools = (),
        cache: str = "auto",
        conversation: Conversation | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.assistant = assistant
        self.plan = make_plan(template, vary=vary, over=over, repeat=repeat, namespace=namespace)
        self.runs = Runs(self.plan, self)
        if jobs < 1:
            raise UsageError(f"a sweep needs at least one job, not {jobs}")
        self.pace: Callable[[], Pace] = partial(Pace, jobs, rpm=rpm, tpm=tpm)
        self._profiles: dict[str, Assistant] = {"": assistant}
        self.order = Order(
            self._asker,
            assistant.conversation if conversation is None else conversation,
            tools if isinstance(tools, Toolbox) else Toolbox(tools),
            dict(options or {}),
            cache,
            name=secrets.token_hex(5),
        )
        self._namespace = namespace
        self._options: dict[str, Any] = {"jobs": jobs, "rpm": rpm, "tpm": tpm, "cache": cache}
        self._made = time.time()

    def estimate(self) -> Estimate:
        """Return what it will take, asking nothing."""
        return estimate(self.plan, self.order, getattr(self.store, "known_replies", None))

    @property
    def store(self) -> Any:
        """Where replies are kept; None for nowhere."""
        return self.assistant.journal if self.assistant.replies is None else self.assistant.replies

    def run(self, view: SweepView | None = None, *, on: Any = None, order: Order | None = None) -> Runs:
        """Run what is not done, and return when all is, or the person interrupts: what is done stays.

        The runs go on a thread of their own; the view is painted on this one.

        Parameters
        ----------
        view : SweepView, optional
            Shows it.
        on : distributed.Client, optional
            The cluster whose workers ask; in this process by default.
        order : Order, optional
            How, in place of the sweep's own.
        """
        if view is not None:
            view.begin(self.runs)
        try:
            self._run(view, order, on)
        finally:
            if view is not None:
                view.close()
        return self.runs

    def _run(self, view: SweepView | None, order: Order | None, on: Any) -> None:
        updates: deque[Update] = deque()
        ended = threading.Event()
        failed: list[BaseException] = []
        loop = asyncio.new_event_loop()
        task = loop.create_task(self._all(updates.append, order, on))

        def work() -> None:
            try:
                loop.run_until_complete(task)
            except asyncio.CancelledError:
                pass  # what is done stays
            except BaseException as error:  # noqa: BLE001 - it is raised on the thread that waits
                failed.append(error)
            finally:
                loop.run_until_complete(loop.shutdown_asyncgens())
                loop.close()
                ended.set()

        thread = threading.Thread(target=work, name="nbassist-sweep", daemon=True)
        thread.start()
        try:
            _show(updates, ended, view, lambda: loop.call_soon_threadsafe(task.cancel))
        finally:
            thread.join()
        if failed:
            raise failed[0]

    async def arun(self, view: SweepView | None = None) -> Runs:
        """As `run`, on the running event loop; a cancellation keeps what is done."""
        if view is not None:
            view.begin(self.runs)
        try:
            await self._all(lambda update: view.apply(update) if view is not None else None)
        finally:
            if view is not None:
                view.close()
        return self.runs

    async def _all(self, tell: Callable[[Update], None], order: Order | None = None, on: Any = None) -> None:
        try:
            with unchanged(), _taking_turns():
                if on is not None:
                    await run_on(on, self, tell)
                else:
                    await run_all(self.runs, order or self.order, self.pace(), tell)
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None  # the others say the same

    def again(self, runs: Runs) -> Runs:
        """Run what is not done."""
        return self.run()

    def keep_rating(self, run: Run) -> None:
        """Write a rating to the journal, where there is one."""
        if self.assistant.journal is not None:
            self.assistant.journal.rate_named(run_name(self.order, run.task), run.rating, since=self._made)

    def check(self, runs: Runs, test: Any, name: str = "") -> str:
        """Hold a test against each reply; an expression knows the notebook's names."""
        return check(runs, test, name, self._namespace)

    def judge(
        self, runs: Runs, rubric: str, model: str = "", told: Callable[[Update], None] = lambda update: None
    ) -> int:
        """Have a model grade the replies; return how many it graded. `told` hears how far it is, and of each grade."""

        def make(template: str, **more: Any) -> Sweep:
            options = {"off": self.order.options.get("off", False), **more.pop("options")}
            options["model"] = options["model"] or self.order.options.get("model", "")
            return Sweep(
                self.assistant, template, conversation=Conversation(), options=options, **self._options, **more
            )

        judging, graded = judge_sweep(runs, rubric, make, model)
        try:
            judging.run(_Judging(told))
        finally:
            found = take_verdicts(graded, judging.runs)
            for run in graded:
                told(Update("judged", run.task.number))
        if not found and (said := next((run.error for run in judging.runs if run.error), "")):
            raise UsageError(f"the judge graded nothing: {said}")
        return found

    def adopt(self, run: Run) -> str:
        """Make a run the turn of the thread that the sweep went on from; return the cell that asks the same."""
        name = self.order.conversation.name
        current = self.assistant.threads.current
        adopt(run, self.assistant.threads, name)
        return cell_of(run, self.order.options, "" if name in ("", current) else name)

    def _asker(self, profile: str) -> Assistant:
        if profile not in self._profiles:
            own = self.assistant
            self._profiles[profile] = Assistant(
                profile=profile,
                instructions=own.instructions,
                parameters=own.parameters,
                journal=own.journal,
                replies=own.replies,
                threads=own.threads,
            )
        return self._profiles[profile]


class _Judging:
    """Tells the view of a sweep how far its judge is."""

    def __init__(self, told: Callable[[Update], None]) -> None:
        self._told = told
        self._done = self._total = 0

    def begin(self, runs: Runs) -> None:
        self._total = len(runs)
        self._tell()

    def apply(self, update: Update) -> None:
        if update.what == "waiting":
            self._told(update)
        elif update.what == "ended":
            self._done += 1
            self._tell()

    def close(self) -> None:
        pass

    def _tell(self) -> None:
        self._told(Update("judging", text=f"{self._done:,} of {self._total:,} judged"))


@contextmanager
def _taking_turns() -> Iterator[None]:
    """Let threads take turns more often: the journal's writer would hold the loop up for 5 ms at each of its waits."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, _TURN))
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _show(updates: deque[Update], ended: threading.Event, view: SweepView | None, cancel: Callable[[], Any]) -> None:
    """Paint what happens until the runs end; an interrupt cancels them, and a second one does no harm."""
    going = True
    while going:
        try:
            going = not ended.wait(_LOOK)  # looked at now and then: waking at each piece of text would slow the runs
            while updates:
                update = updates.popleft()
                if view is not None:
                    view.apply(update)
        except KeyboardInterrupt:
            going = True
            if not ended.is_set():
                cancel()
