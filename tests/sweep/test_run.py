"""A sweep is run: many at once, each on a fork, what fails and what is interrupted costs nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nbassist import Assistant, tool
from nbassist.core.events import (
    Event,
    Retrying,
    TextDelta,
    ToolCallReady,
    ToolCallStarted,
    TurnEnded,
    TurnStarted,
    Usage,
)
from nbassist.core.messages import Request
from nbassist.errors import ConnectionFailedError, UsageError
from nbassist.journal import Journal
from nbassist.sweep import Runs, Sweep, SweepRun
from nbassist.sweep.rate_limiter import Pace
from nbassist.sweep.run_list import Update
from nbassist.sweep.view import make_sweep_view, run_and_judge


class Model:
    """Says back the last prompt; `act` may wait, fail, or give further events."""

    name = "model"

    def __init__(self, act: Callable[[str], Any] | None = None) -> None:
        self.act = act
        self.asked: list[Request] = []
        self.now = self.most = 0

    def stream(self, request: Request) -> Iterator[Event]:
        raise AssertionError("a sweep runs on an event loop")

    async def astream(self, request: Request) -> AsyncIterator[Event]:
        self.asked.append(request)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            prompt = request.messages[-1].text
            if self.act is not None:
                for event in await self.act(prompt) or ():
                    yield event
            yield TurnStarted(model=request.model)
            yield TextDelta(f"{prompt} by {request.model}")
            yield TurnEnded("stop", Usage(10, 5, known=True))
        finally:
            self.now -= 1

    def cancel(self, cursor: Any, *, forget: bool = False) -> dict[str, str]:
        return {}

    def models(self) -> list[str]:
        return []


def sweep(model: Model, template: str = "say {{ item }}", **options: Any) -> Sweep:
    assistant = Assistant(backend=model, journal=options.pop("journal", None))  # type: ignore[arg-type]
    return Sweep(assistant, template, **options)


def test_each_run_has_its_variant_and_its_input() -> None:
    model = Model()
    runs = sweep(model, vary={"model": ["a", "b"], "temperature": [0]}, over=["x", "y"]).run()
    assert [run.text for run in runs] == ["say x by a", "say x by b", "say y by a", "say y by b"]
    assert all(request.parameters == {"temperature": 0} for request in model.asked)
    assert all(run.ok and run.seconds > 0 and run.first_token > 0 for run in runs)


def test_no_more_than_jobs_run_at_once_and_no_fewer() -> None:
    async def wait(prompt: str) -> None:
        await asyncio.sleep(0.01)

    model = Model(wait)
    sweep(model, over=range(30), jobs=7).run()
    assert model.most == 7
    assert len(model.asked) == 30


def test_each_run_goes_on_from_the_thread_on_a_fork_of_its_own() -> None:
    model = Model()
    assistant = Assistant(backend=model)  # type: ignore[arg-type]
    asyncio.run(assistant.aask("before"))
    Sweep(assistant, "say {{ item }}", over=["x", "y"], conversation=assistant.conversation).run()
    for request in model.asked[1:]:
        assert next(m.text for m in request.messages if m.role == "user") == "before"
        assert len(request.messages) == 3
    assert len(assistant.conversation.turns) == 1, "the thread itself is as it was"


def test_what_fails_is_an_error_of_that_run_alone_and_can_be_run_again() -> None:
    broken = True

    async def fail(prompt: str) -> None:
        if broken and prompt == "say y":
            raise ConnectionFailedError("no answer")

    runs = sweep(Model(fail), over=["x", "y", "z"]).run()
    assert [run.error for run in runs] == ["", "no answer", ""]
    broken = False
    again = runs.retry_errors()
    assert again is runs
    assert [run.text for run in runs] == [f"say {i} by " for i in "xyz"]


def test_a_sweep_that_is_cancelled_keeps_what_is_done() -> None:
    held = asyncio.Event()

    async def hang(prompt: str) -> None:
        if "2" in prompt:
            await held.wait()

    model = Model(hang)
    made = sweep(model, over=range(4), jobs=1)

    async def go() -> None:
        task = asyncio.create_task(made.arun())
        while len(model.asked) < 3:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(go())
    assert [run.done for run in made.runs] == [True, True, False, False]
    model.act = None
    made.run()
    assert [run.done for run in made.runs] == [True] * 4
    assert len(model.asked) == 5, "what was done is not asked again"


def test_the_same_sweep_again_comes_from_the_cache_and_repeats_are_asked_each(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    model = Model()
    options: dict[str, Any] = {"over": ["x"], "repeat": 2, "journal": journal}
    first = sweep(model, **options).run()
    assert len(model.asked) == 2
    before = sweep(model, **options).estimate()
    assert (before.runs, before.cached) == (2, 2)
    second = sweep(model, **options).run()
    assert len(model.asked) == 2
    assert [run.cached for run in first] == [False, False]
    assert [run.cached for run in second] == [True, True]
    sweep(model, over=["x", "y"], repeat=2, journal=journal).run()
    assert len(model.asked) == 4, "only what is new is asked"
    journal.close()


def test_tools_are_off_unless_named_and_those_that_need_approval_are_refused() -> None:
    @tool(name="sweep_danger", approve=True)
    def danger() -> str:
        "Do."
        raise AssertionError("it was run")

    class Calling(Model):
        async def astream(self, request: Request) -> AsyncIterator[Event]:
            self.asked.append(request)
            yield TurnStarted()
            if request.tools and request.messages[-1].role == "user":
                yield ToolCallStarted("c", "sweep_danger")
                yield ToolCallReady("c", "sweep_danger", "{}")
                yield TurnEnded("tool_calls")
                return
            yield TextDelta("done")
            yield TurnEnded("stop")

    model = Calling()
    sweep(model, over=["x"]).run()
    assert model.asked[0].tools == ()
    (run,) = sweep(model, over=["x"], tools=[danger]).run()
    assert "not allowed" in run.reply.tool_calls[0].error  # type: ignore[union-attr]


def test_one_wait_of_the_endpoint_holds_all() -> None:
    pace = Pace(4, clock=lambda: 100.0)
    pace.hold(5)
    pace.hold(2)
    assert pace.seconds_to_wait() == 5


def test_requests_and_tokens_a_minute_are_kept() -> None:
    now = 0.0
    pace = Pace(9, rpm=2, tpm=100, clock=lambda: now)
    for at in (0.0, 10.0):
        now = at
        pace._begun.append(at)
    now = 20.0
    assert pace.seconds_to_wait() == 40.0
    now = 61.0
    assert pace.seconds_to_wait() == 0.0
    pace.spend(90)
    assert pace.seconds_to_wait() == 0.0
    now = 62.0
    pace.spend(20)
    assert pace.seconds_to_wait() == 59.0


def test_a_retry_of_one_run_is_told_and_holds_the_others() -> None:
    async def slow_down(prompt: str) -> list[Event]:
        return [Retrying(0.05, 1, "429", everyone=True)] if "0" in prompt else []

    told: list[Update] = []

    class View:
        def begin(self, runs: Runs) -> None: ...
        def close(self) -> None: ...
        def apply(self, update: Update) -> None:
            told.append(update)

    sweep(Model(slow_down), over=range(3), jobs=1).run(View())
    assert [u.seconds for u in told if u.what == "waiting"] == [0.05]
    assert [u.number for u in told if u.what == "ended"] == [0, 1, 2]


def test_a_sweep_that_is_wrong_in_itself_stops_at_once() -> None:
    with pytest.raises(UsageError, match="no option 'nothing'"):
        sweep(Model(), over=range(9), options={"nothing": 1}).run()
    with pytest.raises(UsageError, match="at least one job"):
        sweep(Model(), "hi", jobs=0)


@pytest.mark.parametrize("name", ["rpm", "tpm"])
def test_a_limit_below_none_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} is a number from 1, or 0 for no limit, not -1"):
        sweep(Model(), "hi", **{name: -1})


def test_an_estimate_says_runs_tokens_and_money() -> None:
    estimate = sweep(Model(), vary={"model": ["gpt-4o"]}, over=["x" * 4000]).estimate()
    assert estimate.input_tokens == pytest.approx(1000, rel=0.1)
    assert "free" in str(estimate), "an object of ours costs nothing"
    assert str(estimate).startswith("1×1 = 1 call")


def test_the_table_has_a_row_for_each_run(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    runs = sweep(Model(), vary={"model": ["a", "b"]}, over={"k": "x", "l": "y"}, repeat=2).run()
    frame = runs.df
    assert len(frame) == 8
    assert {"model", "input", "repeat", "prompt_hash", "text", "finish", "error", "first_token_s", "total_s"} <= set(
        frame.columns
    )
    assert list(runs.pivot().index) == ["k", "l"]
    assert runs.pivot().loc["k", "a"] == ["say x by a", "say x by a"]
    with pytest.raises(UsageError, match="there is no column 'txet'"):
        runs.pivot("txet")


def test_the_table_is_written_as_parquet_and_read_again(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    over = {"k": ("x", 1), 7: ("y", 2)}  # labels and values of several types
    runs = sweep(Model(), vary={"model": ["a"], "stop": [["."], None]}, over=over).run()
    runs.check(lambda text: "x" in text, name="x")
    path = runs.to_parquet(tmp_path / "runs.parquet")
    read = pd.read_parquet(path)
    assert list(read["text"]) == list(runs.df["text"])
    assert list(read["check_x"]) == [True, True, False, False]
    assert read["input"].tolist() == ["k", "k", "7", "7"]
    assert read["total_s"].tolist() == pytest.approx(runs.df["total_s"].tolist())


def test_without_pyarrow_parquet_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pd = pytest.importorskip("pandas")

    def missing(*_: Any, **__: Any) -> None:
        raise ImportError("Unable to find a usable engine; tried using: 'pyarrow', 'fastparquet'.")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", missing)
    with pytest.raises(UsageError, match=r'pip install .*\[parquet\]"'):
        sweep(Model(), over=["x"]).run().to_parquet(tmp_path / "runs.parquet")


def test_an_empty_run_is_a_row_too() -> None:
    made = sweep(Model(), over=["x"])
    assert made.runs[0].row()["finish"] == "not run"
    assert isinstance(made.runs[0], SweepRun)


def test_a_display_without_a_grid_of_its_own_shows_the_static_one(
    swept: Callable[..., Sweep], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[object] = []
    monkeypatch.setattr("nbassist.sweep.view.publish", shown.append)
    for kind in ("none", "static", "one of a person's own"):
        run_and_judge(swept(lambda prompt, model: "yes", "is it?"), make_sweep_view(kind))
    assert len(shown) == 2


@pytest.mark.parametrize(("jobs", "limit", "most"), [(1, 0.3225, 5), (4, 0.3225, 5)])
def test_no_run_begins_once_one_would_pass_the_budget_and_those_under_way_come_to_their_end(
    swept: Callable[..., Sweep], monkeypatch: pytest.MonkeyPatch, jobs: int, limit: float, most: int
) -> None:
    # An answer is taken for 300 tokens, and has five.
    monkeypatch.setattr(Assistant, "price", lambda self, model, usage: usage.output_tokens / 1000)
    sweep = swept(lambda prompt, model: prompt, "{{ item }}", over=range(200), jobs=jobs)
    sweep.assistant.budget.limit = limit
    runs = sweep.run()
    asked = len(sweep.assistant.backend.asked)
    assert 0 < asked <= most
    assert sum(run.ok for run in runs) == asked
    assert sweep.assistant.budget.spent == pytest.approx(0.005 * asked)
    assert "would be passed" in runs.warnings[0]
    assert not any(run.error for run in runs)
    sweep.assistant.budget.limit = 2.0
    assert all(run.ok for run in sweep.run())
    assert len(sweep.assistant.backend.asked) == 200
