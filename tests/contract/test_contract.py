"""What every backend keeps, whatever its protocol: each test runs on the real wire of all three."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nbassist import Assistant
from nbassist.backends.http.answer_stream import EventStream
from nbassist.core.event_order import EventOrder
from nbassist.core.events import (
    CitationAdded,
    Event,
    RunStarted,
    TextDelta,
    ToolCallReady,
    ToolFinished,
    TurnEnded,
    TurnStarted,
)
from nbassist.errors import BackendError, StreamBrokenError
from nbassist.tools.citation_marks import MarkedPassage, told

TEXTS = ("Größe ", "of 表: ", "😀 done")
WHOLE = "".join(TEXTS)
CALLS = (("call_a", "f", '{"table": "Größe"}'), ("call_b", "f", '{"table": "people"}'))


def f(table: str) -> int:
    """Count the rows of a table."""
    return {"Größe": 12, "people": 3}[table]


def ask_async(assistant: Assistant, prompt: str, **named: Any) -> Any:
    return asyncio.run(assistant.aask(prompt, **named))


both = pytest.mark.parametrize("ask", [Assistant.ask, ask_async], ids=["sync", "async"])


@both
def test_an_answer_comes_with_its_usage_in_order(speaker: Any, says: Any, ask: Callable[..., Any]) -> None:
    speaker.script(says(TEXTS))
    reply = ask(speaker.assistant(), "go")
    assert (reply.text, reply.finish, reply.detail, reply.model) == (WHOLE, "completed", "", "m")
    assert (reply.usage.known, reply.usage.input_tokens, reply.usage.output_tokens) == (True, 5, 2)
    order = EventOrder()
    for event in reply.events:
        order.check(event)


def search_files(query: str) -> str:
    """Search the files."""
    return told([MarkedPassage("cows.pdf", 12, 3, "Cows give milk.")])


@both
def test_what_a_search_of_the_notebook_found_is_a_source_of_the_answer_that_cites_it(
    speaker: Any, says: Any, ask: Callable[..., Any]
) -> None:
    speaker.script(says((), [("call_a", "search_files", '{"query": "milk"}')]), says(("Cows.【12†co", "ws.pdf】 So.")))
    reply = ask(speaker.assistant(search_files), "who gives milk?")
    sources = [event for event in reply.events if isinstance(event, CitationAdded)]
    assert sources == [CitationAdded("cows.pdf", "", "【12†cows.pdf】", "Cows give milk.", 3)]
    html = reply._repr_mimebundle_()["text/html"]
    assert "<summary>cows.pdf, page 3</summary>" in html
    assert "12†" not in html.partition("Sources")[0].partition("Cows.")[2]


@both
def test_parallel_calls_are_answered_in_one_request_and_the_answer_follows(
    speaker: Any, says: Any, ask: Callable[..., Any]
) -> None:
    speaker.script(says(("Let me see. ",), CALLS), says(TEXTS))
    reply = ask(speaker.assistant(f), "go")
    assert (reply.text, reply.finish) == (WHOLE, "completed")
    assert [(c.name, c.arguments, c.output) for c in reply.tool_calls] == [
        ("f", {"table": "Größe"}, "12"),
        ("f", {"table": "people"}, "3"),
    ]
    assert speaker.protocol.outputs(speaker.endpoint) == ["12", "3"]
    names = [type(event).__name__ for event in reply.events]
    assert names.index("ToolCallStarted") < names.index("ToolCallReady") < names.index("ToolFinished")


@both
def test_a_call_that_fails_goes_back_to_the_model(speaker: Any, says: Any, ask: Callable[..., Any]) -> None:
    speaker.script(says(calls=[("call_a", "f", '{"table": "nope"}')]), says(TEXTS))
    reply = ask(speaker.assistant(f), "go")
    assert (reply.text, reply.finish) == (WHOLE, "completed")
    assert "KeyError" in speaker.protocol.outputs(speaker.endpoint)[0]


@both
def test_calls_are_answered_turn_after_turn(speaker: Any, says: Any, ask: Callable[..., Any]) -> None:
    one, two = ([(f"call_{n}", "f", '{"table": "people"}')] for n in "12")
    speaker.script(says(calls=one), says(calls=two), says(TEXTS))
    reply = ask(speaker.assistant(f), "go")
    assert (reply.text, reply.finish, len(reply.tool_calls)) == (WHOLE, "completed", 2)
    assert speaker.protocol.outputs(speaker.endpoint)[-1] == "3"


def test_endless_calls_end_at_the_limit_and_the_next_prompt_works(speaker: Any, says: Any) -> None:
    def endless() -> Iterator[Any]:
        for number in range(3):
            yield says(calls=[(f"call_{number}", "f", f'{{"table": "{number}"}}')])

    speaker.script(*endless(), says(TEXTS))
    assistant = speaker.assistant(f, max_turns=3)
    reply = assistant.ask("go")
    assert reply.finish == "stopped"
    assert "3 turns" in reply.detail
    assert assistant.conversation.open_calls == ()
    assert assistant.ask("again").text == WHOLE


@both
def test_arguments_that_are_wrong_each_time_end_at_the_limit_and_nothing_runs(
    speaker: Any, says: Any, ask: Callable[..., Any]
) -> None:
    ran: list[int] = []

    def f(table: int) -> int:
        """Count."""
        ran.append(table)
        return 1

    wrong = ['{"tabel": 1}', '{"table": "x"}', "[1]", '{"table": 1, "more": 2}']
    speaker.script(*(says(calls=[(f"call_{n}", "f", text)]) for n, text in enumerate(wrong)), says(TEXTS))
    assistant = speaker.assistant(f, max_turns=4)
    reply = ask(assistant, "go")
    assert (reply.finish, ran) == ("stopped", [])
    assert all(call.error for call in reply.tool_calls)
    outputs = speaker.protocol.outputs(speaker.endpoint)
    assert "did you mean table?" in outputs[0]
    assert "should be a valid integer" in outputs[1]
    assert ask(assistant, "again").text == WHOLE


class Seen:
    """A view that tells when the person has seen some text."""

    def __init__(self) -> None:
        self.text = threading.Event()

    def apply(self, event: Event) -> None:
        if isinstance(event, TextDelta):
            self.text.set()


def test_an_interrupt_keeps_what_came_and_the_next_prompt_works(speaker: Any, says: Any) -> None:
    view, once = Seen(), threading.Event()

    def before(number: int) -> None:
        # After the first piece of text was seen: interrupt as the frontend does, and let the stream hang.
        if view.text.is_set() and not once.is_set():
            once.set()
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        elif not once.is_set() and number > 2:
            view.text.wait(30)
            before(number)

    half = speaker.answer(says([*TEXTS, *TEXTS]), before=before)
    speaker.script(half, says(("whole",)))
    assistant = speaker.assistant()
    reply = assistant.ask("go", view=view)
    assert reply.finish == "interrupted"
    assert reply.text
    assert (WHOLE * 2).startswith(reply.text)
    assert [m.complete for m in assistant.conversation.messages] == [True, False]
    assert assistant.ask("again").text == "whole"
    last = assistant.conversation.messages[-1]
    assert (last.text, last.complete) == ("whole", True)


def interleaved(parties: int) -> Callable[[int], None]:
    """Return what lets answers go on only together, piece by piece, until one of them ends."""
    barrier = threading.Barrier(parties)

    def before(number: int) -> None:
        with contextlib.suppress(threading.BrokenBarrierError):
            barrier.wait(10)

    return before


def two_answers(speaker: Any, says: Any) -> None:
    before = interleaved(2)
    answers = [speaker.answer(says([letter] * 20), number, before=before) for number, letter in ((1, "a"), (2, "b"))]
    speaker.script(*answers)


def test_two_streams_at_once_in_threads(speaker: Any, says: Any) -> None:
    two_answers(speaker, says)
    assistant = speaker.assistant()
    assistant.backend
    replies: list[Any] = []

    def run() -> None:
        replies.append(assistant.ask("go", conversation=assistant.conversation.fork()))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(reply.text for reply in replies) == ["a" * 20, "b" * 20]


def test_two_streams_at_once_in_tasks(speaker: Any, says: Any) -> None:
    two_answers(speaker, says)
    assistant = speaker.assistant()

    async def main() -> list[Any]:
        asked = [assistant.aask("go", conversation=assistant.conversation.fork()) for _ in range(2)]
        return await asyncio.gather(*asked)

    assert sorted(reply.text for reply in asyncio.run(main())) == ["a" * 20, "b" * 20]


def decode(protocol: Any, pieces: list[bytes], *, lost: bool = False) -> list[Event]:
    """Read the bytes of one stream as the transport does, and hold the events to their order."""
    decoder = protocol.decoder()
    stream, order, events = EventStream(decoder, 300), EventOrder(), [RunStarted()]  # type: list[Event]
    order.check(events[0])

    def take(found: Any) -> None:
        for event in found:
            order.check(event)
            events.append(event)

    try:
        for piece in pieces:
            take(stream.feed(piece))
        if lost:
            raise StreamBrokenError("lost")
        take(stream.finish())
    except (BackendError, ValueError) as error:
        if decoder.started:
            take(decoder.broken(StreamBrokenError(str(error))))
    return events


def text(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def test_bytes_split_anywhere_give_the_same_events(protocol: Any, says: Any) -> None:
    data = b"".join(protocol.stream(says(TEXTS, CALLS)))
    whole = decode(protocol, [data])
    assert text(whole) == WHOLE
    assert [(e.call_id, e.name, e.arguments) for e in whole if isinstance(e, ToolCallReady)] == list(CALLS)
    assert decode(protocol, [bytes([byte]) for byte in data]) == whole
    for at in range(len(data) + 1):
        assert decode(protocol, [data[:at], data[at:]]) == whole
    for ends in (b"\r\n", b"\r"):
        other = data.replace(b"\n", ends)
        assert decode(protocol, [other[:99], other[99:]]) == whole


@pytest.mark.parametrize("lost", [False, True], ids=["ended cleanly", "connection lost"])
def test_a_stream_cut_anywhere_gives_a_prefix_and_no_call_that_was_cut(protocol: Any, says: Any, lost: bool) -> None:
    data = b"".join(protocol.stream(says(TEXTS, CALLS)))
    for at in range(len(data)):
        events = decode(protocol, [data[:at]], lost=lost)
        assert WHOLE.startswith(text(events))
        ready = [(e.call_id, e.name, e.arguments) for e in events if isinstance(e, ToolCallReady)]
        assert ready in ([], list(CALLS), list(CALLS[:1]))
        ended = [event for event in events if isinstance(event, TurnEnded)]
        assert len(ended) <= 1
        if lost and not (ended and ended[0].reason == "tool_calls"):
            assert ready == []


@pytest.mark.parametrize("clean", [False, True], ids=["connection lost", "ended cleanly"])
@both
def test_a_cut_on_the_wire_keeps_what_came_and_the_next_prompt_works(
    speaker: Any, says: Any, ask: Callable[..., Any], clean: bool
) -> None:
    turn = says(TEXTS)
    size = len(b"".join(speaker.protocol.stream(turn)))
    for at in range(1, size, 97):
        speaker.script(speaker.part(turn, at, clean=clean), says(("whole",)))
        speaker.protocol.after_a_cut(speaker.endpoint)
        assistant = speaker.assistant(f)
        try:
            reply = ask(assistant, "go")
        except BackendError:
            assert len(assistant.conversation) == 0
        else:
            assert WHOLE.startswith(reply.text)
        assert ask(assistant, "again").text == "whole"


def test_a_call_cut_on_the_wire_is_never_run(speaker: Any, says: Any) -> None:
    turn = says((), CALLS)
    stream = speaker.protocol.stream(turn)
    ran: list[str] = []

    def f(table: str) -> int:
        """Count."""
        ran.append(table)
        return 1

    for number in range(2, len(stream) - 3):
        at = len(b"".join(stream[:number])) - 5
        speaker.script(speaker.part(turn, at, clean=False), says(("whole",)))
        speaker.protocol.after_a_cut(speaker.endpoint)
        with contextlib.suppress(BackendError):
            speaker.assistant(f).ask("go")
    assert ran == []


def test_each_turn_begins_and_ends_once(speaker: Any, says: Any) -> None:
    speaker.script(says(("a",), CALLS), says(TEXTS))
    events = list(speaker.assistant(f).stream("go"))
    kinds = (TurnStarted, TurnEnded, ToolFinished)
    names = [type(event).__name__ for event in events if isinstance(event, kinds)]
    assert names == ["TurnStarted", "TurnEnded", "ToolFinished", "ToolFinished", "TurnStarted", "TurnEnded"]
