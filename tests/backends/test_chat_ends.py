"""How a turn of Chat Completions ends, and what its content can be beside text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbassist import Assistant
from nbassist.backends.chat import delta_content
from nbassist.backends.chat.decoder import ChatDecoder
from nbassist.backends.chat.delta_content import ThinkReader
from nbassist.backends.loose_json import Halves
from nbassist.config.quirk_names import Quirks
from nbassist.core.events import (
    CitationAdded,
    Event,
    ImageReady,
    ReasoningDelta,
    TextDelta,
    ToolCallReady,
    TurnEnded,
    TurnStarted,
)
from nbassist.errors import AuthenticationError, BackendError, RateLimitError, ServerFailedError

CHAT = "/chat/completions"


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def decode(*chunks: Any, marked: bool = False, **named: Any) -> list[Event]:
    decoder = ChatDecoder(["f"], **named)
    return [event for item in chunks for event in decoder.feed(item)] + decoder.finish(marked=marked)


def text(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def thought(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, ReasoningDelta))


def end(events: list[Event]) -> TurnEnded:
    assert isinstance(events[-1], TurnEnded)
    return events[-1]


@pytest.mark.parametrize("word", ["stop", "STOP", "eos_token", "end_turn", "COMPLETE", "FINISH_REASON_STOP"])
def test_a_word_that_is_known_to_mean_a_whole_answer(word: str) -> None:
    assert end(decode(chunk(content="a"), chunk(word))) == TurnEnded("stop")


@pytest.mark.parametrize("word", ["length", "MAX_TOKENS", "model_length", "model_context_window_exceeded"])
def test_a_word_for_a_limit(word: str) -> None:
    assert end(decode(chunk(content="a"), chunk(word))).reason == "length"


@pytest.mark.parametrize("word", ["SAFETY", "content_filter: RECITATION", "PROHIBITED_CONTENT", "refusal"])
def test_a_word_for_a_filter_stands_in_the_detail(word: str) -> None:
    ended = end(decode(chunk(content="a"), chunk(word)))
    assert ended.reason == "content_filter"
    assert word in ended.detail


@pytest.mark.parametrize(
    "word", ["abort", "error", "insufficient_system_resource", "function_call_filter: MALFORMED_FUNCTION_CALL", "x"]
)
def test_a_word_that_is_not_known_is_no_whole_answer(word: str) -> None:
    ended = end(decode(chunk(content="half a sen"), chunk(word)))
    assert ended.reason == "unknown"
    assert word in ended.detail


def test_no_reason_and_no_end_mark_is_a_cut_and_the_mark_alone_is_not() -> None:
    assert end(decode(chunk(content="a"))).reason == "cut"
    assert end(decode(chunk(content="a"), marked=True)).reason == "unmarked"


@pytest.fixture
def ask(endpoint: Any, wire: Any) -> Any:
    """Ask with the chunks of one answer, or more, and return the reply."""

    def ask(*chunks: Any, done: bool = True, **named: Any) -> Any:
        endpoint.on("POST", CHAT, wire.answer(wire.stream(*chunks, done=done)))
        return Assistant(backend="chat", base_url=endpoint.url, model="m", tools=[], **named).ask("go")

    return ask


@pytest.mark.parametrize("word", ["abort", "error"])
def test_what_did_not_end_well_is_incomplete_and_never_kept_to_be_given_again(
    word: str, endpoint: Any, wire: Any, tmp_path: Any
) -> None:
    from nbassist.journal.replies import ReplyFile

    kept = ReplyFile(tmp_path / "replies")
    answer = wire.answer(wire.stream(wire.delta(content="half"), wire.delta(word)))
    endpoint.on("POST", CHAT, answer)
    made = Assistant(backend="chat", base_url=endpoint.url, model="m", tools=[], replies=kept, cache="auto")
    reply = made.ask("go")
    assert (reply.finish, reply.text) == ("incomplete", "half")
    assert word in reply.detail
    assert len(kept) == 0


def test_without_reason_or_mark_the_reply_is_incomplete(ask: Any) -> None:
    assert ask(chunk(content="first part"), done=False).finish == "incomplete"


@pytest.mark.parametrize(
    ("chunks", "words"),
    [([chunk("stop")], "with nothing"), ([chunk(content=" \n"), chunk("stop")], "with nothing"),
     ([chunk(reasoning_content="4."), chunk("stop")], "thought")],
)  # fmt: skip
def test_an_answer_of_nothing_or_of_thinking_alone_says_so(ask: Any, chunks: list[Any], words: str) -> None:
    reply = ask(*chunks)
    assert reply.finish == "completed"
    assert words in reply.detail


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_stream_left_open_behind_its_reason_does_not_hold_up_the_answer_or_a_tool(
    way: str, endpoint: Any, wire: Any
) -> None:
    import asyncio
    import threading

    left, waited = threading.Event(), []

    def hold(number: int) -> None:
        if number == 2:  # the connection stays open, with heartbeats that are never to be waited for
            left.wait(60)
            waited.append(number)

    def f() -> str:
        """Do it."""
        return "done"

    call = wire.stream(wire.call("1", "f", "{}"), wire.delta("tool_calls"), done=False)
    say = wire.stream(wire.delta(content="All done."), wire.delta("stop"), done=False)
    endpoint.on("POST", CHAT, *(wire.answer([*pieces, b": ping\n\n"], before=hold) for pieces in (call, say)))
    made = Assistant(backend="chat", base_url=endpoint.url, model="m", tools=[f])
    reply = made.ask("go") if way == "sync" else asyncio.run(made.aask("go"))
    in_time = not waited
    left.set()
    assert (reply.text, reply.finish, reply.tool_calls[0].output) == ("All done.", "completed", "done")
    assert in_time, "both streams were still open"


def test_the_usage_behind_the_reason_is_waited_for(endpoint: Any, wire: Any) -> None:
    usage = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}
    pieces = wire.stream(wire.delta(content="a"), wire.delta("stop"), usage, done=False)
    endpoint.on("POST", CHAT, wire.answer(pieces))
    reply = Assistant(backend="chat", base_url=endpoint.url, model="m", tools=[]).ask("go")
    assert reply.usage.input_tokens == 5


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"error": {"code": 429, "message": "slow down"}}, RateLimitError),
        ({"error": {"code": 502, "message": "bad gateway"}}, ServerFailedError),
        ({"error": {"code": 401, "message": "no"}}, AuthenticationError),
        ([{"error": {"code": 503, "message": "x", "status": "UNAVAILABLE"}}][0], ServerFailedError),
        ({"object": "error", "message": "flat"}, ServerFailedError),
        ({"detail": "flat"}, ServerFailedError),
        ({"msg": "flat", "code": 500}, ServerFailedError),
    ],
)
def test_an_error_in_place_of_the_first_chunk_is_like_an_answer_with_it(error: Any, kind: type[BackendError]) -> None:
    decoder = ChatDecoder()
    decoder.feed(chunk(role="assistant", content=""))
    with pytest.raises(kind):
        decoder.feed(error)
    assert not decoder.started, "nothing was told: it may be asked again"


def test_a_rate_limit_told_in_the_stream_before_any_output_is_waited_for(
    endpoint: Any, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nbassist.core.interrupts.sleep", lambda seconds: None)
    limit = wire.stream(chunk(role="assistant", content=""), {"error": {"code": 429, "message": "busy"}}, done=False)
    endpoint.on("POST", CHAT, wire.answer(limit), wire.answer(wire.stream(chunk(content="a"), chunk("stop"))))
    reply = Assistant(backend="chat", base_url=endpoint.url, model="m", tools=[]).ask("go")
    assert (reply.text, reply.finish) == ("a", "completed")


def test_the_models_name_may_come_in_a_later_chunk() -> None:
    """Azure: the first chunk has the filter's results, no choices and no model."""
    filtered = {"choices": [], "id": "", "model": "", "prompt_filter_results": []}
    events = decode(filtered, {**chunk(content="a"), "model": "gpt-4o"}, chunk("stop"))
    assert events[0] == TurnStarted(model="gpt-4o")


