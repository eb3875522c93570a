"""`Sweep`: a plan and an assistant; runs it to the end, or as far as the person lets it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ..assistant import Assistant
from ..config.prices import unchanged
from ..context.namespace import Names
from ..context.template import fill
from ..core.conversation import Conversation
from ..errors import BudgetError, JournalError, UsageError
from ..run.options import PromptOptions, Tools
from ..tools import Toolbox
from .estimate import Estimate, JudgeLoad, estimate
from .evaluation.best import halve
from .evaluation.checks import Check, hold, make_check
from .evaluation.grading import GradingContext, grade
from .evaluation.judge import Rubric, make_rubric
from .evaluation.measures import RatingBook
from .evaluation.pairs import BlindPairs, JudgedPairs, pair_prompts, pair_verdict, read_pairs
from .plan import Plan, make_plan, plan_of
from .prompts.prompt_lineage import scored_prompts
from .rate_limiter import Pace
from .remote.dask import run_on
from .run_list import SweepRun, Update
from .runner import SweepSpec, check_parameters, run_all, run_name
from .runs import Runs, adopt, cell_of
from .worker_thread import SweepView, check_threads, run_on_thread, taking_turns

_BEGAN = time.time()


if TYPE_CHECKING:
    from ..context.prompt import Prompt
    from .prompts.improve import Improvement


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
        What each run goes on from, on a fork. By default a sweep over inputs begins from nothing, and is the same
        whenever it is run; any other goes on from the assistant's current thread.
    options : mapping, optional
        What all runs share; the fields of `nbassist.run.options.PromptOptions`.

    Raises
    ------
    UsageError
        Where the plan can't be made, or a parameter that is varied is not known.
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
        options: PromptOptions | None = None,
        plan: Plan | None = None,
    ) -> None:
        self.assistant = assistant
        self.plan = plan or make_plan(template, vary=vary, over=over, repeat=repeat, namespace=namespace)
        check_parameters(self.plan, {**assistant.parameters, **((options or {}).get("parameters") or {})})
        if conversation is None:
            conversation = Conversation() if self.plan.over else assistant.conversation
        self.runs = Runs(self.plan, self)
        if jobs < 1:
            raise UsageError(f"a sweep needs at least one job, not {jobs}")
        for name, limit in (("rpm", rpm), ("tpm", tpm)):
            if limit < 0:
                raise UsageError(f"{name} is a number from 1, or 0 for no limit, not {limit}")
        self.pace: Callable[[], Pace] = partial(Pace, jobs, rpm=rpm, tpm=tpm)
        self._profiles: dict[str, Assistant] = {"": assistant}
        self.order = SweepSpec(
            self._asker,
            conversation,
            tools if isinstance(tools, Toolbox) else Toolbox(tools),
            options or {},
            cache,
            name=secrets.token_hex(5),
        )
        self._namespace = namespace
        self._options: dict[str, Any] = {"jobs": jobs, "rpm": rpm, "tpm": tpm, "cache": cache}
        self._ratings = RatingBook(assistant)
        self._only: list[SweepRun] | None = None

    def estimate(self, rubrics: Sequence[str] = (), judge_model: str = "") -> Estimate:
        """Return what it will take, asking nothing; with rubrics, its judge included."""
        written = getattr(self.assistant.journal, "written_tokens", None)
        return estimate(
            self.plan,
            self.order,
            getattr(self.store, "known_replies", None),
            written=written or (lambda model: 0.0),
            judging=JudgeLoad(judge_model, tuple(map(len, rubrics))) if rubrics else None,
        )

    @property
    def store(self) -> Any:
        """Where replies are kept; None for nowhere."""
        return self.assistant.journal if self.assistant.replies is None else self.assistant.replies

    def run(self, view: SweepView | None = None, *, on: Any = None, order: SweepSpec | None = None) -> Runs:
        """Run what is not done, and return when all is, or the person interrupts: what is done stays.

        The runs go on a thread of their own; the view is painted on this one.

        Parameters
        ----------
        view : SweepView, optional
            Shows it.
        on : distributed.Client, optional
            The cluster whose workers ask; in this process by default.
        order : SweepSpec, optional
            How, in place of the sweep's own.
        """
        check_threads()
        if view is not None:
            view.begin(self.runs)
        try:
            self._run(view, order, on)
        finally:
            self._ratings.find(self.runs)
            if view is not None:
                view.close()
        return self.runs

    def _run(self, view: SweepView | None, order: SweepSpec | None, on: Any) -> None:
        run_on_thread(lambda tell: self._all(tell, order, on), view)

    async def arun(self, view: SweepView | None = None) -> Runs:
        """As `run`, on the running event loop; a cancellation keeps what is done."""
        if view is not None:
            view.begin(self.runs)
        try:
            await self._all(lambda update: view.apply(update) if view is not None else None)
        finally:
            self._ratings.find(self.runs)
            if view is not None:
                view.close()
        return self.runs

    async def _all(self, tell: Callable[[Update], None], order: SweepSpec | None = None, on: Any = None) -> None:
        todo, self._only = self._only, None
        try:
            with unchanged(), taking_turns():
                if on is not None:
                    await run_on(on, self, tell)
                else:
                    await run_all(self.runs, order or self.order, self.pace(), tell, todo)
        except BudgetError as error:  # what is done stays, as after an interrupt
            if (line := f"not all was asked: {error}") not in self.runs.warnings:
                self.runs.warnings.append(line)
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None  # the others say the same

    def run_best_of(
        self, measure: Callable[[list[SweepRun]], None], view: SweepView | None = None, by: str = ""
    ) -> Runs:
        """Run by successive halving: columns that have lost are asked no more.

        Parameters
        ----------
        measure : callable
            Checks and judges the runs that it is given.
        view : SweepView, optional
            Shows it.
        by : str
            What columns are compared by; see `Runs.best`.
        """

        def ask(todo: list[SweepRun]) -> None:
            self._only = todo
            self._run(view, None, None)
            measure([run for run in todo if run.done])

        if view is not None:
            view.begin(self.runs)
        try:
            halve(self.runs, ask, by, self.runs.warnings.append)
        finally:
            self._ratings.find(self.runs)
            if view is not None:
                view.close()
        return self.runs

    def again(self, runs: Runs) -> Runs:
        """Ask anew what failed, could not be read or was not run, and check and judge that."""
        self.ask_anew([run for run in runs if not run.ok])
        for rubric in runs.rubrics.values():
            silent = [run for run in runs if run.ok and rubric.name not in run.scores]
            if silent:
                self._judge(runs, rubric, silent)
        return runs

    def ask_anew(self, failed: list[SweepRun], view: SweepView | None = None) -> Runs:
        """Ask some runs that failed anew, whatever is kept of them, and check and judge them."""
        if not failed:
            return self.runs
        # What is kept of a reply that could not be read would be read again.
        order = replace(self.order, cache="refresh") if self.order.cache == "auto" else self.order
        for run in failed:
            run.rating, run.key = "", ""
            for said in (run.checks, run.scores, run.reasons, run.costs):
                said.clear()
        self._only = failed
        self.run(view, order=order)
        for check in self.runs.tests.values():
            self._hold_again(check, failed)
        for rubric in self.runs.rubrics.values():
            self._judge(self.runs, rubric, failed)
        return self.runs

    def _hold_again(self, check: Check, failed: list[SweepRun]) -> None:
        try:
            hold(failed, check)
        except UsageError:  # it raises on each of these few, and not on the others: they have not passed
            for run in failed:
                run.checks[check.name] = False

    def keep_rating(self, run: SweepRun) -> None:
        """Write a rating where replies are kept: by the reply's key, and in the journal at its run."""
        self._ratings.keep(run, run_name(self.order, run.task))

    def improve(self, runs: Runs, by: str = "", rounds: int = 3, notes: str = "", model: str = "") -> Improvement:
        """Have a model propose new wordings, and try them; see `Runs.improve`."""
        from .prompts.improve_runs import improve_runs

        return improve_runs(self, runs, by, rounds, notes, model)

    def with_prompts(self, prompts: Sequence[Prompt], rows: Sequence[Any], variant: Mapping[str, Any]) -> Sweep:
        """Return a sweep like this one, of other wordings over some rows; all else is as in one variant."""
        kept = {name: [value] for name, value in variant.items() if name not in self.plan.alternatives}
        return Sweep(
            self.assistant,
            "",
            vary={**kept, "prompt": prompts},
            over=rows,
            repeat=self.plan.repeat,
            namespace=self._namespace,
            tools=self.order.tools,
            conversation=self.order.conversation,
            options=self.order.options,
            **self._options,
        )

    def settings(self) -> tuple[Mapping[str, Any], str]:
        """Return what all runs share, and the notebook's path; empty where that is not known."""
        shared = self.order.options
        shelf = self.assistant.threads.shelf
        said = {
            "model": shared.get("model") or self.assistant.model,
            "instructions": shared.get("instructions") or self.assistant.instructions,
            "parameters": {**self.assistant.parameters, **(shared.get("parameters") or {})},
        }
        return said, shelf.notebook if shelf else ""

    def remember(self) -> None:
        """Write the wordings, and what they scored, to the journal, where there is one."""
        journal = self.assistant.journal
        if journal is not None and not self.order.options.get("off") and (kept := scored_prompts(self.runs)):
            journal.keep_prompts(self.settings()[1], kept)

    def tried(self) -> int:
        """Return how many wordings were tried in this notebook, those of this sweep included.

        A notebook without a file is known by nothing but its kernel: there those since it began count.
        """
        here = {task.wording for task in self.plan.tasks[: len(self.plan.variants) * self.plan.repeat]}
        journal, shelf = self.assistant.journal, self.assistant.threads.shelf
        notebook = shelf.notebook if shelf else ""
        if journal is not None:
            with suppress(JournalError):
                here |= journal.wordings(notebook, 0.0 if notebook else _BEGAN)
        return max(len(here), len(self.plan.variants))

    def check(self, test: Any, name: str = "") -> Check:
        """Return a test that can be held against replies; an expression knows the notebook's names."""
        return make_check(test, name, self._namespace)

    def judge(
        self,
        runs: Runs,
        rubric: str,
        model: str = "",
        told: Callable[[Update], None] = lambda update: None,
        *,
        name: str = "",
    ) -> int:
        """Have a model grade each reply; return how many it graded. `told` hears how far it is, and of each grade.

        Raises
        ------
        UsageError
            Where there is no reply to judge, the rubric can't be filled in, or the judge graded nothing.
        """
        if not any(run.done for run in runs.touched()):
            raise UsageError("there is no reply to judge")
        others = [known for known, one in runs.rubrics.items() if (one.text, one.model) != (rubric, model)]
        made = make_rubric(rubric, name, model, others)
        found = self._judge(runs, made, [run for run in runs.touched() if run.done], told)
        runs.rubrics[made.name] = made
        return found

    def try_rubric(self, rubric: str) -> None:
        """Fill a rubric in for the first input, before anything is asked; UsageError where that can't be done."""
        if len(self.plan):
            fill(rubric, Names({**(self._namespace or {}), **self.plan.inputs[0].names, "text": ""}))

    def judge_pairs(self, runs: Runs, rubric: str, model: str = "") -> JudgedPairs:
        """Have a model say which of two replies is better, each pair in both orders."""
        blind = BlindPairs(runs)
        pairs = list(blind.waiting)
        if not pairs:
            raise UsageError("there are no two replies to one input that differ")
        judging = self.beside(pair_prompts(runs, pairs, rubric), model, as_=pair_verdict())
        judging.run()
        chosen = [one.reply.value.better if one.reply and one.reply.value else None for one in judging.runs]
        return read_pairs(runs, pairs, chosen)

    def beside(self, prompts: list[str], model: str, **said: Any) -> Sweep:
        """Return a sweep that asks these prompts of a judge, from nothing."""
        shared = self.order.options
        options: PromptOptions = {"off": shared.get("off", False), "instructions": "", **said}  # type: ignore[typeddict-item]
        options["model"] = model or shared.get("model", "")
        return Sweep(
            self.assistant,
            "",
            conversation=Conversation(),
            options=options,
            plan=plan_of(prompts),
            **self._options,
        )

    def _judge(
        self, runs: Runs, rubric: Rubric, chosen: list[SweepRun], told: Callable[[Update], None] = lambda update: None
    ) -> int:
        def make(prompts: list[str], **said: Any) -> Sweep:
            return self.beside(prompts, rubric.model, **said)

        context = GradingContext(self.order, self.assistant.instructions, self.assistant.model, self._namespace or {})
        return grade(runs, rubric, chosen, context, make, told)

    def adopt(self, run: SweepRun) -> str:
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
                budget=own.budget,
            )
        return self._profiles[profile]
