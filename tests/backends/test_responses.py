"""`ResponsesBackend` over a real connection: who keeps the history, what is sent, and what runs in the background."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import pytest

from nbassist import Assistant
from nbassist.backends.responses.backend import ResponsesBackend
from nbassist.backends.responses.request import build_responses_request
from nbassist.core.conversation import Conversation
from nbassist.core.events import Retrying, TextDelta, TurnEnded, TurnStarted, Warned
from nbassist.core.messages import File, Image, Message, OutputSchema, Request, Text, ToolCall, ToolOutput, ToolSpec
from nbassist.errors import ConversationError, RequestRefusedError

PATH = "/responses"
PIXEL = base64.b64decode("iVBORw0KGgo=")


def item_of(text: str) -> dict[str, Any]:
    return {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": text}]}


@pytest.fixture
def say(responses: Any, wire: Any) -> Callable[..., Any]:
    """Return what makes the answer that says a text, as the response `resp_<number>`."""

    def say(text: str, number: int = 1, *before: Any, **last: Any) -> Any:
        response = {"id": f"resp_{number}", "model": "m", "status": "completed", "output": [item_of(text)], **last}
        created = {"type": "response.created", "response": {"id": f"resp_{number}", "model": "m"}}
        return wire.answer(responses.bytes(created, *before, {"type": "response.completed", "response": response}))

    return say


@pytest.fixture
def make(endpoint: Any) -> Callable[..., Assistant]:
    def make(history: Any = None, **named: Any) -> Assistant:
        assistant = Assistant(
            backend="responses", base_url=endpoint.url, api_key="k", **{"model": "m", "tools": [], **named}
        )
        assistant._backend = ResponsesBackend(endpoint.url, "k", history=history)
        return assistant

    return make


def contents(body: Any) -> list[Any]:
    return [
        item["content"] if isinstance(item.get("content"), str) else item["content"][0]["text"]
        for item in body["input"]
        if "content" in item
    ]


def test_the_service_keeps_the_history_behind_its_last_response(endpoint: Any, say: Any, make: Any) -> None:
    endpoint.on("POST", PATH, say("one", 1), say("two", 2))
    assistant = make("previous")
    assistant.ask("first", instructions="be brief")
    assistant.ask("second")
    one, two = endpoint.bodies(PATH)
    assert ("previous_response_id" in one, "store" in one, one["instructions"]) == (False, False, "be brief")
    assert (two["previous_response_id"], contents(two)) == ("resp_1", ["second"])


def test_we_keep_the_history_and_send_encrypted_reasoning_back(
    endpoint: Any, say: Any, make: Any, responses: Any
) -> None:
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
    endpoint.on("POST", PATH, say("one", 1, responses.done(reasoning)), say("two", 2))
    assistant = make("ours", model="o3")
    assistant.ask("first")
    assistant.ask("second")
    one, two = endpoint.bodies(PATH)
    assert (one["store"], one["include"]) == (False, ["reasoning.encrypted_content"])
    assert "previous_response_id" not in two
    assert two["input"][1] == reasoning
    assert contents(two) == ["first", "one", "second"]


def test_store_false_among_the_parameters_makes_the_history_ours(endpoint: Any, say: Any, make: Any) -> None:
    endpoint.on("POST", PATH, say("one"), say("two"))
    assistant = make("previous", parameters={"store": False})
    assistant.ask("first")
    assistant.ask("second")
    assert contents(endpoint.bodies(PATH)[1]) == ["first", "one", "second"]


def test_the_service_keeps_the_history_as_a_conversation(endpoint: Any, say: Any, make: Any) -> None:
    endpoint.json("POST", "/conversations", {"id": "conv_1"})
    endpoint.on("POST", PATH, say("one"), say("two"))
    assistant = make("conversation")
    assistant.ask("first")
    assistant.ask("second")
    bodies = endpoint.bodies(PATH)
    assert [body["conversation"] for body in bodies] == ["conv_1", "conv_1"]
    assert contents(bodies[1]) == ["second"]
    assert len(endpoint.bodies("/conversations")) == 1


def test_a_conversation_that_is_gone_is_said_so(endpoint: Any, make: Any) -> None:
    endpoint.json("POST", PATH, {"error": {"message": "Conversation not found"}}, status=404)
    with pytest.raises(ConversationError, match="conv_9 is gone"):
        make(parameters={"conversation": "conv_9"}).ask("go")


@pytest.mark.parametrize(
    ("status", "message", "for_good"),
    [
        (404, "Previous response with id 'resp_1' not found.", True),
        (400, "llama.cpp does not support 'previous_response_id'.", True),
        (400, "No tool output found for function call call_1.", False),
    ],
)
def test_a_history_that_the_endpoint_lost_is_sent_again(
    endpoint: Any, say: Any, make: Any, wire: Any, status: int, message: str, for_good: bool
) -> None:
    refusal = wire.answer([f'{{"error": {{"message": "{message}"}}}}'.encode()], status, "application/json")
    endpoint.on("POST", PATH, say("one", 1), refusal, say("two", 2), say("three", 3))
    assistant = make("previous")
    assistant.ask("first")
    reply = assistant.ask("second")
    assert (reply.text, reply.finish) == ("two", "completed")
    assert any(isinstance(event, Warned) and "sent again" in event.text for event in reply.events)
    assert contents(endpoint.bodies(PATH)[2]) == ["first", "one", "second"]
    assistant.ask("third")
    assert ("previous_response_id" in endpoint.bodies(PATH)[3]) is not for_good


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("include", "Encrypted content is not supported with this model."),
        ("summary", "Your organization must be verified to generate reasoning summaries."),
        ("store", "Unknown parameter: 'store'."),
    ],
)
def test_what_was_sent_unasked_and_refused_is_left_out(
    endpoint: Any, say: Any, make: Any, wire: Any, field: str, message: str
) -> None:
    refusal = wire.answer([f'{{"error": {{"message": "{message}"}}}}'.encode()], 400, "application/json")
    endpoint.on("POST", PATH, refusal, say("fine"), say("fine"))
    assistant = make("ours", model="o3")
    assert assistant.ask("go", reasoning="high").text == "fine"
    assistant.ask("again", reasoning="high")
    for body in endpoint.bodies(PATH)[1:]:
        assert field not in body
        assert field not in body["reasoning"]
        assert body["reasoning"]["effort"] == "high"


def test_what_the_person_asked_for_and_the_endpoint_refuses_is_one_line(endpoint: Any, make: Any) -> None:
    message = "Unsupported parameter: 'temperature' is not supported with this model."
    endpoint.json("POST", PATH, {"error": {"message": message}}, status=400)
    with pytest.raises(RequestRefusedError, match="'temperature' is not supported"):
        make(parameters={"temperature": 0.2}).ask("go")
    assert len(endpoint.bodies(PATH)) == 1


def test_an_endpoint_without_responses_is_told_with_what_to_do(endpoint: Any, make: Any) -> None:
    with pytest.raises(RequestRefusedError, match="the backend chat"):
        make().ask("go")


def test_a_reply_that_was_cut_is_not_gone_on_from_but_reaches_the_model(
    endpoint: Any, say: Any, make: Any, wire: Any, responses: Any
) -> None:
    half = responses.bytes(
        {"type": "response.created", "response": {"id": "resp_2"}},
        responses.event("output_text.delta", item_id="msg_1", delta="Half"),
    )
    endpoint.on("POST", PATH, say("one", 1), wire.answer(half, cut=True), say("three", 3))
    assistant = make("previous")
    assistant.ask("first")
    assert assistant.ask("second").finish == "incomplete"
    assistant.ask("third")
    body = endpoint.bodies(PATH)[2]
    assert (body["previous_response_id"], contents(body)) == ("resp_1", ["second", "Half", "third"])


def test_after_a_cut_another_conversation_is_begun_with_all_of_it(
    endpoint: Any, say: Any, make: Any, wire: Any, responses: Any
) -> None:
    endpoint.json("POST", "/conversations", {"id": "conv_1"}, {"id": "conv_2"})
    half = responses.bytes(
        {"type": "response.created", "response": {"id": "resp_1"}},
        responses.event("output_text.delta", item_id="msg_1", delta="Half"),
    )
    endpoint.on("POST", PATH, wire.answer(half, cut=True), say("two"))
    assistant = make("conversation")
    assistant.ask("first")
    reply = assistant.ask("second")
    assert any(isinstance(event, Warned) and "half a reply" in event.text for event in reply.events)
    body = endpoint.bodies(PATH)[1]
    assert (body["conversation"], contents(body)) == ("conv_2", ["first", "Half", "second"])


def test_only_the_outputs_go_back_and_approvals_with_the_word_that_was_said(
    endpoint: Any, say: Any, make: Any, wire: Any, responses: Any
) -> None:
    def sql(text: str) -> str:
        """Run a query."""
        return "1 row"

    request = {"type": "mcp_approval_request", "id": "mcpr_1", "server_label": "wiki", "name": "ask", "arguments": "{}"}
    function = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "sql", "arguments": '{"text": "x"}'}
    events = [responses.created, responses.done(function), responses.done(request), responses.completed()]
    endpoint.on("POST", PATH, wire.answer(responses.bytes(*events)), say("done", 2))
    make("previous", tools=[sql]).ask("go")
    body = endpoint.bodies(PATH)[1]
    assert body["previous_response_id"] == "resp_1"
    assert body["input"][0] == {"type": "function_call_output", "call_id": "call_1", "output": "1 row"}
    answer = body["input"][1]
    assert (answer["type"], answer["approval_request_id"]) == ("mcp_approval_response", "mcpr_1")
    assert answer["approve"] is False  # no one is there to ask


def test_every_part_of_a_message_has_its_item() -> None:
    picture, scan = Image(data=PIXEL), File("a.pdf", "application/pdf", b"%PDF")
    calls = (ToolCall("1", "f", ""), ToolCall("2", "sql", "SELECT 1", "custom"), ToolCall("3", "w.x", "{}", "approval"))
    outputs = (
        ToolOutput("1", "f", "seen", images=(picture,)),
        ToolOutput("2", "sql", "1 row"),
        ToolOutput("3", "w.x", "approved"),
    )
    history = (
        Message("user", (Text("look"), picture, scan, File("a.csv", "text/csv", b"a,b"))),
        Message("assistant", (Text("ok"), *calls)),
        Message("tool", outputs),
    )
    items = build_responses_request(Request(history, model="gpt-4o"))["input"]
    assert [part["type"] for part in items[0]["content"]] == ["input_text", "input_image", "input_file", "input_text"]
    assert items[0]["content"][1]["image_url"] == "data:image/png;base64,iVBORw0KGgo="
    assert "a,b" in items[0]["content"][3]["text"]
    assert items[2:4] == [
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "2", "name": "sql", "input": "SELECT 1"},
    ]
    assert [part["type"] for part in items[4]["output"]] == ["input_text", "input_image"]
    assert items[5] == {"type": "custom_tool_call_output", "call_id": "2", "output": "1 row"}
    assert items[6] == {"type": "mcp_approval_response", "approval_request_id": "3", "approve": True}
    blind = build_responses_request(Request(history, model="gpt-3.5"))["input"]
    assert "can't see images" in blind[4]["output"]


def test_a_denied_approval_tells_its_reason() -> None:
    history = (
        Message("assistant", (ToolCall("3", "w.x", "{}", "approval"),)),
        Message("tool", (ToolOutput("3", "w.x", "denied: not today"),)),
    )
    answer = build_responses_request(Request(history))["input"][-1]
    assert (answer["approve"], answer["reason"]) == (False, "not today")


def test_tools_schema_and_reasoning_as_they_stand_on_the_wire() -> None:
    tools = (
        ToolSpec("f", "F.", {"type": "object"}, strict=True),
        ToolSpec("sql", "", {"type": "grammar", "syntax": "lark", "definition": "x"}, kind="custom"),
    )
    request = Request(
        (),
        model="o3",
        tools=tools,
        tool_choice="none",
        reasoning="low",
        output=OutputSchema("answer", {"type": "object"}, strict=True),
        parameters={"tools": [{"type": "web_search"}], "text": {"verbosity": "low"}, "include": ["x"]},
    )
    body = build_responses_request(request)
    assert [tool["type"] for tool in body["tools"]] == ["function", "custom", "web_search"]
    assert (body["tools"][0]["strict"], body["tools"][1]["format"]["syntax"]) == (True, "lark")
    assert body["tool_choice"] == "none"
    assert body["reasoning"] == {"effort": "low", "summary": "auto"}
    assert body["text"]["verbosity"] == "low"
    assert body["text"]["format"]["name"] == "answer"
    assert body["include"] == ["reasoning.encrypted_content", "x"]


@pytest.mark.parametrize(("model", "hosted"), [("gpt-4o", True), ("o3", False), ("unknown", True)])
def test_nothing_about_reasoning_is_sent_unasked_to_a_model_that_does_not(model: str, hosted: bool) -> None:
    body = build_responses_request(Request((), model=model), history="previous", hosted=hosted)
    assert not {"reasoning", "temperature", "include", "tools", "text"} & body.keys()


def background(responses: Any, *events: Any, start: int = 0) -> list[bytes]:
    return responses.bytes(*({**event, "sequence_number": n} for n, event in enumerate(events, start)))  # type: ignore[no-any-return]


@pytest.fixture
def pieces(responses: Any) -> list[Any]:
    deltas = [responses.event("output_text.delta", item_id="msg_1", delta=piece) for piece in ("a", "b", "c")]
    return [responses.created, *deltas, responses.completed(item_of("abc"))]


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_a_background_response_is_read_on_from_its_last_event_after_a_lost_connection(
    endpoint: Any, make: Any, wire: Any, responses: Any, pieces: list[Any], asynchronous: bool, at_once: None
) -> None:
    first = wire.answer(background(responses, *pieces[:2]), cut=True)
    endpoint.on("POST", PATH, first)
    again = wire.answer(background(responses, pieces[2], start=2), cut=True)
    endpoint.on("GET", f"{PATH}/resp_1", again, wire.answer(background(responses, *pieces[3:], start=3)))
    assistant = make("previous", parameters={"background": True})
    reply = asyncio.run(assistant.aask("go")) if asynchronous else assistant.ask("go")
    assert (reply.text, reply.finish) == ("abc", "completed")
    assert len([event for event in reply.events if isinstance(event, Retrying)]) == 2
    asked = [asked.path for asked in endpoint.asked if asked.method == "GET"]
    assert asked == [f"{PATH}/resp_1?stream=true&starting_after={n}" for n in (1, 2)]


def test_a_background_response_that_can_not_be_streamed_again_is_asked_for(
    endpoint: Any, make: Any, wire: Any, responses: Any, pieces: list[Any], at_once: None
) -> None:
    endpoint.on("POST", PATH, wire.answer(background(responses, *pieces[:2]), cut=True))
    refusal = wire.answer([b'{"error": {"message": "not streamable"}}'], 400, "application/json")
    states = [{**pieces[-1]["response"], "status": status} for status in ("in_progress", "completed")]
    endpoint.json("GET", f"{PATH}/resp_1", *states)
    endpoint.answers[("GET", f"{PATH}/resp_1")].insert(0, refusal)
    assert make("previous", parameters={"background": True}).ask("go").text == "abc"


def test_a_background_response_whose_events_are_not_counted_is_asked_for_and_not_told_twice(
    endpoint: Any, make: Any, wire: Any, responses: Any, pieces: list[Any], at_once: None
) -> None:
    uncounted = responses.bytes(*({**event, "sequence_number": 0} for event in pieces[:3]))
    endpoint.on("POST", PATH, wire.answer(uncounted, cut=True))
    endpoint.json("GET", f"{PATH}/resp_1", pieces[-1]["response"])
    reply = make("previous", parameters={"background": True}).ask("go")
    assert (reply.text, reply.finish) == ("abc", "completed")
    assert [asked.path for asked in endpoint.asked if asked.method == "GET"] == [f"{PATH}/resp_1"]


def test_a_background_response_is_left_and_read_on_later(
    endpoint: Any, wire: Any, responses: Any, pieces: list[Any]
) -> None:
    endpoint.on("POST", PATH, wire.answer(background(responses, *pieces[:3])))
    endpoint.on("GET", f"{PATH}/resp_1", wire.answer(background(responses, *pieces[2:], start=2)))
    backend = ResponsesBackend(endpoint.url, "k", history="previous")
    request = Request((Message("user", (Text("go"),)),), model="m", parameters={"background": True})
    left = backend.stream(request)
    started, text = next(left), next(left)
    assert isinstance(started, TurnStarted)
    assert text == TextDelta("a")
    left.close()  # type: ignore[attr-defined]  # it is a generator
    rest = list(backend.read_on({**started.cursor, "sequence": "1"}))
    assert "".join(event.text for event in rest if isinstance(event, TextDelta)) == "bc"
    assert isinstance(rest[-1], TurnEnded)
    assert rest[-1].cursor == {"response_id": "resp_1"}


def test_a_background_response_is_cancelled_and_any_other_ends_with_its_stream(endpoint: Any) -> None:
    endpoint.json("POST", f"{PATH}/resp_1/cancel", {"id": "resp_1", "status": "cancelled"})
    backend = ResponsesBackend(endpoint.url, "k")
    assert backend.cancel({"run_id": "resp_1", "sequence": "3"}) is None
    assert backend.cancel({"response_id": "resp_2"}, forget=True) is None
    assert [asked.path for asked in endpoint.asked] == [f"{PATH}/resp_1/cancel"]


def test_an_interrupt_cancels_a_background_response(
    endpoint: Any, make: Any, wire: Any, responses: Any, pieces: list[Any], say: Any
) -> None:
    class View:
        def apply(self, event: Any) -> None:
            if isinstance(event, TextDelta):
                raise KeyboardInterrupt

    endpoint.json("POST", f"{PATH}/resp_1/cancel", {"id": "resp_1", "status": "cancelled"})
    endpoint.on("POST", PATH, wire.answer(background(responses, *pieces)), say("whole", 2))
    assistant = make("previous", parameters={"background": True})
    assert assistant.ask("go", view=View()).finish == "interrupted"
    assert [asked.path for asked in endpoint.asked][-1] == f"{PATH}/resp_1/cancel"
    assert assistant.ask("again").text == "whole"
    assert contents(endpoint.bodies(PATH)[-1]) == ["go", "a", "again"]


def test_an_old_conversation_is_opened_by_its_id_and_gone_on_with(
    endpoint: Any, make: Any, say: Any, responses: Any
) -> None:
    def text(role: str, kind: str, said: str) -> dict[str, Any]:
        return {"type": "message", "id": f"msg_{said}", "role": role, "content": [{"type": kind, "text": said}]}

    call = {"type": "function_call", "id": "fc_1", "call_id": "1", "name": "f", "arguments": "{}"}
    output = {"type": "function_call_output", "id": "fco_1", "call_id": "1", "output": "12"}
    pages = [
        {"data": [text("user", "input_text", "hi"), {"type": "reasoning", "id": "rs_1"}, call], "has_more": True},
        {"data": [output, text("assistant", "output_text", "12 rows")], "has_more": False},
    ]
    endpoint.json("GET", "/conversations/conv_1/items", *pages)
    endpoint.on("POST", PATH, say("more"))
    assistant = make("previous")
    messages, cursor = assistant.backend.open("conv_1")
    assert messages == [
        Message("user", (Text("hi"),)),
        Message("assistant", (ToolCall("1", "f", "{}"),)),
        Message("tool", (ToolOutput("1", "f", "12"),)),
        Message("assistant", (Text("12 rows"),)),
    ]
    conversation = Conversation("old", tuple(messages))
    conversation.keep_cursor(cursor)
    assistant.ask("go", conversation=conversation)
    body = endpoint.bodies(PATH)[0]
    assert (body["conversation"], contents(body)) == ("conv_1", ["go"])
    endpoint.json("GET", "/conversations/conv_9/items", {"error": {"message": "not found"}}, status=404)
    with pytest.raises(ConversationError, match="no conversation conv_9"):
        assistant.backend.open("conv_9")


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for nothing."""

    async def sleep(seconds: float) -> None:
        return None

    monkeypatch.setattr("nbassist.core.interrupts.sleep", lambda seconds: None)
    monkeypatch.setattr("nbassist.backends.http.transport.asyncio.sleep", sleep)