def test_content_as_numbers_and_words_of_json() -> None:
    events = decode(
        chunk(content="It costs $"), chunk(content=0.005), chunk(content=True), chunk(content=7), chunk("stop")
    )
    assert text(events) == "It costs $0.005true7"


def test_content_as_a_list_of_parts() -> None:
    parts = [{"type": "reasoning", "text": "hm"}, {"type": "text", "text": "a"}, "b", {"type": "text", "text": 1}]
    events = decode(chunk(content=parts), chunk(content={"type": "text", "text": "c"}), chunk("stop"))
    assert (text(events), thought(events)) == ("ab1c", "hm")


@given(st.text(max_size=12), st.lists(st.integers(1, 4), max_size=12))
def test_halves_of_characters_in_two_chunks_become_whole(whole: str, sizes: list[int]) -> None:
    units, at, pieces = json.loads(f'"{json.dumps(whole)[1:-1]}"').encode("utf-16-le"), 0, []
    for size in [*sizes, len(units)]:
        pieces.append(units[at : at + 2 * size].decode("utf-16-le", "surrogatepass"))
        at += 2 * size
    halves = Halves()
    assert "".join(map(halves.feed, pieces)) + halves.finish() == whole


@pytest.mark.parametrize(
    "last",
    [
        {
            "choices": [
                {"delta": {}, "finish_reason": "stop", "usage": {"prompt_tokens": 7.0, "completion_tokens": 3.0}}
            ]
        },
        {"choices": [{"delta": {"usage": {"prompt_tokens": 7, "completion_tokens": 3}}, "finish_reason": "stop"}]},
        {**chunk("stop"), "usage": {"prompt_tokens": 7, "completion_tokens": 3, "prompt_cache_hit_tokens": 4}},
        {**chunk("stop"), "usage": {"input_tokens": 7, "output_tokens": 3, "cached_tokens": 4}},
    ],
)
def test_usage_in_its_odd_places_and_as_floats(last: Any) -> None:
    usage = end(decode(chunk(content="a"), last)).usage
    assert (usage.input_tokens, usage.output_tokens, usage.known) == (7, 3, True)
    assert usage.cached_tokens in (0, 4)


