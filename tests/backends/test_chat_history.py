"""A history that any strict server takes, and what goes back to the endpoint it came from."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbassist import Conversation
from nbassist.backends.chat.backend import build_chat_request
from nbassist.backends.chat.decoder import ChatDecoder
from nbassist.backends.chat.history import mended, unique_id
from nbassist.backends.chat.opaque_state import joined
from nbassist.backends.message_content import object_arguments
from nbassist.config.quirk_names import Quirks
from nbassist.core.events import ItemKept, ToolFinished, TurnStarted
from nbassist.core.messages import Image, Message, Opaque, OutputSchema, Request, Text, ToolCall, ToolOutput, ToolSpec

HOME = "http://here/v1"
PROMPT = Message("user", (Text("go"),))


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def talk(*turns: list[Any], home: str = HOME) -> Conversation:
    """Return a conversation in which an endpoint said the chunks of each turn; its calls are answered."""
    conversation = Conversation()
    for turn in turns:
        conversation.add_user(Text("go"))
        decoder = ChatDecoder(["f"], home=home)
        conversation.fold(TurnStarted())
        for event in [event for item in turn for event in decoder.feed(item)] + decoder.finish(marked=True):
            conversation.fold(event)
        for call in conversation.open_calls:
            conversation.fold(ToolFinished(call.id, call.name, "ok"))
    conversation.add_user(Text("next"))
    return conversation


def sent(conversation: Conversation, home: str = HOME, habits: Quirks = Quirks()) -> list[dict[str, Any]]:
    request = Request(tuple(conversation.messages), model="m")
    return list(build_chat_request(request, habits, home)["messages"])


def call(number: int, **beside: Any) -> Any:
    function = {"name": "f", "arguments": "{}"}
    return chunk(tool_calls=[{"index": number, "id": f"c{number}", "type": "function", "function": function, **beside}])


SIGNED = {"extra_content": {"google": {"thought_signature": "EpwC+vs="}}}


def test_what_stood_beside_a_call_goes_back_with_it_and_to_no_other_endpoint() -> None:
    """Gemini: parallel calls, of which the first is signed."""
    conversation = talk([call(0, **SIGNED), call(1), chunk("tool_calls")])
    first, second = sent(conversation)[1]["tool_calls"]
    assert first["extra_content"] == SIGNED["extra_content"]
    assert "extra_content" not in second
    assert not any("extra_content" in one for one in sent(conversation, "http://there/v1")[1]["tool_calls"])


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "thinking", "reasoning_text"])
def test_reasoning_goes_back_under_the_name_it_came_in(name: str) -> None:
    conversation = talk([chunk(**{name: "I need "}), chunk(**{name: "it."}), call(0), chunk("tool_calls")])
    assert sent(conversation)[1][name] == "I need it."
    assert name not in sent(conversation, "http://there/v1")[1]
    assert name not in sent(conversation, habits=Quirks(refuses=(name,)))[1]


def test_reasoning_of_a_turn_that_was_interrupted_goes_back_as_far_as_it_came() -> None:
    conversation = Conversation()
    conversation.add_user(Text("go"))
    decoder = ChatDecoder(home=HOME)
    for event in decoder.feed(chunk(reasoning_content="hm")) + decoder.feed(chunk(content="half")):
        conversation.fold(event)
    conversation.add_user(Text("next"))
    assert sent(conversation)[1] == {"role": "assistant", "content": "half", "reasoning_content": "hm"}


def test_an_empty_reasoning_is_sent_back_as_well() -> None:
    """DeepSeek V4 sends one where the model answers at once, and misses it in the history."""
    conversation = talk([chunk(reasoning_content="", content=""), chunk(content="a"), chunk("stop")])
    assert sent(conversation)[1]["reasoning_content"] == ""


@pytest.mark.parametrize("home", [HOME, "http://there/v1"])
def test_each_message_has_what_the_endpoint_wants_in_each(home: str) -> None:
    conversation = talk([chunk(content="a"), chunk("stop")], [call(0), chunk("tool_calls")])
    messages = sent(conversation, home, Quirks(wants=("reasoning_content",)))
    said = [message for message in messages if message["role"] == "assistant"]
    assert len(said) == 2
    assert all(message["reasoning_content"] for message in said), "Kimi takes an empty one for none"


def test_details_of_reasoning_are_put_together_piece_by_piece() -> None:
    """OpenRouter: texts grow by their index, the signature comes last, what is encrypted stays as it is."""
    text = {"type": "reasoning.text", "format": "f", "index": 0}
    hidden = [{"type": "reasoning.encrypted", "data": data, "index": 1} for data in ("gAA", "gAB")]
    pieces = [{**text, "text": "I "}, {**text, "text": "see"}, {**text, "signature": "c2ln"}, *hidden]
    turn = [chunk(reasoning=one.get("text"), reasoning_details=[one]) for one in pieces]
    conversation = talk([*turn, call(0), chunk("tool_calls")])
    assert sent(conversation)[1]["reasoning_details"] == [{**text, "text": "I see", "signature": "c2ln"}, *hidden]


def test_thinking_as_parts_of_a_content_list_goes_back_as_a_list() -> None:
    """Mistral: a part of thinking whose text is in parts again, then plain text."""

    def think(text: str) -> Any:
        return chunk(content=[{"type": "thinking", "thinking": [{"type": "text", "text": text}]}])

    conversation = talk([think("I "), think("see"), chunk(content="It "), chunk(content="is."), chunk("stop")])
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "I see"}]}
    assert sent(conversation)[1]["content"] == [thought, {"type": "text", "text": "It is."}]
    assert sent(conversation, "http://there/v1")[1]["content"] == "It is."


def test_what_is_kept_is_in_the_saved_thread_and_in_a_fork(tmp_path: Any) -> None:
    conversation = talk([chunk(reasoning_content="hm"), call(0, **SIGNED), chunk("tool_calls")])
    conversation.save(tmp_path / "t.json")
    expected = sent(conversation)[1]
    assert expected["reasoning_content"] == "hm"
    for other in (Conversation.load(tmp_path / "t.json"), conversation.fork()):
        assert sent(other)[1] == expected


def test_a_thread_that_was_saved_before_anything_was_kept_is_read() -> None:
    part = {"type": "opaque", "wire": "responses", "data": {"type": "reasoning", "encrypted_content": "x"}}
    message = {"role": "assistant", "complete": True, "parts": [part]}
    found = Conversation.from_dict({"version": 1, "name": "", "messages": [message]})
    assert found.messages[0].parts == (Opaque("responses", {"type": "reasoning", "encrypted_content": "x"}),)


def test_a_call_that_another_model_made_is_signed_where_that_is_asked() -> None:
    conversation = talk([call(0), call(1), chunk("tool_calls")], home="http://there/v1")
    calls = sent(conversation, habits=Quirks(unsigned=SIGNED))[1]["tool_calls"]
    assert ["extra_content" in one for one in calls] == [True, False]


def history(*calls: ToolCall, output: str = "ok") -> tuple[Message, ...]:
    outputs = tuple(ToolOutput(one.id, one.name, output) for one in calls)
    return PROMPT, Message("assistant", calls), Message("tool", outputs), Message("user", (Text("next"),))


@pytest.mark.parametrize("wrote", ['{"city": "Par"is"}', '{"a": NaN}', "[1]", '"x"', "{", '{"a": 1e999}', "not JSON"])
def test_arguments_that_are_no_object_stand_in_the_tools_message(wrote: str) -> None:
    messages = build_chat_request(Request(history(ToolCall("1", "f", wrote)), model="m"))["messages"]
    assert messages[1]["tool_calls"][0]["function"]["arguments"] == "{}"
    assert messages[2]["content"].startswith("ok")
    assert wrote in messages[2]["content"]


@pytest.mark.parametrize("wrote", ['{"city": "Paris", "n": 1.0}', '{ "a":[1,{"b":null}] }', '{"a": "\\ud83d\\ude00"}'])
def test_arguments_that_are_an_object_stay_to_the_letter(wrote: str) -> None:
    messages = build_chat_request(Request(history(ToolCall("1", "f", wrote)), model="m"))["messages"]
    assert messages[1]["tool_calls"][0]["function"]["arguments"] == wrote
    assert messages[2]["content"] == "ok"


@given(
    st.text(max_size=30)
    | st.recursive(st.none() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)).map(
        json.dumps
    )
)
def test_whatever_a_model_wrote_what_is_sent_is_an_object_for_the_strictest_reader(wrote: str) -> None:
    found = object_arguments(wrote)
    if found is not None:
        assert isinstance(json.loads(found, parse_constant=lambda name: pytest.fail(name)), dict)
        found.encode()


def test_a_message_of_the_assistant_that_says_nothing_is_left_out_and_the_prompts_become_one() -> None:
    messages = (PROMPT, Message("assistant", (Text(" "),)), Message("user", (Text("next"),)))
    assert build_chat_request(Request(messages, model="m"))["messages"] == [{"role": "user", "content": "go\n\nnext"}]
    pictured = Message("user", (Text("look"), Image(url="https://x.org/a.png")))
    [both] = build_chat_request(Request((PROMPT, Message("assistant", ()), pictured), model="m"))["messages"]
    assert [part["type"] for part in both["content"]] == ["text", "text", "image_url"]


def test_a_reply_of_a_picture_alone_says_that_there_was_one() -> None:
    messages = (PROMPT, Message("assistant", (Image(data=b"x"),)), PROMPT)
    assert "image" in build_chat_request(Request(messages, model="m"))["messages"][1]["content"]


NINE = Quirks(call_ids="nine")


def test_ids_for_mistral_are_nine_letters_and_digits_and_the_same_each_time() -> None:
    turn = history(ToolCall("call_abcdefghijkl", "f", "{}"), ToolCall("abcDEF123", "f", "{}"))
    first, second = (build_chat_request(Request(turn, model="m"), NINE)["messages"] for _ in range(2))
    assert first == second
    ids = [one["id"] for one in first[1]["tool_calls"]]
    assert all(re.fullmatch("[a-zA-Z0-9]{9}", one) for one in ids)
    assert ids[1] == "abcDEF123"
    assert [message["tool_call_id"] for message in first[2:4]] == ids


def test_ids_are_shortened_only_where_they_are_too_long() -> None:
    turn = history(ToolCall("x" * 40, "f", "{}"), ToolCall("y" * 41, "f", "{}"))
    ids = [
        one["id"] for one in build_chat_request(Request(turn), Quirks(call_ids="forty"))["messages"][1]["tool_calls"]
    ]
    assert ids[0] == "x" * 40
    assert len(ids[1]) <= 40
    long = history(ToolCall("call_1__thought__" + "A" * 500, "f", "{}"))
    assert len(build_chat_request(Request(long))["messages"][1]["tool_calls"][0]["id"]) > 500, (
        "a gateway reads it again"
    )


def test_an_id_that_comes_again_in_a_later_turn_is_made_unique() -> None:
    """Kimi counts from 0 in each turn, and counts on within one."""
    turn = history(ToolCall("functions.f:0", "f", "{}"))
    messages = build_chat_request(Request((*turn, *turn[1:]), model="m"))["messages"]
    ids = [one["id"] for message in messages for one in message.get("tool_calls", ())]
    assert ids == ["functions.f:0", "functions.f:1"]
    assert [message["tool_call_id"] for message in messages if message["role"] == "tool"] == ids
    assert unique_id("a", ["a", "a_2"]) == "a_3"


def test_no_prompt_follows_an_output_where_that_is_refused() -> None:
    turn = history(ToolCall("1", "f", "{}"))
    roles = [m["role"] for m in build_chat_request(Request(turn), Quirks(refuses=("user_after_tool",)))["messages"]]
    assert ("tool", "user") not in pairwise(roles)
    assert [m["role"] for m in build_chat_request(Request(turn))["messages"]] == ["user", "assistant", "tool", "user"]


def test_images_of_tools_stand_where_the_provider_takes_them() -> None:
    picture = Image(data=b"\x89PNG")
    turn = (
        Message("assistant", (ToolCall("1", "f", "{}"),)),
        Message("tool", (ToolOutput("1", "f", "a", images=(picture,)),)),
    )
    request = Request(turn, model="gpt-4o")
    inside = build_chat_request(request, Quirks(tool_images="tool"))["messages"]
    assert [part["type"] for part in inside[1]["content"]] == ["text", "image_url"]
    assert [m["role"] for m in build_chat_request(request, Quirks(tool_images="user"))["messages"]][-1] == "user"
    assert "1 image" in build_chat_request(request, Quirks(tool_images="none"))["messages"][1]["content"]


def test_tools_that_the_history_calls_are_named_where_none_are_offered() -> None:
    """Bedrock behind a gateway refuses calls in the history otherwise."""
    body = build_chat_request(Request(history(ToolCall("1", "f", "{}"), ToolCall("2", "f", "{}")), model="m"))
    assert [tool["function"]["name"] for tool in body["tools"]] == ["f"]
    assert body["tool_choice"] == "none"
    assert "tools" not in build_chat_request(Request((PROMPT,), model="m"))


TOOLS = (ToolSpec("f", "F.", {"type": "object"}, strict=True), ToolSpec("g", "G.", {"type": "object"}))


def test_what_an_endpoint_refuses_is_not_sent() -> None:
    request = Request(
        (PROMPT,), model="m", tools=TOOLS, tool_choice="none", output=OutputSchema("a", {"type": "integer"})
    )
    names = ("stream_options", "strict", "tool_choice", "response_format")
    body = build_chat_request(request, Quirks(refuses=names))
    assert not [name for name in names if name in body]
    assert not any("strict" in tool["function"] for tool in body["tools"])
    assert '{"type": "integer"}' in body["messages"][0]["content"], "the schema is told in words"


def test_tools_are_all_strict_or_none_where_they_may_not_be_mixed() -> None:
    mixed = Quirks(refuses=("mixed_strict",))
    assert not any("strict" in t["function"] for t in build_chat_request(Request((), tools=TOOLS), mixed)["tools"])
    assert "strict" in build_chat_request(Request((), tools=TOOLS[:1]), mixed)["tools"][0]["function"]


def test_a_limit_goes_by_the_name_that_the_endpoint_has_for_it() -> None:
    request = Request((PROMPT,), parameters={"max_tokens": 5})
    body = build_chat_request(request, Quirks(names={"max_tokens": "max_completion_tokens"}))
    assert body["max_completion_tokens"] == 5
    assert "max_tokens" not in body


def test_what_is_kept_comes_in_pieces_and_is_one() -> None:
    kept = [{"reasoning": "r"}, {"fields": {"a": 1}}, {"fields": {"b": 2}, "calls": {"1": {"x": 1}}}]
    assert joined(kept) == {"reasoning": "r", "fields": {"a": 1, "b": 2}, "calls": {"1": {"x": 1}}}


PARTS = st.lists(st.sampled_from(["user", "say", "think", "call", "broken", "empty"]), min_size=1, max_size=12)


@given(PARTS, st.sampled_from(["any", "nine", "forty"]), st.booleans())
def test_any_history_is_one_that_a_strict_server_takes(parts: list[str], ids: Any, ordered: bool) -> None:
    turns = {
        "say": [chunk(content="a"), chunk("stop")],
        "think": [chunk(reasoning_content="hm"), chunk(content="a"), chunk("stop")],
        "call": [call(0), call(1), chunk("tool_calls")],
        "broken": [
            chunk(tool_calls=[{"index": 0, "id": "c0", "function": {"name": "f", "arguments": '{"a'}}]),
            chunk("stop"),
        ],
        "empty": [chunk("stop")],
        "user": [chunk("length")],
    }
    habits = Quirks(call_ids=ids, refuses=("user_after_tool",) if ordered else (), wants=("reasoning_content",))
    messages = sent(talk(*(turns[part] for part in parts)), habits=habits)
    seen: set[str] = set()
    waiting: set[str] = set()
    for message in messages:
        if message["role"] == "tool":
            waiting.remove(message["tool_call_id"])
            continue
        assert not waiting, "each call is answered before the next message"
        if message["role"] == "assistant":
            assert message.get("content") or message.get("tool_calls")
            assert message["reasoning_content"]
        for one in message.get("tool_calls", ()):
            assert isinstance(json.loads(one["function"]["arguments"]), dict)
            assert one["id"] not in seen
            seen.add(one["id"])
            waiting.add(one["id"])
    roles = [message["role"] for message in messages]
    assert not ordered or ("tool", "user") not in pairwise(roles)
    assert mended(messages, habits) == messages, "what is mended is not mended again"


def test_what_an_endpoint_said_of_itself_is_told_before_what_it_belongs_to() -> None:
    decoder = ChatDecoder(home=HOME)
    events = decoder.feed(chunk(reasoning_content="hm"))
    assert [type(event).__name__ for event in events] == ["TurnStarted", "ItemKept", "ReasoningDelta"]
    assert events[1] == ItemKept("chat", {"reasoning": "reasoning_content"}, HOME)
