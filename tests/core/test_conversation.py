"""History stays valid whatever happens: each call has one output, before the next message."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbassist.core.conversation import VERSION, Conversation
from nbassist.core.events import (
    ImageReady,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallReady,
    ToolCallStarted,
    ToolFinished,
    TurnEnded,
    TurnStarted,
    Usage,
)
from nbassist.core.messages import Image, Message, Reasoning, Refusal, Text, ToolCall, ToolOutput
from nbassist.errors import ConversationError, LaterVersionError


def talk(*events: Any, prompt: str = "hi") -> Conversation:
    conversation = Conversation("main")
    conversation.add_user(Text(prompt))
    for event in events:
        conversation.fold(event)
    return conversation


def valid(conversation: Conversation) -> None:
    """Check the rule that every endpoint holds history to."""
    open_calls: list[str] = []
    for message in conversation.messages:
        if message.role == "tool":
            for part in message.parts:
                assert isinstance(part, ToolOutput)
                open_calls.remove(part.call_id)
        else:
            assert open_calls == [], "a message stands between a call and its output"
            open_calls += [call.id for call in message.tool_calls]
    assert open_calls == []


def test_pieces_are_folded_into_one_message_in_their_order() -> None:
    conversation = talk(
        ReasoningDelta("h"), ReasoningDelta("m"), TextDelta("a"), TextDelta("b"), RefusalDelta("no"), TurnEnded("stop")
    )
    assert conversation.messages[-1] == Message("assistant", (Reasoning("hm"), Text("ab"), Refusal("no")))


def test_a_cut_reply_is_kept_and_marked_incomplete_and_its_unfinished_call_dropped() -> None:
    conversation = talk(TextDelta("a"), ToolCallStarted("1", "f"), ToolArgumentsDelta("1", '{"x'), TurnEnded("cut"))
    assert conversation.messages[-1] == Message("assistant", (Text("a"),), complete=False)
    valid(conversation)


def test_open_calls_get_the_result_interrupted_before_the_next_message() -> None:
    ready = [ToolCallReady(i, "f", "{}") for i in "123"]
    conversation = talk(*ready, TurnEnded("tool_calls"), ToolFinished("2", "f", "fine"))
    assert conversation.repair("interrupted")
    conversation.add_user(Text("next"))
    outputs = [(p.call_id, p.output) for p in conversation.messages[2].parts if isinstance(p, ToolOutput)]
    assert outputs == [("2", "fine"), ("1", "interrupted"), ("3", "interrupted")]
    valid(conversation)


def test_a_second_answer_to_a_call_is_dropped() -> None:
    conversation = talk(
        ToolCallReady("1", "f", "{}"), TurnEnded("tool_calls"), ToolFinished("1", "f", "a"), ToolFinished("1", "f", "b")
    )
    valid(conversation)


def test_a_prompt_without_any_answer_can_be_taken_back_and_one_with_an_answer_not() -> None:
    conversation = talk()
    assert conversation.drop_prompt()
    assert len(conversation) == 0
    assert not talk(TextDelta("a"), TurnEnded("stop")).drop_prompt()


def test_the_cursor_is_kept_at_the_end_of_a_turn_alone() -> None:
    conversation = talk(TurnStarted({"thread_id": "t", "run_id": "r"}), TextDelta("a"))
    assert (conversation.cursor, conversation.active) == ({}, {"thread_id": "t", "run_id": "r"})
    conversation.fold(TurnEnded("stop", cursor={"thread_id": "t"}))
    assert (conversation.cursor, conversation.active, conversation.since) == ({"thread_id": "t"}, {}, 2)


def test_a_fork_is_its_own_and_valid_wherever_it_is_cut() -> None:
    conversation = talk(ToolCallReady("1", "f", "{}"), TurnEnded("tool_calls", cursor={"thread_id": "t"}))
    conversation.fold(ToolFinished("1", "f", "out"))
    for at in range(len(conversation) + 1):
        fork = conversation.fork(at)
        valid(fork)
        assert (fork.cursor, fork.since) == ({}, 0)
    fork = conversation.fork()
    fork.add_user(Text("more"))
    assert len(conversation) == 3
    with pytest.raises(ConversationError, match="3 messages"):
        conversation.fork(9)


def test_undo_takes_back_whole_turns() -> None:
    conversation = talk(TextDelta("a"), TurnEnded("stop", cursor={"thread_id": "t"}))
    conversation.add_user(Text("second"))
    conversation.fold(TextDelta("b"))
    conversation.fold(TurnEnded("stop"))
    assert conversation.undo() == 2
    assert [m.text for m in conversation.messages] == ["hi", "a"]
    with pytest.raises(ConversationError, match="1 prompts"):
        conversation.undo(2)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    conversation = talk(
        ReasoningDelta("r"),
        TextDelta("é😀"),
        ImageReady("image/png", b"\x89PNG"),
        ToolCallReady("1", "f", '{"a": 1}'),
        TurnEnded("tool_calls", cursor={"thread_id": "t"}),
        ToolFinished("1", "f", "out", error="x", seconds=0.5),
    )
    conversation.messages.append(Message("assistant", (Refusal("no"), Image(url="http://x/y.png"))))
    conversation.save(tmp_path / "c.json")
    loaded = Conversation.load(tmp_path / "c.json")
    assert loaded.messages == conversation.messages
    assert (loaded.name, loaded.cursor, loaded.since) == ("main", {"thread_id": "t"}, 2)
    assert [p.name for p in tmp_path.iterdir()] == ["c.json"]


def test_a_session_that_died_with_a_call_open_is_mended_on_loading_and_sent_anew(tmp_path: Path) -> None:
    conversation = talk(
        ToolCallReady("1", "f", "{}"), TurnEnded("tool_calls", cursor={"thread_id": "t", "run_id": "r"})
    )
    conversation.save(tmp_path / "c.json")
    loaded = Conversation.load(tmp_path / "c.json")
    valid(loaded)
    assert loaded.cursor == {}


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"version": 9, "messages": []}', '{"version": 1, "messages": [{"role": "x"}]}', "no json"]
)
def test_what_is_no_conversation_is_one_clear_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(ConversationError):
        Conversation.load(tmp_path / "c.json")
    with pytest.raises(ConversationError, match="can't load"):
        Conversation.load(tmp_path / "missing.json")


IDS = st.sampled_from("abc")
EVENTS = st.one_of(
    st.builds(TextDelta, st.text(max_size=3)),
    st.builds(ToolCallReady, IDS, st.just("f"), st.just("{}")),
    st.builds(ToolFinished, IDS, st.just("f"), st.just("out")),
    st.builds(TurnEnded, st.sampled_from(["stop", "tool_calls", "cut"])),
)


@given(st.lists(st.one_of(EVENTS, st.just("prompt"), st.just("repair")), max_size=25))
def test_after_repair_history_is_valid_whatever_came(steps: list[Any]) -> None:
    conversation = talk()
    used: set[str] = set()
    for number, step in enumerate(steps):
        if step == "prompt":
            conversation.add_user(Text("p"))
        elif step == "repair":
            conversation.repair("interrupted")
        elif isinstance(step, ToolCallReady):
            used.add(step.call_id)
            conversation.fold(ToolCallReady(f"{step.call_id}{number}", "f", "{}"))
        else:
            conversation.fold(step)
            if isinstance(step, TurnEnded):
                conversation.repair("not run")  # a driver answers all calls of a turn before the next
    conversation.repair("interrupted")
    valid(conversation)
    again = Conversation.from_dict(json.loads(json.dumps(conversation.to_dict())))
    assert again.messages == conversation.messages


def test_a_message_gives_its_text_and_its_calls() -> None:
    message = Message("assistant", (Text("a"), ToolCall("1", "f", "{}"), Text("b")))
    assert (message.text, message.tool_calls) == ("ab", (ToolCall("1", "f", "{}"),))


def left_at(at: int, messages: int = 4) -> Conversation:
    """A thread of so many messages whose reply was left at a position."""
    history = [Message("user" if n % 2 == 0 else "assistant", (Text(str(n)),)) for n in range(messages)]
    conversation = Conversation("t", tuple(history))
    conversation.left = {"run_id": "r", "at": str(at)}
    return conversation


@pytest.mark.parametrize(("at", "came"), [(1, ["1", "2", "3"]), (3, ["3"]), (4, [])])
def test_a_reply_that_was_left_is_taken_up_where_it_began(at: int, came: list[str]) -> None:
    conversation = left_at(at)
    cursor, taken = conversation.take_up()
    assert cursor["run_id"] == "r"
    assert [message.text for message in taken] == came
    assert len(conversation.messages) == at


@pytest.mark.parametrize("at", [-1, 0, 5])
def test_a_reply_that_was_left_elsewhere_is_not_taken_up(at: int) -> None:
    with pytest.raises(ConversationError, match="no reply was left in the thread 't'"):
        left_at(at).take_up()


@pytest.mark.parametrize(("at", "after"), [(3, "-1"), (2, "2")])
def test_what_is_taken_back_with_the_prompt_of_a_reply_that_was_left_is_read_on_no_more(at: int, after: str) -> None:
    conversation = left_at(at)
    conversation.undo()
    assert len(conversation.messages) == 2
    assert conversation.left["at"] == after


@pytest.mark.parametrize(
    ("estimate", "counted", "rate"),
    [(200, 400, 1.0), (201, 402, 2.0), (400, 0, 1.0), (1000, 9000, 3.0), (1000, 1, 0.3)],
)
def test_the_estimate_is_set_right_by_long_requests_that_were_counted(estimate: int, counted: int, rate: float) -> None:
    conversation = Conversation()
    conversation.count(estimate, Usage(input_tokens=counted))
    assert conversation.rate == rate


def test_a_thread_of_a_later_version_says_so_and_one_of_no_version_does_not() -> None:
    with pytest.raises(LaterVersionError, match="later version"):
        Conversation.from_dict({"version": VERSION + 1, "messages": []})
    for version in (None, "9", 0):
        with pytest.raises(ConversationError) as caught:
            Conversation.from_dict({"version": version, "messages": []})
        assert not isinstance(caught.value, LaterVersionError)