def test_a_later_empty_usage_takes_nothing_back() -> None:
    first = {**chunk(content="a"), "usage": {"prompt_tokens": 7, "completion_tokens": 3}}
    assert end(decode(first, {**chunk("stop"), "usage": {}})).usage.input_tokens == 7


def test_pictures_of_openrouter_are_told_once() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0="}}
    remote = {"type": "image_url", "image_url": {"url": "https://x.org/a.png"}}
    events = decode(chunk(images=[image]), chunk(images=[image, remote]), chunk("stop"))
    told = [event for event in events if isinstance(event, ImageReady | CitationAdded)]
    assert told == [ImageReady("image/png", b"\x89PNG\r"), CitationAdded("image", "https://x.org/a.png")]


def test_citations_of_perplexity_are_told_at_the_end_with_their_titles() -> None:
    found = {
        "citations": ["https://x.org", "https://y.org"],
        "search_results": [{"url": "https://x.org", "title": "X"}],
    }
    events = decode({**chunk(content="a [1][2]"), **found}, {**chunk("stop"), **found})
    told = [event for event in events if isinstance(event, CitationAdded)]
    assert told == [CitationAdded("X", "https://x.org", "[1]"), CitationAdded("https://y.org", "https://y.org", "[2]")]


THOUGHT = "<think>\nThe city is {x}.\n</think>\n\nIt is Rome."


