"""`--leave` and `%assistant resume` in a real kernel: an interrupt, a restart and a death in the middle of a reply."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.kernel
PATH = "/responses"
CALL = {"type": "function_call", "id": "fc", "call_id": "c1", "name": "row_count", "arguments": '{"table": "orders"}'}


def stream(*pieces: str, number: int = 1, call: bool = False) -> list[bytes]:
    """A background response, one piece for each event."""
    base = {"id": f"resp_{number}", "model": "m", "background": True}
    whole = [{"type": "output_text", "text": "".join(pieces), "annotations": []}]
    output = [{"type": "message", "id": "msg", "role": "assistant", "content": whole}, *([CALL] if call else [])]
    events = [
        {"type": "response.created", "response": {**base, "status": "queued"}},
        *({"type": "response.output_text.delta", "item_id": "msg", "delta": piece} for piece in pieces),
        {"type": "response.completed", "response": {**base, "status": "completed", "output": output}},
    ]
    return [
        f"event: {event['type']}\ndata: {json.dumps({**event, 'sequence_number': place})}\n\n".encode()
        for place, event in enumerate(events)
    ]


@pytest.fixture
def notebook(start_kernel: Callable[..., Any], tmp_path: Path) -> Any:
    return start_kernel(
        NBASSIST_BACKEND="responses", NBASSIST_MODEL="m", JPY_SESSION_NAME=str(tmp_path / "orders.ipynb")
    )


@pytest.fixture
def half(notebook: Any, endpoint: Any, wire: Any) -> Any:
    """Begin a reply whose stream stands still in the middle; return what runs the cell until `stop` broke it off."""
    go = threading.Event()
    pieces = stream("Let me look.", " More to come.", call=True)
    held = wire.answer(pieces, before=lambda number: go.wait(60) if number == 2 else None)
    endpoint.on("POST", PATH, held, wire.answer(stream("There are 12.", number=2)))
    endpoint.on("GET", f"{PATH}/resp_1", wire.answer(pieces[1:]))

    def run(stop: Callable[[], None], flags: str = "--leave") -> Any:
        stopped: list[int] = []

        def watch(message: dict[str, Any]) -> None:
            if not stopped and "Let me look." in json.dumps(message["content"]):
                stopped.append(1)
                stop()

        ran = notebook.run(f"%%assistant {flags}\nHow many orders?", cell="a", watch=watch)
        go.set()
        return ran

    yield run
    go.set()


def asked(endpoint: Any) -> list[str]:
    return [f"{one.method} {one.path.partition('?')[0]}" for one in endpoint.asked]


@pytest.mark.fresh_kernel
def test_an_interrupted_reply_is_left_and_read_on_with_its_tools_after_a_restart(
    notebook: Any, half: Any, endpoint: Any
) -> None:
    ran = half(notebook.interrupt)
    assert ran.error is not None
    assert ran.error["traceback"] == ["Left: the reply goes on at the endpoint: %assistant resume reads it from there"]
    assert "%assistant resume" in ran.html
    assert asked(endpoint) == [f"POST {PATH}"]
    notebook.restart()
    ran = notebook.run("%assistant resume --to answer", cell="b")
    assert ran.error is None, ran.error
    assert "reads on the reply to: How many orders?" in ran.plain
    assert "Let me look. More to come." in ran.plain
    assert "There are 12." in ran.plain
    assert asked(endpoint)[1:] == [f"GET {PATH}/resp_1", f"POST {PATH}"]
    outputs = [item for item in endpoint.bodies(PATH)[-1]["input"] if item.get("type") == "function_call_output"]
    assert [item["output"] for item in outputs] == ["12"]
    assert notebook.run("answer.text, len(answer.tool_calls)").result == "('There are 12.', 1)"


@pytest.mark.fresh_kernel
def test_a_reply_is_read_on_after_its_kernel_died(notebook: Any, half: Any, endpoint: Any) -> None:
    request = notebook.send("%%assistant --leave -t ideas\nHow many orders?", "a")
    while "Let me look." not in json.dumps(notebook.client.get_iopub_msg(timeout=60)["content"]):
        pass
    assert request
    notebook.manager.signal_kernel(9)
    notebook.restart()
    ran = notebook.run("%assistant resume -t ideas", cell="b")
    assert ran.error is None, ran.error
    assert "There are 12." in ran.plain
    history = notebook.run("%assistant history ideas").result
    assert "More to come." in history


def test_the_thread_is_named_in_what_the_cell_says(notebook: Any, half: Any) -> None:
    ran = half(notebook.interrupt, "--leave -t ideas")
    assert "%assistant resume -t ideas" in ran.error["traceback"][0]
    assert "no reply was left in the thread 'main'" in notebook.run("%assistant resume").error["traceback"][0]


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("%assistant resume", "no reply was left"),
        ("%assistant resume more", "takes no prompt"),
        ("%%assistant --leave --repeat 2\nhi", "--leave is for one reply"),
    ],
)
def test_what_can_not_be_is_one_line(notebook: Any, endpoint: Any, cell: str, words: str) -> None:
    ran = notebook.run(cell)
    assert ran.error is not None
    assert len(ran.error["traceback"]) == 1
    assert words in ran.error["traceback"][0]
    assert endpoint.asked == []


def test_an_endpoint_without_background_runs_is_one_line(start_kernel: Callable[..., Any], endpoint: Any) -> None:
    ran = start_kernel(NBASSIST_MODEL="m").run("%%assistant --leave\nhi")
    assert len(ran.error["traceback"]) == 1
    assert "--leave needs an endpoint with Responses" in ran.error["traceback"][0]
    assert endpoint.asked == []
