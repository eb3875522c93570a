"""What servers of Responses want back, refuse and end with, beside what the protocol says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nbassist import Assistant, Conversation, Threads
from nbassist.backends.assistants.decoder import AssistantsDecoder
from nbassist.backends.responses.backend import ResponsesBackend
from nbassist.backends.responses.history import input_items
from nbassist.config.quirk_names import Quirks
from nbassist.core.events import Retrying, TextDelta, ToolCallReady, Warned
from nbassist.core.messages import Image, Message, Opaque, OutputSchema, Request, Text, ToolCall, ToolOutput
from nbassist.errors import RateLimitError

PATH = "/responses"
HOME = "http://here/v1"


def turn(number: int, *items: Any, status: str = "completed", **response: Any) -> list[Any]:
    base = {"id": f"resp_{number}", "object": "response", "model": "m", **response}
    done = [{"type": "response.output_item.done", "output_index": n, "item": item} for n, item in enumerate(items)]
    ended = {**base, "status": status, "output": list(items), "usage": {"input_tokens": 5, "output_tokens": 2}}
    created = {"type": "response.created", "response": {**base, "status": "in_progress"}}
    return [created, *done, {"type": f"response.{status}", "response": ended}]


def said(text: str, **rest: Any) -> Any:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "id": "msg", "role": "assistant", "status": "completed", "content": content, **rest}


def call(call_id: str, arguments: str = "{}") -> Any:
    return {"type": "function_call", "id": f"fc_{call_id}", "call_id": call_id, "name": "f", "arguments": arguments}


@pytest.fixture
def script(endpoint: Any, wire: Any, responses: Any) -> Any:
    def script(*turns: Any) -> Any:
        endpoint.on("POST", PATH, *(wire.answer(responses.bytes(*t)) if isinstance(t, list) else t for t in turns))
        return endpoint

    return script


@pytest.fixture
def refusal(wire: Any) -> Any:
    def refusal(message: str, status: int = 400, code: str = "") -> Any:
        body = {"error": {"message": message, **({"code": code} if code else {})}}
        return wire.answer([json.dumps(body).encode()], status, "application/json")

    return refusal


def f(city: str = "") -> str:
    """Do it."""
    return f"sunny in {city}"


def make(endpoint: Any, *tools: Any, **named: Any) -> Assistant:
    return Assistant(backend="responses", base_url=endpoint.url, api_key="k", model="m", tools=tools, **named)


def test_the_phase_of_a_message_goes_back_with_it_and_to_no_other_endpoint(script: Any) -> None:
    messages = said("I look.", phase="commentary"), said("Done.", phase="final_answer")
    endpoint = script(turn(1, *messages), turn(2, said("ok")))
    threads = Threads()
    made = make(endpoint, threads=threads)
    assert made.ask("go").text == "I look.\n\nDone."
    made.ask("on")
    sent = [item for item in endpoint.bodies(PATH)[1]["input"] if item.get("type") == "message"]
    assert [(item["phase"], item["content"][0]["text"]) for item in sent] == [
        ("commentary", "I look."),
        ("final_answer", "Done."),
    ]
    elsewhere = input_items(threads[""].messages, home="http://there/v1")
    assert not any("phase" in item for item in elsewhere)


def test_reasoning_goes_back_to_where_it_came_from_alone(script: Any) -> None:
    """gpt-oss on servers of one's own: reasoning as text, which is not encrypted."""
    thought = {"type": "reasoning", "id": "rs", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}
    endpoint = script(turn(1, thought, call("c1")), turn(2, said("ok")))
    threads = Threads()
    make(endpoint, f, threads=threads).ask("go")
    assert thought in endpoint.bodies(PATH)[1]["input"]
    assert thought not in input_items(threads[""].messages, home="http://there/v1")


def test_what_a_saved_thread_of_before_holds_goes_back_as_it_did() -> None:
    reasoning = {"type": "reasoning", "encrypted_content": "x"}
    messages = [Message("assistant", (Opaque("responses", reasoning), Text("a")))]
    assert input_items(messages, home=HOME)[0] == reasoning


