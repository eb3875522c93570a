"""Conversations on each protocol, in a real kernel: what the model is told after going back, forking and interrupts.

Chat and Responses speak to a scripted endpoint; Assistants to the real server, whose upstream that endpoint is.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.kernel
CHAT, RESPONSES = "/chat/completions", "/responses"


def responses_stream(text: str) -> list[bytes]:
    item = {"type": "message", "id": "msg", "role": "assistant", "content": []}
    whole = {**item, "content": [{"type": "output_text", "text": text, "annotations": []}]}
    base = {"id": "resp_1", "model": "m"}
    at = {"item_id": "msg", "output_index": 0, "content_index": 0}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**base, "status": "in_progress"}},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.output_text.delta", **at, "delta": text},
        {"type": "response.output_item.done", "output_index": 0, "item": whole},
        {"type": "response.completed", "response": {**base, "status": "completed", "output": [whole]}},
    ]
    return [f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in events]


class Model:
    """The model behind one of the protocols: what it says, and what it was told."""

    def __init__(self, backend: str, endpoint: Any, wire: Any) -> None:
        self.backend = backend
        self.path = RESPONSES if backend == "responses" else CHAT
        self._endpoint = endpoint
        self._wire = wire

    def says(self, *texts: str, before: Callable[[int], None] | None = None) -> None:
        """Answer with each text in turn, the last again and again; `before` is called before each piece."""
        self._endpoint.on("POST", self.path, *(self._wire.answer(self._stream(t), before=before) for t in texts))

    def _stream(self, text: str) -> list[bytes]:
        if self.backend == "responses":
            return responses_stream(text)
        return list(self._wire.stream(self._wire.delta(content=text), self._wire.delta("stop")))

    @property
    def told(self) -> list[tuple[str, str]]:
        """The messages of the last request, oldest first: pairs of role and text."""
        body = self._endpoint.bodies(self.path)[-1]
        items = body["input"] if self.backend == "responses" else body["messages"]
        return [(m["role"], _text(m["content"])) for m in items if m.get("role") in ("user", "assistant")]

    @property
    def prompts(self) -> list[str]:
        return [text for role, text in self.told if role == "user"]


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


@pytest.fixture(params=["chat", "responses", "assistants"])
def model(request: pytest.FixtureRequest, endpoint: Any, wire: Any) -> Model:
    made = Model(request.param, endpoint, wire)
    made.says("said")
    return made


@pytest.fixture
def url(model: Model, endpoint: Any, serve: Callable[..., Any]) -> Iterator[str]:
    """Where the kernel sends its prompts."""
    if model.backend != "assistants":
        yield endpoint.url
        return
    endpoint.json("GET", "/models", {"object": "list", "data": [{"id": "m", "object": "model"}]})
    with serve() as (line, _):
        yield line.strip()


@pytest.fixture
def notebook(model: Model, url: str, start_kernel: Callable[..., Any], tmp_path: Path) -> Any:
    return start_kernel(
        NBASSIST_BASE_URL=url,
        NBASSIST_BACKEND=model.backend,
        NBASSIST_API_KEY="token",
        NBASSIST_MODEL="m",
        JPY_SESSION_NAME=str(tmp_path / "n.ipynb"),
    )


def ask(kernel: Any, prompt: str, cell: str, flags: str = "") -> Any:
    ran = kernel.run(f"%%assistant {flags}\n{prompt}", cell=cell)
    assert ran.error is None, ran.error
    return ran


@pytest.fixture
def three_turns(notebook: Any) -> Any:
    for prompt, cell in (("one", "a"), ("two", "b"), ("three", "c")):
        ask(notebook, prompt, cell)
    return notebook


def test_the_model_is_told_the_whole_thread(three_turns: Any, model: Model) -> None:
    assert model.told == [
        ("user", "one"),
        ("assistant", "said"),
        ("user", "two"),
        ("assistant", "said"),
        ("user", "three"),
    ]


def test_the_last_cell_run_again_replaces_its_turn(three_turns: Any, model: Model) -> None:
    ask(three_turns, "three, better", "c")
    assert model.prompts == ["one", "two", "three, better"]


def test_an_earlier_cell_run_again_goes_on_from_there_and_the_rest_is_kept(three_turns: Any, model: Model) -> None:
    ask(three_turns, "one, better", "a")
    assert model.prompts == ["one, better"]
    ask(three_turns, "and on", "d", "-t main")
    assert model.prompts == ["one, better", "and on"]
    three_turns.run("%assistant use -t main~1")
    ask(three_turns, "four", "e")
    assert model.prompts == ["one", "two", "three", "four"]


def test_a_fork_and_its_thread_go_their_own_ways(three_turns: Any, model: Model) -> None:
    three_turns.run("%assistant fork 2 side")
    ask(three_turns, "aside", "d")
    assert model.prompts == ["one", "two", "aside"]
    ask(three_turns, "four", "e", "-t main")
    assert model.prompts == ["one", "two", "three", "four"]


def test_undo_and_a_turn_changed_are_what_the_model_is_told(three_turns: Any, model: Model) -> None:
    three_turns.run("%assistant undo 2")
    ask(three_turns, "anew", "d")
    assert model.prompts == ["one", "anew"]
    ask(three_turns, "changed", "e", "--turn 1")
    assert model.prompts == ["changed"]


@pytest.mark.fresh_kernel
def test_a_thread_goes_on_after_the_kernel_was_restarted(three_turns: Any, model: Model) -> None:
    three_turns.restart()
    ask(three_turns, "four", "d")
    assert model.prompts == ["one", "two", "three", "four"]


@pytest.mark.fresh_kernel
def test_a_kernel_that_died_in_the_middle_leaves_a_thread_to_go_on_with(
    notebook: Any, model: Model, endpoint: Any
) -> None:
    ask(notebook, "one", "a")
    begun, go = threading.Event(), threading.Event()

    def hold(number: int) -> None:
        begun.set()
        go.wait(60)

    model.says("said", before=hold)
    notebook.send("%%assistant\ntwo", "b")
    assert begun.wait(60)
    notebook.manager.signal_kernel(9)
    go.set()
    model.says("said")
    notebook.manager.restart_kernel(now=True)
    notebook.client.wait_for_ready(timeout=120)
    assert notebook.run("%load_ext nbassist").error is None
    ask(notebook, "three", "c")
    assert model.prompts == ["one", "two", "three"]


def test_an_interrupt_keeps_what_came_and_the_next_cell_works(notebook: Any, model: Model) -> None:
    ask(notebook, "one", "a")
    go = threading.Event()
    after_the_text = 3 if model.backend == "responses" else 1

    def hold(number: int) -> None:
        if number == after_the_text:
            go.wait(60)

    interrupted: list[str] = []

    def interrupt(message: dict[str, Any]) -> None:
        if not interrupted and "beginning" in json.dumps(message["content"]):
            interrupted.append(message["msg_type"])
            notebook.interrupt()

    model.says("the beginning of a long answer", before=hold)
    ran = notebook.run("%%assistant\ntwo", cell="b", watch=interrupt)
    go.set()
    assert ran.error is not None
    assert ran.error["ename"] == "CellInterrupted"
    model.says("said")
    ask(notebook, "three", "c")
    assert model.prompts == ["one", "two", "three"]


def test_variables_are_shown_once_and_then_what_changed(notebook: Any, model: Model) -> None:
    ask(notebook, "How many?", "a", "--see orders")
    assert "The variable orders" in model.prompts[-1]
    ask(notebook, "And now?", "b", "--see orders")
    assert model.prompts[-1] == "And now?"
    notebook.run("orders.append(1)")
    ask(notebook, "And now?", "c", "--see orders")
    assert "Now the variable orders" in model.prompts[-1]


def test_a_shape_is_read_and_asked_for_again_on_a_mistake(notebook: Any, model: Model) -> None:
    model.says("twelve", "[12]")
    ask(notebook, "How many?", "a", "--as list[int] --to answer")
    assert notebook.run("answer.value").result == "[12]"
    assert "can't be used as it is" in model.prompts[-1]


def test_what_does_not_fit_is_left_out_and_said(notebook: Any, model: Model) -> None:
    notebook.run("%config NbAssist.window = 1500")
    for number in range(3):
        ran = ask(notebook, f"{number} " + "word " * 500, f"c{number}", "--no-tools")
    assert "left out of this request" in ran.plain
    assert [prompt[0] for prompt in model.prompts] == ["2"]


def test_another_endpoint_in_between_loses_nothing(three_turns: Any, model: Model, endpoint: Any, wire: Any) -> None:
    from nbassist.config.profiles import Profile, save

    save(Profile("other", "chat", endpoint.url, "x"))
    if model.backend == "responses":
        endpoint.on("POST", CHAT, wire.answer(wire.stream(wire.delta(content="other"), wire.delta("stop"))))
    ask(three_turns, "four", "d", "--profile other")
    ask(three_turns, "five", "e")
    assert model.prompts == ["one", "two", "three", "four", "five"]


def test_a_recorded_run_of_the_journal_is_the_same_on_each(notebook: Any, model: Model) -> None:
    ask(notebook, "one", "a")
    shown = notebook.run("%assistant log").result
    assert "one" in shown
    for _ in range(2):
        ask(notebook, "cached", "b", "-t fresh --cache auto")
    assert "recorded" in notebook.run("%assistant log").result


def test_a_thread_at_the_endpoint_is_opened_by_its_id(
    three_turns: Any, model: Model, url: str, start_kernel: Callable[..., Any], tmp_path: Path
) -> None:
    if model.backend == "assistants":
        held = three_turns.run("_.events[1].cursor['thread_id']").result.strip("'")
        other = start_kernel(
            NBASSIST_BASE_URL=url,
            NBASSIST_BACKEND="assistants",
            NBASSIST_API_KEY="token",
            NBASSIST_MODEL="m",
            JPY_SESSION_NAME=str(tmp_path / "other.ipynb"),
        )
        assert "one" in other.run(f"%assistant open {held} old").result
        assert "2. you: two" in other.run("%assistant history").result
        ask(other, "four", "z")
        assert model.prompts == ["one", "two", "three", "four"]
    gone = three_turns.run("%assistant open thread_nowhere")
    assert gone.error is not None
    assert len(gone.error["traceback"]) == 1


def test_the_context_that_the_endpoint_names_is_kept_to(notebook: Any, model: Model, endpoint: Any) -> None:
    endpoint.json("GET", "/models", {"object": "list", "data": [{"id": "m", "max_model_len": 2000}]})
    for number in range(3):
        ran = ask(notebook, f"{number} " + "word " * 700, f"c{number}", "--no-tools")
    assert "about 1,600 tokens: left out of this request" in ran.plain
    assert len(model.prompts) == 1


def test_what_goes_with_a_prompt_and_what_comes_back_is_the_same_on_each(
    notebook: Any, model: Model, tmp_path: Path
) -> None:
    (tmp_path / "notes.md").write_text("Twelve orders.", encoding="utf-8")
    model.says("Done.\n\n```python\nlen(orders)\n```\n")
    ask(notebook, "Sum up {{ orders | head 2 }}.", "a", "--file notes.md --code --to answer")
    assert "Twelve orders." in model.prompts[-1]
    assert "[the first 2 of 12 items]" in model.prompts[-1]
    assert notebook.run("answer.code, answer is not None").result == "('len(orders)', True)"
    notebook.run("len(oders)")
    assert notebook.run("%assistant fix").error is None
    assert "name 'oders' is not defined" in model.prompts[-1]
    assert notebook.run("%assistant explain people").error is None
    assert "The variable people" in model.prompts[-1]
    assert "did you mean orders?" in notebook.run("%%assistant\n{{ oders }}").error["evalue"]


def test_a_thread_is_kept_named_and_exported_alike_on_each(three_turns: Any, model: Model, tmp_path: Path) -> None:
    for line in ("save kept.json", "export thread.ipynb", "export thread.md", "rename story", "load kept.json again"):
        assert three_turns.run(f"%assistant {line}").error is None, line
    assert (tmp_path / "thread.ipynb").exists()
    ask(three_turns, "four", "d")
    assert model.prompts == ["one", "two", "three", "four"]
    assert three_turns.run("%assistant delete again").error is None
    shown = three_turns.run("%assistant history story").result
    assert "3. you: three" in shown
    assert "again" not in three_turns.run("%assistant threads").result
