"""The recorded streams of the hosted Assistants API, replayed byte by byte, and cut wherever they can be cut."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from nbassist import Assistant, Reply
from nbassist.backends.assistants.decoder import AssistantsDecoder
from nbassist.core.events import Event, TextDelta, ToolCallReady, ToolFinished, TurnEnded, Warned


class Recording:
    """One recorded session: its streams, and the objects that a client could read by polling at its end."""

    def __init__(self, path: Path) -> None:
        entries = json.loads(path.read_text(encoding="utf-8"))["Entries"]
        self.assistant = entries[0]["ResponseBody"]
        self.streams = [
            ["".join(entry["ResponseBody"])]
            for entry in entries
            if entry["ResponseHeaders"].get("Content-Type", "").startswith("text/event-stream")
        ]
        self.texts = [stream[0] for stream in self.streams]
        objects = [json.loads(line[6:]) for t in self.texts for line in t.splitlines() if line.startswith("data: {")]
        runs = [o for o in objects if o["object"] == "thread.run"]
        self.runs = {"end": runs[-1], "action": next((r for r in runs if r["status"] == "requires_action"), None)}
        self.thread = runs[-1]["thread_id"]
        self.run = runs[-1]["id"]
        self.messages = [o for o in objects if o["object"] == "thread.message" and o["status"] == "completed"]
        self.answer = self.messages[-1]["content"][0]["text"]["value"]


def get_current_weather() -> str:
    """Gets the user's current weather"""
    return "warm and sunny"


@pytest.fixture(params=["StreamingRunWorks", "StreamingToolCall"])
def recording(request: pytest.FixtureRequest, recordings: Path) -> Recording:
    return Recording(recordings / f"{request.param}.json")


def serve(endpoint: Any, wire: Any, recording: Recording, answers: list[Any]) -> Assistant:
    paths = ["/threads/runs", f"/threads/{recording.thread}/runs/{recording.run}/submit_tool_outputs"]
    endpoint.json("POST", "/assistants", recording.assistant)
    for path, answer in zip(paths, answers, strict=False):
        endpoint.on("POST", path, answer)
    endpoint.json("GET", f"/threads/{recording.thread}/messages", {"object": "list", "data": recording.messages})
    return Assistant(
        backend="assistants", base_url=endpoint.url, api_key="k", model="gpt-4o", tools=[get_current_weather]
    )


def check(reply: Reply, recording: Recording, endpoint: Any) -> None:
    assert (reply.finish, reply.detail) == ("completed", "")
    assert reply.text == recording.answer
    usage = recording.runs["end"]["usage"]
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (usage["prompt_tokens"], usage["completion_tokens"])
    if len(recording.texts) == 2:
        assert [(c.name, c.arguments, c.output) for c in reply.tool_calls] == [
            ("get_current_weather", {}, "warm and sunny")
        ]
        submitted = [a for a in endpoint.asked if a.path.endswith("submit_tool_outputs")]
        assert len(submitted) == 1
        assert [o["output"] for o in submitted[0].body["tool_outputs"]] == ["warm and sunny"]


def test_byte_by_byte(recording: Recording, endpoint: Any, wire: Any) -> None:
    answers = [wire.answer([bytes([byte]) for byte in text.encode()]) for text in recording.texts]
    check(serve(endpoint, wire, recording, answers).ask("Hello"), recording, endpoint)


def test_whole(recording: Recording, endpoint: Any, wire: Any) -> None:
    answers = [wire.answer([text.encode()]) for text in recording.texts]
    check(serve(endpoint, wire, recording, answers).ask("Hello"), recording, endpoint)