def test_an_id_that_comes_again_in_a_later_turn_is_made_unique(script: Any) -> None:
    endpoint = script(turn(1, call("f:0")), turn(2, call("f:0")), turn(3, said("ok")))
    assert make(endpoint, f).ask("go").finish == "completed"
    sent = endpoint.bodies(PATH)[2]["input"]
    ids = [item["call_id"] for item in sent if item.get("type") == "function_call"]
    assert ids == ["f:0", "f:1"]
    assert [item["call_id"] for item in sent if item.get("type") == "function_call_output"] == ids


@pytest.mark.parametrize("wrote", ['{"city": "Par"is"}', "[]", '{"a": NaN}'])
def test_arguments_that_are_no_object_stand_in_the_output(wrote: str) -> None:
    messages = [Message("assistant", (ToolCall("1", "f", wrote),)), Message("tool", (ToolOutput("1", "f", "no"),))]
    called, output = input_items(messages)
    assert called["arguments"] == "{}"
    assert wrote in output["output"]


def test_no_message_without_words_is_sent_and_images_stand_where_they_are_taken() -> None:
    picture = ToolOutput("1", "f", "a", images=(Image(data=b"x"),))
    messages = [Message("assistant", (Text(" \n"), ToolCall("1", "f", "{}"))), Message("tool", (picture,))]
    inside = input_items(messages, model="gpt-4o")
    assert [item["type"] for item in inside] == ["function_call", "function_call_output"]
    assert [part["type"] for part in inside[1]["output"]] == ["input_text", "input_image"]
    behind = input_items(messages, model="gpt-4o", habits=Quirks(refuses=("tool_images",)))
    assert behind[1]["output"] == "a"
    assert behind[2]["role"] == "user"


LIMIT = {"code": "rate_limit_exceeded", "message": "Rate limit reached"}


