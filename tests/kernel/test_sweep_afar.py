"""Sweeps of a notebook that are asked elsewhere: by the processes of a Dask cluster, and in a batch."""

from __future__ import annotations

import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "sweep"))

from batch_service import Service

from nbassist.journal import default_journal

pytestmark = pytest.mark.kernel
CHAT = "/chat/completions"


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """The address of a cluster of two processes on this machine."""
    distributed = pytest.importorskip("distributed")
    with (
        warnings.catch_warnings(action="ignore"),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        ) as made,
    ):
        yield made.scheduler_address.removeprefix("tcp://")


@pytest.fixture
def echo(endpoint: Any, wire: Any) -> Any:
    endpoint.on("POST", CHAT, wire.answer(wire.stream(wire.delta(content="said"), wire.delta("stop"))))
    return endpoint


def done(kernel: Any) -> str:
    result: str = kernel.run("sum(run.ok for run in _)").result
    return result


@pytest.mark.filterwarnings("default")
def test_a_cell_is_asked_by_a_cluster_and_stands_in_the_log(kernel: Any, echo: Any, scheduler: str) -> None:
    cell = "--vary temperature=0,1 --over orders[:3]\nSay {{ item }}"
    ran = kernel.run(f"%%assistant --on dask://{scheduler} {cell}")
    assert ran.error is None, ran.error
    assert "2×3 = 6 calls" in ran.stdout
    assert "6 done" in ran.html
    assert done(kernel) == "6"
    assert len(echo.bodies(CHAT)) == 6
    assert "Say 2" in kernel.run("%assistant log").result
    kernel.run(f"import distributed; there = distributed.Client('tcp://{scheduler}', set_as_default=False)")
    again = kernel.run(f"%%assistant --on there {cell.replace(':3', ':4')}")
    assert "6 from the cache" in again.stdout
    assert done(kernel) == "8"
    assert len(echo.bodies(CHAT)) == 8
    kernel.run("there.close()")


@pytest.mark.filterwarnings("default")
def test_an_interrupt_keeps_what_the_cluster_has_done(kernel: Any, endpoint: Any, wire: Any, scheduler: str) -> None:
    third, go = threading.Event(), threading.Event()
    count = 0

    def hold(number: int) -> None:
        nonlocal count
        count += number == 0
        if number == 0 and count >= 3 and not go.is_set():
            third.set()
            go.wait(60)

    endpoint.on("POST", CHAT, wire.answer(wire.stream(wire.delta(content="said"), wire.delta("stop")), before=hold))
    cell = f"%%assistant --on dask://{scheduler} --over orders[:6]\nSay {{{{ item }}}}"
    asked = kernel.send(cell)
    assert third.wait(60)
    ran = kernel.wait(asked, interrupt_when=lambda: kept(2))
    go.set()
    assert ran.error is None, ran.error
    assert done(kernel) == "2"
    again = kernel.run(cell)
    assert "2 from the cache" in again.stdout
    assert done(kernel) == "6"


def kept(runs: int) -> bool:
    """Whether so many runs are in the journal, as the kernel writes it."""
    entries = default_journal().entries()
    return sum(entry.prompt.startswith("Say") for entry in entries) >= runs


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    yield made
    made.close()


def seen(service: Service, looks: int) -> None:
    deadline = time.monotonic() + 60
    while service.looks < looks:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.fresh_kernel
def test_a_batch_is_collected_after_the_kernel_was_restarted(
    start_kernel: Callable[..., Any], service: Service
) -> None:
    kernel = start_kernel(NBASSIST_BASE_URL=service.url, NBASSIST_MODEL="gpt-4o", NBASSIST_API_KEY="k")
    service.hold = True
    cell = "%%assistant --batch --over orders[:3]\nSay {{ item }}"
    kernel.send(cell)
    seen(service, 1)
    kernel.restart()
    service.hold, service.looks = False, 3
    ran = kernel.run(cell)
    assert ran.error is None, ran.error
    assert "batch batch_0: completed" in ran.stdout
    assert len(service.batches) == 1
    assert kernel.run("[run.text for run in _]").result == "['said Say 0', 'said Say 1', 'said Say 2']"
    again = kernel.run(cell)
    assert "3 from the cache" in again.stdout
    assert len(service.batches) == 1


def test_an_interrupt_leaves_the_batch_to_the_endpoint(start_kernel: Callable[..., Any], service: Service) -> None:
    kernel = start_kernel(NBASSIST_BASE_URL=service.url, NBASSIST_MODEL="gpt-4o", NBASSIST_API_KEY="k")
    service.hold = True
    cell = "%%assistant --batch --over people --to runs\nSay {{ item }}"
    asked = kernel.send(cell)
    seen(service, 1)
    kernel.interrupt()
    ran = kernel.wait(asked)
    assert "run this cell again to collect it" in ran.error["evalue"]
    assert len(ran.error["traceback"]) == 1
    service.hold, service.looks = False, 3
    assert kernel.run(cell).error is None
    assert kernel.run("all(run.reply.cost > 0 and not run.cached for run in runs)").result == "True"
    assert "$" in kernel.run("%assistant usage").result
    assert len(service.batches) == 1