def cuts(text: str) -> list[int]:
    """Return a cut behind every event after the run's first, and one in the middle of every event."""
    ends = [i + 2 for i in range(len(text)) if text.startswith("\n\n", i)]
    first = text.index("\n\n", text.index("thread.run")) + 2
    inside = [(a + b) // 2 for a, b in pairwise(ends)]
    return sorted(at for at in ends + inside if first <= at < len(text))


@pytest.mark.parametrize("clean", [False, True], ids=["connection lost", "ended cleanly"])
@pytest.mark.parametrize(
    ("name", "which"), [("StreamingRunWorks", 0), ("StreamingToolCall", 0), ("StreamingToolCall", 1)]
)
def test_cut_anywhere_the_run_is_read_on_by_polling_and_nothing_is_told_twice(
    recordings: Path, endpoint: Any, wire: Any, name: str, which: int, clean: bool
) -> None:
    recording = Recording(recordings / f"{name}.json")
    text = recording.texts[which]
    state = recording.runs["action" if which == 0 and recording.runs["action"] else "end"]
    endpoint.json("GET", f"/threads/{recording.thread}/runs/{recording.run}", state)
    for at in cuts(text):
        endpoint.asked.clear()
        answers = [wire.answer([t.encode()]) for t in recording.texts]
        answers[which] = wire.answer([text[:at].encode()], cut=not clean)
        reply = serve(endpoint, wire, recording, answers).ask("Hello")
        check(reply, recording, endpoint)
        assert "".join(e.text for e in reply.events if isinstance(e, TextDelta)) == recording.answer


def test_cut_before_the_run_began_is_an_error_and_the_prompt_is_taken_back(
    recordings: Path, endpoint: Any, wire: Any
) -> None:
    recording = Recording(recordings / "StreamingToolCall.json")
    head = recording.texts[0][: recording.texts[0].index("event: thread.run.created")]
    assistant = serve(endpoint, wire, recording, [wire.answer([head.encode()], cut=True)])
    with pytest.raises(Exception, match="cut") as caught:
        assistant.ask("Hello")
    assert type(caught.value).__name__ == "StreamBrokenError"
    assert len(assistant.conversation) == 0


def test_the_order_of_events_as_a_program_sees_it(recordings: Path, endpoint: Any, wire: Any) -> None:
    recording = Recording(recordings / "StreamingToolCall.json")
    answers = [wire.answer([text.encode()]) for text in recording.texts]
    events = list(serve(endpoint, wire, recording, answers).stream("Hello"))
    names = [type(event).__name__ for event in events if not isinstance(event, TextDelta | Warned)]
    assert names == [
        "RunStarted",
        "TurnStarted",
        "ToolCallStarted",
        "ToolArgumentsDelta",
        "ToolCallReady",
        "TurnEnded",
        "ToolFinished",
        "TurnStarted",
        "TurnEnded",
        "RunEnded",
    ]
    finished = next(e for e in events if isinstance(e, ToolFinished))
    assert finished.output == "warm and sunny"
    ended: list[Event] = [e for e in events if isinstance(e, TurnEnded)]
    assert [e.reason for e in ended if isinstance(e, TurnEnded)] == ["tool_calls", "stop"]


def test_what_is_read_by_polling_gives_the_same_events_as_a_stream(recordings: Path) -> None:
    entries = json.loads((recordings / "FunctionToolsWork.json").read_text(encoding="utf-8"))["Entries"]
    bodies = [entry["ResponseBody"] for entry in entries]
    action = next(b for b in bodies if b.get("status") == "requires_action")
    decoder = AssistantsDecoder({"thread_id": action["thread_id"], "run_id": action["id"]})
    events = decoder.feed({"event": "thread.run.polled", "data": action})
    ready = next(e for e in events if isinstance(e, ToolCallReady))
    assert (ready.name, ready.arguments) == ("get_favorite_food_for_day_of_week", '{"day_of_week":"Thursday"}')
    decoder = AssistantsDecoder({"thread_id": action["thread_id"], "run_id": action["id"]})
    answer = bodies[-1]["data"][0]
    events = decoder.feed({"event": "thread.message.completed", "data": answer})
    events += decoder.feed(
        {"event": "thread.run.polled", "data": next(b for b in bodies if b.get("status") == "completed")}
    )
    assert TextDelta("You should eat tacos on Thursday! \U0001f32e") in events
    ended = events[-1]
    assert isinstance(ended, TurnEnded)
    assert (ended.reason, ended.usage.input_tokens, ended.usage.output_tokens) == ("stop", 627, 34)
