"""What of a history fits: whole turns, the newest, never the prompt itself left out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbassist.core.conversation import Conversation
from nbassist.core.events import Usage
from nbassist.core.messages import Image, Message, Request, Text, ToolCall, ToolOutput, ToolSpec
from nbassist.errors import RequestRefusedError
from nbassist.run.context_window import fit, refused_as_too_long, tokens_of, tokens_of_request


def history(*lengths: int) -> Request:
    messages: list[Message] = []
    for number, length in enumerate(lengths):
        messages.append(Message("user", (Text("x" * length),)))
        messages.append(Message("assistant", (ToolCall(f"c{number}", "f", "{}"),)))
        messages.append(Message("tool", (ToolOutput(f"c{number}", "f", "y" * length),)))
    return Request(tuple(messages))


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=8), st.integers(1, 4000))
def test_whole_turns_are_left_out_and_the_last_one_never_is(lengths: list[int], limit: int) -> None:
    request = history(*lengths)
    fitted = fit(request, limit)
    assert fitted.messages
    assert fitted.messages[0].role == "user"
    assert fitted.messages == request.messages[-len(fitted.messages) :]
    assert len(fitted.messages) == 3 * (len(lengths) - fitted.dropped)
    assert fitted.tokens <= limit or fitted.dropped == len(lengths) - 1


def test_what_fits_is_sent_whole_and_no_limit_means_all() -> None:
    request = history(100, 100)
    assert fit(request, 10_000).dropped == 0
    assert fit(history(100_000, 100_000), 0).dropped == 0


def test_instructions_and_tools_take_room_too() -> None:
    tool = ToolSpec("f", "d" * 4000, {"type": "object"})
    bare = Request((Message("user", (Text("x"),)),))
    full = Request(bare.messages, instructions="i" * 4000, tools=(tool,))
    assert tokens_of_request(full) - tokens_of_request(bare) == pytest.approx(2000, rel=0.02)


def test_other_scripts_and_images_are_counted() -> None:
    assert tokens_of([Message("user", (Text("語" * 100),))]) > tokens_of([Message("user", (Text("x" * 100),))])
    assert tokens_of([Message("user", (Image(data=b"1"),))]) > 500


def test_the_estimate_is_set_right_by_what_the_endpoint_counts() -> None:
    conversation = Conversation()
    conversation.count(1000, Usage(1500, 1, known=True))
    assert conversation.rate == 1.5
    conversation.count(1000, Usage(0, 0, known=True))
    conversation.count(10, Usage(90, 1, known=True))
    assert conversation.rate == 1.5, "what is nothing or small says nothing"
    assert fit(history(2000, 2000), 1400, conversation.rate).dropped == 1
    assert fit(history(2000, 2000), 2200, 1.0).dropped == 0


@pytest.mark.parametrize(
    ("message", "limit"),
    [
        ("This model's maximum context length is 8192 tokens. However, you requested 9000 tokens", 8192),
        ("the request exceeds the available context size (4096 tokens), try increasing it", 4096),
        ("prompt is too long", 0),
        ("Input exceeds the context window", 0),
        ("Unsupported parameter: temperature", None),
    ],
)
def test_a_refusal_says_how_much_fits(message: str, limit: int | None) -> None:
    assert refused_as_too_long(RequestRefusedError(message, status=400)) == limit