@pytest.mark.parametrize("way", ["failed", "error", "flat"])
def test_a_rate_limit_before_any_output_is_waited_for_as_a_429_is(
    way: str, script: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nbassist.core.interrupts.sleep", lambda seconds: None)
    failed = turn(1, status="failed", error=LIMIT)
    told = {
        "failed": failed,
        "error": [failed[0], {"type": "error", "error": LIMIT}],
        "flat": [{"type": "error", **LIMIT}],
    }
    endpoint = script(told[way], turn(2, said("ok")))
    reply = make(endpoint).ask("go")
    assert (reply.text, reply.finish) == ("ok", "completed")
    assert any(isinstance(event, Retrying) for event in reply.events)


def test_a_used_up_quota_is_told_and_not_asked_again(script: Any) -> None:
    endpoint = script(turn(1, status="failed", error={"code": "insufficient_quota", "message": "You exceeded"}))
    with pytest.raises(RateLimitError, match="You exceeded"):
        make(endpoint).ask("go")
    assert len(endpoint.asked) == 1


def test_a_rate_limit_behind_some_output_ends_the_reply(script: Any) -> None:
    delta = {"type": "response.output_text.delta", "item_id": "m", "output_index": 0, "delta": "half"}
    created, failed = turn(1, status="failed", error=LIMIT)
    endpoint = script([created, delta, failed])
    reply = make(endpoint).ask("go")
    assert (reply.text, reply.finish) == ("half", "failed")
    assert len(endpoint.asked) == 1


@pytest.mark.parametrize(
    "message",
    [
        "Previous response cannot be used for this organization due to Zero Data Retention.",
        "Previous response not found.",
    ],
)
def test_an_organisation_that_keeps_nothing_is_sent_no_request_twice(message: str, script: Any, refusal: Any) -> None:
    endpoint = script(turn(1, call("c1")), refusal(message), *(turn(n, said("ok")) for n in (2, 3, 4)))
    made = make(endpoint, f)
    made._backend = ResponsesBackend(endpoint.url, "k", history="previous")
    reply = made.ask("go")
    assert any(isinstance(event, Warned) for event in reply.events)
    made.ask("on")
    again = make(endpoint, f)
    again._backend = ResponsesBackend(endpoint.url, "k", history="previous")
    again.ask("on")
    bodies = endpoint.bodies(PATH)
    assert len(bodies) == 5
    assert [("previous_response_id" in body) for body in bodies] == [False, True, False, False, False]
    assert all(body["store"] is False for body in bodies[2:])


def test_one_that_says_that_it_stores_nothing_is_believed_at_once(script: Any) -> None:
    endpoint = script(turn(1, call("c1"), store=False), turn(2, said("ok"), store=False))
    made = make(endpoint, f)
    made._backend = ResponsesBackend(endpoint.url, "k", history="previous")
    assert made.ask("go").finish == "completed"
    assert ["previous_response_id" in body for body in endpoint.bodies(PATH)] == [False, False]


@pytest.mark.parametrize(
    ("words", "gone"),
    [
        ("Unknown parameter: 'tools[0].strict'", lambda body: not any("strict" in tool for tool in body["tools"])),
        ("Unsupported: text.format of type json_schema", lambda body: "text" not in body),
    ],
)
def test_what_nobody_asked_for_is_taken_back_and_said(words: str, gone: Any, script: Any, refusal: Any) -> None:
    endpoint = script(refusal(words), turn(1, said('{"value": 3}')), turn(2, said('{"value": 3}')))
    made = make(endpoint, *([f] if "strict" in words else []))
    for _ in range(2):
        assert made.ask("go", as_=dict[str, int]).value == {"value": 3}
    assert len(endpoint.asked) == 3
    assert all(gone(body) for body in endpoint.bodies(PATH)[1:])


def test_tools_that_the_history_calls_are_named_where_none_are_offered(script: Any) -> None:
    endpoint = script(turn(1, call("c1")), turn(2, said("ok")), turn(3, said("ok")))
    threads = Threads()
    make(endpoint, f, threads=threads).ask("go")
    make(endpoint, threads=threads).ask("on")
    body = endpoint.bodies(PATH)[2]
    assert ([tool["name"] for tool in body["tools"]], body["tool_choice"]) == (["f"], "none")


def test_a_call_in_the_text_is_read_of_models_that_need_it_alone(script: Any) -> None:
    written = said('{"name": "f", "arguments": {"city": "Rome"}}')
    endpoint = script(turn(1, written))
    assert make(endpoint, f).ask("go").text == written["content"][0]["text"]
    endpoint = script(turn(1, written), turn(2, said("ok")))
    coder = Assistant(backend="responses", base_url=endpoint.url, model="qwen2.5-coder", tools=[f])
    assert coder.ask("go").tool_calls[0].output == "sunny in Rome"


def test_an_empty_reply_says_so_and_the_thread_goes_on(script: Any) -> None:
    endpoint = script(turn(1), turn(2, said("ok")))
    thread = Conversation("t")
    reply = make(endpoint).ask("go", conversation=thread)
    assert "nothing" in reply.detail
    assert make(endpoint).ask("on", conversation=thread).text == "ok"


def test_a_schema_stands_in_the_instructions_where_it_is_refused() -> None:
    from nbassist.backends.responses.request import build_responses_request

    request = Request((), model="m", instructions="Be brief.", output=OutputSchema("a", {"type": "integer"}))
    body = build_responses_request(request, without=("response_format",))
    assert body["instructions"].startswith("Be brief.")
    assert '"integer"' in body["instructions"]


def test_halves_of_characters_and_numbers_in_pieces_of_text_and_arguments(responses: Any) -> None:
    def piece(value: Any) -> Any:
        return responses.event("output_text.delta", item_id="m", output_index=0, content_index=0, delta=value)

    begun = responses.added({"type": "function_call", "id": "fc", "call_id": "c", "name": "f", "arguments": ""})
    arguments = [
        responses.event("function_call_arguments.delta", item_id="fc", delta=half)
        for half in ('{"a": "\ud83d', '\ude00"}')
    ]
    events = responses.decode(piece("a\ud83d"), piece("\ude00"), piece(0.5), begun, *arguments, responses.completed())
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "a\U0001f600" + "0.5"
    [ready] = [event for event in events if isinstance(event, ToolCallReady)]
    assert json.loads(ready.arguments) == {"a": "\U0001f600"}


def test_halves_of_characters_in_a_message_of_an_assistants_thread() -> None:
    decoder = AssistantsDecoder({"thread_id": "t", "run_id": "r"})
    events = []
    for half in ("a\ud83d", "\ude00"):
        content = [{"index": 0, "type": "text", "text": {"value": half}}]
        events += decoder.feed({"event": "thread.message.delta", "data": {"id": "m", "delta": {"content": content}}})
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "a\U0001f600"
