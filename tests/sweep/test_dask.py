"""A sweep on a Dask cluster of several processes."""

from __future__ import annotations

import json
import os
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from nbassist import Assistant
from nbassist.errors import UsageError
from nbassist.journal import Journal
from nbassist.sweep import Sweep
from nbassist.sweep.remote.dask import client_of

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("default")
CHAT = "/chat/completions"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster of two processes on this machine."""
    with (
        warnings.catch_warnings(action="ignore"),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=2, processes=True, dashboard_address=None, host="127.0.0.1"
        ) as made,
    ):
        yield made


@pytest.fixture
def client(cluster: Any) -> Iterator[Any]:
    with distributed.Client(cluster, set_as_default=False) as made:
        yield made


@pytest.fixture
def made(endpoint: Any, wire: Any, journal: Journal) -> Any:
    endpoint.on("POST", CHAT, wire.answer(wire.stream(wire.delta(content="said"), wire.delta("stop"))))

    def make(**options: Any) -> Sweep:
        assistant = Assistant(backend="chat", base_url=endpoint.url, api_key="k", model="m", journal=journal)
        return Sweep(assistant, "Say {{ item }}", **{"over": range(6), "vary": {"temperature": [0, 1]}, **options})

    return make


def test_the_same_plan_runs_on_the_workers(made: Any, client: Any, endpoint: Any, journal: Journal) -> None:
    ended: list[int] = []

    class View:
        def begin(self, runs: Any) -> None: ...
        def close(self) -> None: ...
        def apply(self, update: Any) -> None:
            if update.what == "ended":
                ended.append(update.number)

    runs = made().run(View(), on=client)
    assert [run.text for run in runs] == ["said"] * 12
    assert sorted(ended) == list(range(12))
    sent = {(body["temperature"], body["messages"][-1]["content"]) for body in endpoint.bodies(CHAT)}
    assert sent == {(t, f"Say {n}") for t in (0, 1) for n in range(6)}
    took = sorted(run.seconds for run in runs)
    assert sorted(entry.seconds for entry in journal.entries()) == took, "what the workers took, and not the keeping"
    pids = set(client.run(os.getpid).values())
    assert len(pids) == 2
    assert os.getpid() not in pids


def test_what_is_known_is_not_asked_again_wherever_it_was_asked(made: Any, client: Any, endpoint: Any) -> None:
    made(over=range(3)).run(on=client)
    asked = len(endpoint.bodies(CHAT))
    assert asked == 6
    assert all(run.cached for run in made(over=range(3)).run())
    assert sum(run.cached for run in made(over=range(4)).run(on=client)) == 6
    assert len(endpoint.bodies(CHAT)) == 8


def test_what_fails_on_a_worker_is_an_error_of_its_run(made: Any, client: Any, endpoint: Any) -> None:
    endpoint.json("POST", CHAT, {"error": {"message": "no such thing"}}, status=400)
    runs = made(over=[1]).run(on=client)
    assert all("no such thing" in run.error for run in runs)


def test_the_workers_are_given_no_run_that_would_pass_the_budget(
    made: Any, client: Any, endpoint: Any, wire: Any, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Assistant, "price", lambda self, model, usage: usage.output_tokens / 1000)
    usage = {"prompt_tokens": 10, "completion_tokens": 400, "total_tokens": 410}
    last = json.dumps({"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [], "usage": usage})
    stream = wire.stream(wire.delta(content="said"), wire.delta("stop"))
    endpoint.on("POST", CHAT, wire.answer([*stream[:-1], f"data: {last}\n\n".encode(), stream[-1]]))
    sweep = made()
    sweep.assistant.budget.limit = 2.0  # an answer is taken for 300 tokens, 30 cents, and comes to 40
    runs = sweep.run(on=client)
    asked = len(endpoint.bodies(CHAT))
    assert asked in (4, 5), "as many at once as the workers have threads, and each as dear as the dearest yet"
    assert sum(run.ok for run in runs) == asked
    assert len(journal.entries()) == asked
    assert sweep.assistant.budget.spent == pytest.approx(0.4 * asked)
    assert "not all was asked: the budget of $2.00 would be passed" in runs.warnings[0]
    sweep.assistant.budget.limit = 20.0
    assert all(run.ok for run in sweep.run(on=client))
    assert len(endpoint.bodies(CHAT)) == 12
    assert sweep.assistant.budget.spent == pytest.approx(4.8)


def test_what_is_cancelled_while_the_endpoint_answers_counts_as_what_was_set_aside_for_it(
    made: Any, client: Any, endpoint: Any, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Assistant, "price", lambda self, model, usage: usage.output_tokens / 1000)
    go, asked = threading.Event(), threading.Semaphore(0)

    def hold(piece: int) -> None:
        if piece == 0:
            asked.release()
            go.wait(60)

    class View:
        def begin(self, runs: Any) -> None: ...
        def close(self) -> None: ...
        def apply(self, update: Any) -> None:
            started.append(update.number)
            if len(started) == 4:
                assert all(asked.acquire(timeout=60) for _ in started)
                raise KeyboardInterrupt

    started: list[int] = []
    sweep = made()
    endpoint.on("POST", CHAT, wire.answer(wire.stream(wire.delta(content="late"), wire.delta("stop")), before=hold))
    sweep.assistant.budget.limit = 20.0
    try:
        runs = sweep.run(View(), on=client)
    finally:
        go.set()
    assert not any(run.ok for run in runs)
    assert sweep.assistant.budget.spent == pytest.approx(4 * 0.3), "300 tokens were set aside for each of four"


def test_a_cluster_is_named_by_its_address_or_by_a_variable(cluster: Any, client: Any) -> None:
    assert client_of("client", {"client": client}) == (client, False)
    there, ours = client_of(cluster.scheduler_address.replace("tcp://", "dask://"), {})
    assert ours
    there.close()
    with pytest.raises(UsageError, match=r"name a distributed\.Client"):
        client_of("clinet", {"client": client})