@pytest.mark.parametrize("size", [1, 3, 100])
def test_thinking_in_the_text_is_thinking_where_the_table_says_so(size: int) -> None:
    pieces = [chunk(content=THOUGHT[at : at + size]) for at in range(0, len(THOUGHT), size)]
    events = decode(*pieces, chunk("stop"), habits=Quirks(think_tags=True))
    assert (text(events), thought(events)) == ("It is Rome.", "The city is {x}.\n")
    assert text(decode(*pieces, chunk("stop"))) == THOUGHT


@pytest.mark.parametrize("said", ["a <think>b</think>", "<thin", "<b>x</b>", ""])
def test_what_does_not_begin_with_the_tag_is_text(said: str) -> None:
    assert (
        text(decode(*(chunk(content=letter) for letter in said), chunk("stop"), habits=Quirks(think_tags=True))) == said
    )


@given(st.text(alphabet="<>/think \na", max_size=40), st.lists(st.integers(1, 6), max_size=40))
def test_any_cuts_of_tags_give_what_the_whole_gives(said: str, sizes: list[int]) -> None:
    def read(pieces: list[str]) -> tuple[str, str]:
        reader = ThinkReader(True)
        found = [item for piece in pieces for item in reader.feed(piece)] + reader.finish()
        return tuple("".join(piece for kind, piece in found if kind == wanted) for wanted in ("thinking", "text"))  # type: ignore[return-value]

    at, pieces = 0, []
    for size in [*sizes, len(said) + 1]:
        pieces.append(said[at : at + size])
        at += size
    assert read(pieces) == read([said])


def test_no_call_is_read_from_thinking_or_behind_a_call_of_the_protocol() -> None:
    written = '{"name": "f", "arguments": {}}'
    habits = Quirks(text_calls=True, think_tags=True)
    thinking = decode(chunk(content=f"<think>{written}</think>ok"), chunk("stop"), habits=habits)
    assert not any(isinstance(event, ToolCallReady) for event in thinking)
    native = chunk(tool_calls=[{"index": 0, "id": "1", "function": {"name": "f", "arguments": "{}"}}])
    both = decode(native, chunk(content=written), chunk("stop"), habits=habits)
    assert len([event for event in both if isinstance(event, ToolCallReady)]) == 1


def test_an_endpoint_that_called_once_as_the_protocol_has_it_is_never_read_for_calls_in_its_text(
    endpoint: Any, wire: Any
) -> None:
    ran = []

    def f() -> str:
        """Do it."""
        ran.append(1)
        return "done"

    written = '{"name": "f", "arguments": {}}'
    answers = [
        wire.stream(wire.call("1", "f", "{}"), wire.delta("tool_calls")),
        wire.stream(wire.delta(content="ok"), wire.delta("stop")),
        wire.stream(wire.delta(content=written), wire.delta("stop")),
    ]
    endpoint.on("POST", CHAT, *map(wire.answer, answers))
    made = Assistant(backend="chat", base_url=endpoint.url, model="qwen2.5-coder", tools=[f])
    made.ask("go")
    assert made.ask("Quote it.").text == written
    assert len(ran) == 1


def test_a_long_piece_of_thinking_is_searched_for_half_a_tag_at_its_end_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    class Counting(str):
        def startswith(self, *args: Any) -> bool:
            nonlocal asked
            asked += 1
            return super().startswith(*args)

    monkeypatch.setattr(delta_content, "_CLOSING", Counting("</think>"))
    reader = ThinkReader(True)
    assert reader.feed("<think>" + "a" * 5000 + "</thi") == [("thinking", "a" * 5000)]
    assert reader.feed("nk>b") == [("text", "b")]
    assert asked <= 2 * len("</think>")


def test_blanks_before_a_thinking_tag_are_held_back_up_to_a_bound() -> None:
    reader = ThinkReader(True)
    told = [part for _ in range(5000) for part in reader.feed(" ")]
    assert reader.passes
    assert "".join(text for _, text in told) == " " * 5000
