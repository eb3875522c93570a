"""A cell that asks for many runs: its plan, whether it may, the sweep itself, and what it hands over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .firstuse import someone_can_answer
from .options import Options

if TYPE_CHECKING:
    from ..sweep import Runs, Sweep
    from ..sweep.sweep import SweepView
    from .config import Config


def run_sweep(magics: Config, template: str, options: Options) -> Any:
    """Plan a sweep, say what it takes, run it, and return the runs as the cell's result; None for a dry run.

    Raises
    ------
    UsageError
        Where the plan can't be made, or is large and nobody is there to allow it.
    """
    from ..settings import display_kind
    from ..sweep.view import make_sweep_view, run_and_judge

    sweep = _sweep(magics, template, options)
    estimate = sweep.estimate()
    print(estimate)  # noqa: T201 - the plan is printed before anything is asked
    if options.dry_run:
        return None
    if estimate.runs - estimate.cached > magics.ask_above and not options.yes:
        _allow(magics, estimate.runs - estimate.cached)
    view = make_sweep_view(display_kind(), magics.notebook_shell)
    with _place(magics, sweep, options) as place:
        runs = run_and_judge(sweep, view, options.checks, options.judge, place)
    if options.to:
        magics.notebook_shell.user_ns[options.to] = runs
    return _hand_over(runs, magics.notebook_shell)


@contextmanager
def _place(magics: Config, sweep: Sweep, options: Options) -> Iterator[Any]:
    """Give what runs the sweep: in this process, on a cluster, or as a batch."""
    if options.on and options.batch:
        raise UsageError("--on and --batch contradict each other")
    if options.batch:
        yield lambda view: _as_batch(sweep, view)
    elif options.on:
        from ..sweep.dask import client_of

        if options.tools:
            print("tools stay in this process: on the cluster none can be called")  # noqa: T201
        client, ours = client_of(options.on, magics.notebook_shell.user_ns)
        try:
            yield lambda view: sweep.run(view, on=client)
        finally:
            if ours:
                client.close()
    else:
        yield None


def _as_batch(sweep: Sweep, view: SweepView) -> Runs:
    from ..sweep.batch import run_batch

    try:
        return run_batch(sweep, view, told=_Told())
    except KeyboardInterrupt:
        line = "the batch goes on at the endpoint: run this cell again to collect it, also after a restart"
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
    from ..context.names import evaluate
    from ..sweep import Sweep
    from ..tools import Toolbox, current
    from .running import prepare_assistant

    namespace = magics.notebook_shell.user_ns
    over = evaluate(options.over, namespace, f"--over {options.over}") if options.over else None
    cache = options.cache or (magics.cache if magics.cache != "off" else "auto")
    tools = Toolbox(current().values()).select(options.tools) if options.tools else Toolbox()
    assistant = prepare_assistant(magics, options)
    return Sweep(
        assistant,
        template,
        vary=options.vary,
        over=over,
        repeat=options.repeat or 1,
        namespace=namespace,
        jobs=options.jobs or 4,
        rpm=options.rpm,
        tpm=options.tpm,
        tools=tools,
        cache=cache,
        conversation=magics.session.threads[options.thread],
        options={
            "model": options.model,
            "instructions": options.system or magics.system,
            "parameters": options.parameters,
            "reasoning": options.reasoning,
            "see": options.see,
            "images": options.images,
            "files": options.files,
            "as_": options.shape,
            "namespace": namespace,
            "off": options.off,
        },
    )


def _allow(magics: Config, runs: int) -> None:
    if not someone_can_answer(magics.notebook_shell):
        raise UsageError(f"{runs:,} runs are more than {magics.ask_above:,}: allow it with --yes")
    if input(f"{runs:,} runs will be asked of the endpoint. Go on? [y/N] ").strip().lower() not in ("y", "yes"):
        raise UsageError("the sweep was not run")
