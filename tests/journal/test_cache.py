"""A reply that came before is given again; what changes the answer, and only that, makes another request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nbassist import Assistant
from nbassist.core.events import (
    Event,
    TextDelta,
    ToolCallReady,
    ToolCallStarted,
    TurnEnded,
    TurnReason,
    TurnStarted,
    Usage,
)
from nbassist.core.messages import Image, Message, OutputSchema, Request, Text, ToolCall, ToolOutput, ToolSpec
from nbassist.errors import JournalError, UsageError
from nbassist.journal import Journal
from nbassist.journal.cache import CachedBackend, key_of
from nbassist.journal.replies import ReplyFile


class Model:
    """Calls a tool first where there is one, then answers; counts how often it is asked."""

    name = "model"

    def __init__(self, reason: TurnReason = "stop") -> None:
        self.asked = 0
        self.reason = reason

    def stream(self, request: Request) -> Iterator[Event]:
        self.asked += 1
        yield TurnStarted({"thread_id": "t"}, "m-1")
        if request.tools and request.messages[-1].role == "user":
            yield ToolCallStarted(f"call_{self.asked}", request.tools[0].name)
            yield ToolCallReady(f"call_{self.asked}", request.tools[0].name, "{}")
            yield TurnEnded("tool_calls", Usage(10, 1, known=True), {"thread_id": "t"})
            return
        yield TextDelta(f"answer {self.asked}")
        yield TurnEnded(self.reason, Usage(10, 1, known=True), {"thread_id": "t"})

    async def astream(self, request: Request) -> AsyncIterator[Event]:
        for event in self.stream(request):
            yield event

    def cancel(self, cursor: Any, *, forget: bool = False) -> dict[str, str]:
        return {}

    def models(self) -> list[str]:
        return ["m-1"]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "journal.db")
    yield made
    made.close()


def assistant(model: Model, store: Any, cache: str) -> Assistant:
    return Assistant(backend=model, replies=store, cache=cache, tools=())  # type: ignore[arg-type]


def test_the_same_prompt_is_asked_once_and_costs_nothing_the_second_time(journal: Journal) -> None:
    model = Model()
    first = assistant(model, journal, "auto").ask("hello")
    second = assistant(model, journal, "auto").ask("hello")
    assert (first.text, second.text, model.asked) == ("answer 1", "answer 1", 1)
    assert second.cost == 0.0
    assert second.events[-1].replayed  # type: ignore[union-attr]
    assert not first.events[-1].replayed  # type: ignore[union-attr]


def test_a_run_with_tools_runs_them_again_and_asks_for_what_they_changed(journal: Journal) -> None:
    outputs = ["12", "12", "13"]

    def count() -> str:
        "Count."
        return outputs.pop(0)

    model = Model()
    for expected in (2, 2, 3):
        reply = Assistant(backend=model, replies=journal, cache="auto", tools=[count]).ask("how many?")  # type: ignore[arg-type]
        assert model.asked == expected
        assert len(reply.tool_calls) == 1
    assert outputs == []


def test_refresh_asks_again_and_keeps_what_comes(journal: Journal) -> None:
    model = Model()
    assistant(model, journal, "auto").ask("hello")
    assert assistant(model, journal, "refresh").ask("hello").text == "answer 2"
    assert assistant(model, journal, "auto").ask("hello").text == "answer 2"
    assert model.asked == 2


def test_off_neither_reads_nor_keeps(journal: Journal) -> None:
    model = Model()
    assistant(model, journal, "off").ask("hello")
    assistant(model, journal, "auto").ask("hello")
    assert model.asked == 2


@pytest.mark.parametrize("reason", ["length", "content_filter", "cut", "failed", "unmarked", "cancelled", "expired"])
def test_what_is_not_whole_is_never_kept(journal: Journal, reason: TurnReason) -> None:
    model = Model(reason)
    for _ in range(2):
        assistant(model, journal, "auto").ask("hello")
    assert model.asked == 2


def test_a_replay_needs_no_endpoint_and_makes_a_miss_an_error(tmp_path: Path) -> None:
    path = tmp_path / "notebook.replies.jsonl"
    model = Model()
    assistant(model, ReplyFile(path), "refresh").ask("hello")
    again = Assistant(
        base_url="http://127.0.0.1:9/v1", backend="chat", replies=ReplyFile(path), cache="replay", tools=()
    )
    assert again.ask("hello").text == "answer 1"
    with pytest.raises(JournalError, match="no reply is recorded for 'something else'"):
        again.ask("something else")
    assert len(again.conversation.turns) == 1


def test_a_replay_on_an_event_loop_is_the_same(journal: Journal) -> None:
    model = Model()
    assistant(model, journal, "auto").ask("hello")

    async def again() -> str:
        return (await assistant(model, journal, "auto").aask("hello")).text

    assert asyncio.run(again()) == "answer 1"
    assert model.asked == 1


def test_a_replay_streams_with_its_own_timing_or_at_once(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("nbassist.journal.cache.time.sleep", slept.append)
    assistant(Model(), journal, "auto").ask("hello")
    for timed in (False, True):
        slept.clear()
        made = Assistant(backend=Model(), replies=journal, cache="auto", tools=(), timed=timed)  # type: ignore[arg-type]
        assert made.ask("hello").text == "answer 1"
        assert bool(slept) is timed


@pytest.mark.parametrize("cache", ["off", "auto"])
def test_a_connection_that_fails_in_its_code_is_tried_once_and_takes_the_prompt_back(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, cache: str
) -> None:
    tried = 0

    def fail(*_: Any) -> Any:
        nonlocal tried
        tried += 1
        raise ImportError("no module named httpx2")

    monkeypatch.setattr("nbassist.assistant.connect", fail)
    made = Assistant(backend="chat", base_url="http://127.0.0.1:9/v1", replies=journal, cache=cache, tools=())
    for ask in (made.ask, lambda prompt: asyncio.run(made.aask(prompt))):
        tried = 0
        with pytest.raises(ImportError):
            ask("hello")
        assert tried == 1
        assert made.conversation.messages == []


def test_a_replay_takes_its_own_time_where_it_is_asked_to(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("nbassist.journal.cache.time.sleep", slept.append)
    timed = tuple(enumerate([TurnStarted(), TextDelta("a"), TurnEnded("stop")]))
    request = Request((Message("user", (Text("x"),)),))
    backend = CachedBackend(Model, journal, "auto", timed=True)
    journal.keep_reply(backend.key(request), tuple((float(t), e) for t, e in timed))
    list(backend.stream(request))
    assert slept == [1.0, 1.0]


def test_the_endpoint_holds_nothing_of_a_turn_that_was_given_again(journal: Journal) -> None:
    model = Model()
    assistant(model, journal, "auto").ask("hello")
    again = assistant(model, journal, "auto")
    again.ask("hello")
    assert again.conversation.cursor == {}


def test_a_damaged_file_of_replies_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"key": "x"\n')
    with pytest.raises(JournalError, match="holds no recorded replies"):
        ReplyFile(path)
    with pytest.raises(UsageError, match="known are off, auto, refresh, replay"):
        assistant(Model(), ReplyFile(tmp_path / "b"), "always").ask("hello")


TOOL = ToolSpec("f", "d", {"type": "object"})
ASKED = Request(
    (
        Message("user", (Text("hello"), Image(data=b"1"))),
        Message("assistant", (ToolCall("call_a", "f", "{}"),)),
        Message("tool", (ToolOutput("call_a", "f", "12", seconds=1.0),)),
    ),
    model="m",
    tools=(TOOL,),
    parameters={"temperature": 0},
)


def test_the_key_leaves_out_what_does_not_change_the_answer() -> None:
    same = replace(
        ASKED,
        since=2,
        cursor={"thread_id": "x"},
        messages=(
            replace(ASKED.messages[0], cell="c9"),
            Message("assistant", (ToolCall("call_z", "f", "{}"),)),
            Message("tool", (ToolOutput("call_z", "f", "12", seconds=2.0),)),
        ),
    )
    assert key_of(same) == key_of(ASKED)


@pytest.mark.parametrize(
    "changed",
    [
        replace(ASKED, model="n"),
        replace(ASKED, instructions="Be brief."),
        replace(ASKED, parameters={"temperature": 1}),
        replace(ASKED, tools=()),
        replace(ASKED, tools=(replace(TOOL, description="e"),)),
        replace(ASKED, tool_choice="none"),
        replace(ASKED, reasoning="low"),
        replace(ASKED, output=OutputSchema("o", {})),
        replace(ASKED, messages=ASKED.messages[:1]),
        replace(ASKED, messages=(Message("user", (Text("hello"), Image(data=b"2"))), *ASKED.messages[1:])),
        replace(ASKED, messages=(*ASKED.messages[:2], Message("tool", (ToolOutput("call_a", "f", "13"),)))),
    ],
)
def test_the_key_holds_all_that_changes_the_answer(changed: Request) -> None:
    assert key_of(changed) != key_of(ASKED)


def test_the_key_holds_endpoint_and_repeat() -> None:
    assert len({key_of(ASKED), key_of(ASKED, endpoint="chat http://a"), key_of(ASKED, repeat=1)}) == 3


def test_what_an_endpoint_wants_back_is_in_a_reply_that_is_given_again(endpoint: Any, wire: Any, tmp_path: Any) -> None:
    """The second run is a replay of its first turn; what that turn left goes back with the one that is asked for."""
    signed = {"google": {"thought_signature": "EpwC"}}
    function = {"name": "f", "arguments": "{}"}
    entry = {"index": 0, "id": "c1", "type": "function", "function": function, "extra_content": signed}
    called = wire.stream(wire.delta(reasoning_content="hm"), wire.delta(tool_calls=[entry]), wire.delta("tool_calls"))
    said = wire.stream(wire.delta(content="ok"), wire.delta("stop"))
    endpoint.on("POST", "/chat/completions", wire.answer(called), wire.answer(said))

    def f() -> str:
        """Do it."""
        return "done"

    def ask(cache: str) -> Any:
        kept = ReplyFile(tmp_path / "replies")
        made = Assistant(
            backend="chat", base_url=endpoint.url, model="m", tools=[f], replies=kept, cache=cache, instructions="x"
        )
        return made.ask("go")

    ask("refresh")
    lines = (tmp_path / "replies").read_text().splitlines()
    (tmp_path / "replies").write_text(lines[0] + "\n")
    reply = ask("auto")
    assert reply.text == "ok"
    bodies = endpoint.bodies("/chat/completions")
    assert len(bodies) == 3
    sent = bodies[-1]["messages"][2]
    assert sent["reasoning_content"] == "hm"
    assert sent["tool_calls"][0]["extra_content"] == signed
