"""A cell that asks for many runs: its plan, whether it may, the sweep itself, and what it hands over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from ..errors import UsageError
from ..run.options import PromptOptions
from .first_use import someone_can_answer
from .line.parsed_options import Options

if TYPE_CHECKING:
    from ..sweep import Runs, Sweep
    from ..sweep.worker_thread import SweepView
    from .config import Config

# Not handed on to each prompt: the cache is the sweep's own, it replaces no turn, and `--leave` was refused.
_NOT_OF_A_SWEEP: tuple[Literal["cache", "turn", "leave"], ...] = ("cache", "turn", "leave")


def run_sweep(magics: Config, template: str, options: Options) -> Any:
    """Plan a sweep, say what it takes, run it, and return the runs as the cell's result; None for a dry run.

    Raises
    ------
    UsageError
        Where the plan can't be made, or is large and nobody is there to allow it.
    """
    from ..config.settings import display_kind
    from ..sweep.view import make_sweep_view, run_and_judge

    sweep = _sweep(magics, template, options)
    estimate = sweep.estimate(options.judges, options.judge_model)
    print(estimate)  # noqa: T201 - the plan is printed before anything is asked
    if options.dry_run:
        return None
    # Only what the endpoint is asked counts: recorded replies cost nothing.
    if estimate.calls > magics.ask_above and not options.yes:
        _allow(magics, estimate.calls)
    view = make_sweep_view(display_kind(), magics.notebook_shell)
    with _place(magics, sweep, options) as place:
        runs = run_and_judge(
            sweep,
            view,
            options.checks,
            options.judges,
            place,
            judge_model=options.judge_model,
            only_failed=options.only == "failed",
            best_of=options.best_of,
        )
    if options.to:
        magics.notebook_shell.user_ns[options.to] = runs
    return _hand_over(runs, magics.notebook_shell)


@contextmanager
def _place(magics: Config, sweep: Sweep, options: Options) -> Iterator[Any]:
    """Give what runs the sweep: in this process, on a cluster, or as a batch."""
    if options.on and options.batch:
        raise UsageError("--on and --batch contradict each other")
    if options.best_of and (options.on or options.batch):
        raise UsageError("--best-of goes step by step, in this process: it goes with neither --on nor --batch")
    if options.batch:
        yield lambda view: _as_batch(sweep, view)
    elif options.on:
        from ..sweep.remote.dask import client_of

        if options.tools:
            print("tools stay in this process: on the cluster none can be called")  # noqa: T201
        # The person's own client stays open; one that was made from an address is ours to close.
        client, ours = client_of(options.on, magics.notebook_shell.user_ns)
        try:
            yield lambda view: sweep.run(view, on=client)
        finally:
            if ours:
                client.close()
    else:
        yield None


def _as_batch(sweep: Sweep, view: SweepView) -> Runs:
    from ..sweep.remote.batch import run_batch

    try:
        return run_batch(sweep, view, told=_Told())
    except KeyboardInterrupt:
        line = "the batch goes on at the endpoint: run this cell again to collect it, also after a restart"
        # No interrupt to the cell: nothing broke off, the batch goes on by itself.
        raise UsageError(line) from None


class _Told:
    """Says how far a batch is, where that changed."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, state: Any) -> None:
        done = f", {state.done:,} of {state.total:,} done" if state.total else ""
        failed = f", {state.failed:,} failed" if state.failed else ""
        line = f"batch {state.id}: {state.status.replace('_', ' ')}{done}{failed}"
        if line != self._last:
            self._last = line
            print(line)  # noqa: T201


def _hand_over(runs: Runs, shell: Any) -> Runs | None:
    """Make the runs the result of the cell, which has shown them; in a terminal there is no bare `Out[n]:`."""
    if hasattr(shell, "kernel"):
        runs.shown = True
        return runs
    shell.displayhook.update_user_ns(runs)
    return None


def _sweep(magics: Config, template: str, options: Options) -> Sweep:
    from ..context.namespace import evaluate
    from ..context.template import escaped
    from ..sweep import Sweep
    from ..tools import Toolbox, current
    from .run_cell import prepare_assistant

    namespace = magics.notebook_shell.user_ns
    if options.raw:
        template = escaped(template)
    if options.show_prompt:
        raise UsageError("--show-prompt is for one prompt; --dry-run says what a sweep asks")
    over = evaluate(options.over, namespace, f"--over {options.over}") if options.over else None
    # A sweep is run again and again while it is tuned; what it asked before it does not ask again.
    cache = options.prompt.get("cache") or (magics.cache if magics.cache != "off" else "auto")
    # None unless they are named: many runs at once would call functions of the notebook side by side.
    tools = Toolbox(current().values()).select(options.tools) if options.tools else Toolbox()
    assistant = prepare_assistant(magics, options)
    said: PromptOptions = {"instructions": magics.system, "namespace": namespace, **options.prompt}
    if "cells" in said.get("see", ()):
        cells = magics.log.cells()  # once: on a cluster there is no notebook to look at
        said["cells"] = lambda: cells
    thread = said.pop("thread", "")
    for name in _NOT_OF_A_SWEEP:
        said.pop(name, None)
    return Sweep(
        assistant,
        template,
        vary=_prompts_in(options.vary, namespace),
        over=over,
        repeat=options.repeat or 1,
        namespace=namespace,
        jobs=options.jobs or 4,
        rpm=options.rpm,
        tpm=options.tpm,
        tools=tools,
        cache=cache,
        conversation=magics.session.threads[thread] if thread else None,
        options=said,
    )


def _prompts_in(vary: Mapping[str, tuple[Any, ...]], namespace: Mapping[str, Any]) -> Mapping[str, tuple[Any, ...]]:
    """Give the wordings that `--vary prompt=A,B` names: variables of the notebook, or files."""
    if "prompt" not in vary:
        return vary
    from pathlib import Path

    from ..context.namespace import evaluate, is_expression
    from ..context.prompt import Prompt
    from ..context.template import texts_of

    found: list[str] = []
    for said in map(str, vary["prompt"]):
        if Path(said).suffix and Path(said).is_file():
            found.append(Prompt.read(said))
        elif is_expression(said):
            found += texts_of(evaluate(said, namespace, f"--vary prompt={said}"), said, f"--vary prompt={said}")
        else:
            raise UsageError(f"--vary prompt={said}: name variables that hold the texts, or files")
    return {**vary, "prompt": tuple(found)}


def _allow(magics: Config, runs: int) -> None:
    if not someone_can_answer(magics.notebook_shell):
        raise UsageError(f"{runs:,} runs are more than {magics.ask_above:,}: allow it with --yes")
    if input(f"{runs:,} runs will be asked of the endpoint. Go on? [y/N] ").strip().lower() not in ("y", "yes"):
        raise UsageError("the sweep was not run")
