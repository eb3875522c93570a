"""A reply that is left to the endpoint, and read on: by the API, over a real connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nbassist import Assistant, Reply
from nbassist.core.conversation import Conversation
from nbassist.core.events import Event, TextDelta, ToolCallReady
from nbassist.errors import BackendError, ConversationError, UsageError
from nbassist.threads import Threads

PATH = "/responses"


def item(text: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "id": "msg", "role": "assistant", "content": content}


def events_of(*pieces: str, number: int = 1, call: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    base = {"id": f"resp_{number}", "model": "m", "background": True}
    said = [{"type": "response.output_text.delta", "item_id": "msg", "delta": piece} for piece in pieces]
    output = [item("".join(pieces)), *([call] if call else [])]
    found = [
        {"type": "response.created", "response": {**base, "status": "queued"}},
        *said,
        {"type": "response.completed", "response": {**base, "status": "completed", "output": output}},
    ]
    return [{**event, "sequence_number": number} for number, event in enumerate(found)]


def wired(events: list[dict[str, Any]]) -> list[bytes]:
    return [f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in events]


class Interrupting:
    """A view whose person interrupts at the first event of a kind."""

    def __init__(self, kind: type[Event] = TextDelta) -> None:
        self.kind = kind

    def apply(self, event: Event) -> None:
        if isinstance(event, self.kind):
            raise KeyboardInterrupt


@pytest.fixture
def make(endpoint: Any) -> Callable[..., Assistant]:
    def make(**named: Any) -> Assistant:
        wanted = {"backend": "responses", "model": "m", "tools": [], **named}
        return Assistant(base_url=endpoint.url, api_key="k", **wanted)

    return make


@pytest.fixture
def left(make: Any, endpoint: Any, wire: Any) -> Assistant:
    """An assistant whose first reply was left in the middle; at the endpoint it ends meanwhile."""
    events = events_of("The first half", " and the second.")
    endpoint.on("POST", PATH, wire.answer(wired(events[:2])))
    endpoint.on("GET", f"{PATH}/resp_1", wire.answer(wired(events[1:])))
    assistant: Assistant = make()
    reply = assistant.ask("Tell me", leave=True, view=Interrupting())
    assert (reply.finish, reply.text) == ("interrupted", "The first half")
    assert "%assistant resume" in reply.detail
    return assistant


def asked(endpoint: Any) -> list[str]:
    return [f"{one.method} {one.path}" for one in endpoint.asked]


def test_an_interrupt_leaves_the_reply_to_the_endpoint(left: Assistant, endpoint: Any) -> None:
    assert asked(endpoint) == [f"POST {PATH}"]
    assert endpoint.bodies(PATH)[0]["background"] is True
    assert "store" not in endpoint.bodies(PATH)[0]
    assert [message.text for message in left.conversation.messages] == ["Tell me", "The first half"]


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_it_is_read_on_whole_and_takes_the_place_of_its_half(
    left: Assistant, endpoint: Any, asynchronous: bool
) -> None:
    reply: Reply = asyncio.run(left.aresume()) if asynchronous else left.resume()
    assert (reply.finish, reply.text) == ("completed", "The first half and the second.")
    assert asked(endpoint)[-1] == f"GET {PATH}/resp_1?stream=true&starting_after=0"
    assert [(m.text, m.complete) for m in left.conversation.messages] == [("Tell me", True), (reply.text, True)]
    with pytest.raises(ConversationError, match="no reply was left"):
        left.resume()


def test_after_it_the_conversation_goes_on(left: Assistant, endpoint: Any, wire: Any) -> None:
    left.resume()
    endpoint.on("POST", PATH, wire.answer(wired(events_of("Yes.", number=2))))
    assert left.ask("Sure?").text == "Yes."
    said = [one["content"] for one in endpoint.bodies(PATH)[-1]["input"] if one["role"] == "user"]
    assert said == ["Tell me", "Sure?"]


def test_it_can_be_left_again(left: Assistant, endpoint: Any) -> None:
    assert left.resume(view=Interrupting()).finish == "interrupted"
    assert left.resume().text == "The first half and the second."
    assert asked(endpoint)[-2:] == [f"GET {PATH}/resp_1?stream=true&starting_after=0"] * 2


def test_its_tools_run_when_it_is_read_on(make: Any, endpoint: Any, wire: Any) -> None:
    call = {"type": "function_call", "id": "fc", "call_id": "c1", "name": "count", "arguments": '{"n": 3}'}
    events = events_of("Let me see.", call=call)
    endpoint.on("POST", PATH, wire.answer(wired(events[:2])), wire.answer(wired(events_of("It is 6.", number=2))))
    endpoint.on("GET", f"{PATH}/resp_1", wire.answer(wired(events[1:])))

    def count(n: int) -> int:
        """Count."""
        return 2 * n

    assistant = make(tools=[count])
    assistant.ask("Count", leave=True, view=Interrupting())
    reply = assistant.resume()
    assert (reply.text, [run.output for run in reply.tool_calls]) == ("It is 6.", ["6"])
    assert endpoint.bodies(PATH)[-1]["background"] is True


def test_an_interrupt_while_a_tool_runs_leaves_nothing(make: Any, endpoint: Any, wire: Any) -> None:
    call = {"type": "function_call", "id": "fc", "call_id": "c1", "name": "stop", "arguments": "{}"}
    endpoint.on("POST", PATH, wire.answer(wired(events_of(call=call))))

    def stop() -> None:
        """Stop."""
        raise KeyboardInterrupt

    assistant = make(tools=[stop])
    reply = assistant.ask("Go", leave=True)
    assert (reply.finish, assistant.conversation.left) == ("interrupted", {})
    assert any(isinstance(event, ToolCallReady) for event in reply.events)


def test_another_prompt_cancels_what_was_left(left: Assistant, endpoint: Any, wire: Any) -> None:
    endpoint.json("POST", f"{PATH}/resp_1/cancel", {"id": "resp_1", "status": "cancelled"})
    endpoint.on("POST", PATH, wire.answer(wired(events_of("Anew.", number=2))))
    reply = left.ask("Something else")
    assert asked(endpoint)[1] == f"POST {PATH}/resp_1/cancel"
    assert "is cancelled" in str(reply.events)
    assert left.conversation.left == {}


def test_one_that_the_endpoint_has_no_more_is_said_in_one_line_and_its_half_stays(
    left: Assistant, endpoint: Any
) -> None:
    endpoint.json("GET", f"{PATH}/resp_1", {"error": {"message": "Response with id 'resp_1' not found."}}, status=404)
    with pytest.raises(BackendError, match="resp_1"):
        left.resume()
    assert [message.text for message in left.conversation.messages] == ["Tell me", "The first half"]
    with pytest.raises(ConversationError, match="no reply was left"):
        left.resume()


def test_a_prompt_that_was_taken_back_is_not_read_on(left: Assistant) -> None:
    left.threads.undo()
    with pytest.raises(ConversationError, match="no reply was left"):
        left.resume()


def test_an_endpoint_that_runs_nothing_in_the_background_is_said_before_anything_is_asked(
    make: Any, endpoint: Any
) -> None:
    assistant = make(backend="chat")
    with pytest.raises(UsageError, match="--leave needs an endpoint with Responses"):
        assistant.ask("hi", leave=True)
    assert endpoint.asked == []
    assert len(assistant.conversation) == 0


def test_one_that_takes_no_notice_of_background_is_stopped_as_ever(make: Any, endpoint: Any, wire: Any) -> None:
    events = events_of("Half")
    events[0]["response"]["background"] = False
    endpoint.on("POST", PATH, wire.answer(wired(events[:2])))
    assistant = make()
    assert assistant.ask("hi", leave=True, view=Interrupting()).finish == "interrupted"
    assert assistant.conversation.left == {}


def test_without_leave_nothing_is_read_on(make: Any, endpoint: Any, wire: Any) -> None:
    endpoint.on("POST", PATH, wire.answer(wired(events_of("Half", " whole")[:2])))
    assistant = make()
    assistant.ask("hi", view=Interrupting())
    with pytest.raises(ConversationError, match="no reply was left"):
        assistant.resume()


def test_what_was_left_is_kept_with_the_thread(left: Assistant, make: Any, tmp_path: Path) -> None:
    left.conversation.save(tmp_path / "thread.json")
    threads = Threads()
    threads.replace("main", Conversation.load(tmp_path / "thread.json"))
    later: Assistant = make(threads=threads)
    assert later.resume().text == "The first half and the second."


def test_it_is_not_asked_for_at_another_endpoint(left: Assistant, make: Any) -> None:
    other: Assistant = make(backend="chat", threads=left.threads)
    with pytest.raises(ConversationError, match="was left at responses"):
        other.resume()
