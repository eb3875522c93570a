from __future__ import annotations

from collections.abc import Callable, Iterator

from nbassist.core import events
from nbassist.display import segments
from nbassist.display.transcript import Transcript

Run = Callable[..., list[events.Event]]


def kinds(transcript: Transcript) -> list[str]:
    return [type(segment).__name__ for segment in transcript.segments]


def test_a_run_becomes_reasoning_text_call_and_text(run: Run) -> None:
    transcript = Transcript.of(run(reasoning="Hm."))
    assert kinds(transcript) == ["ReasoningSegment", "TextSegment", "CallSegment", "TextSegment"]
    assert transcript.text == "Let me see.\n\nThere are **1204**."
    call = transcript.segments[2]
    assert isinstance(call, segments.CallSegment)
    assert (call.name, call.arguments.text, call.state, call.output) == (
        "row_count",
        '{"table": "orders"}',
        "done",
        "1204",
    )
    assert (transcript.turns, transcript.finish, transcript.seconds) == (2, "completed", 1.5)
    assert transcript.usage == events.Usage(30, 12, known=True)


def test_the_phase_tells_what_goes_on(run: Run) -> None:
    transcript, seen = Transcript(), []
    for event in run(reasoning="Hm."):
        transcript.apply(event)
        if not seen or seen[-1] != (transcript.phase, transcript.subject):
            seen.append((transcript.phase, transcript.subject))
    assert seen == [
        ("waiting", ""),
        ("thinking", ""),
        ("writing", ""),
        ("calling", "row_count"),
        ("running", "row_count"),
        ("waiting", ""),
        ("writing", ""),
        ("waiting", ""),
        ("ended", ""),
    ]


def test_calls_of_one_turn_run_one_after_another() -> None:
    transcript = Transcript()
    for name in "ab":
        transcript.apply(events.ToolCallReady(name, name, "{}"))
    transcript.apply(events.TurnEnded("tool_calls"))
    assert [s.state for s in transcript.segments if isinstance(s, segments.CallSegment)] == ["running", "ready"]
    transcript.apply(events.ToolFinished("a", "a", "", error="it failed"))
    assert [s.state for s in transcript.segments if isinstance(s, segments.CallSegment)] == ["failed", "running"]
    transcript.apply(events.ToolCallReady("c", "c", "{}"))
    transcript.apply(events.RunEnded("interrupted"))
    assert [s.state for s in transcript.segments if isinstance(s, segments.CallSegment)] == [
        "failed",
        "interrupted",
        "dropped",
    ]


def test_a_call_that_was_cut_is_marked_as_not_run() -> None:
    transcript = Transcript.of(
        [
            events.ToolCallStarted("1", "f"),
            events.ToolArgumentsDelta("1", '{"x": '),
            events.TurnEnded("cut"),
            events.RunEnded("incomplete", detail="the stream broke"),
        ]
    )
    call = transcript.segments[0]
    assert isinstance(call, segments.CallSegment)
    assert (call.state, call.arguments.text) == ("dropped", '{"x": ')


def test_what_stands_ready_is_what_is_shown_whatever_came_in_pieces() -> None:
    transcript = Transcript.of(
        [
            events.ToolCallStarted("1", "f"),
            events.ToolArgumentsDelta("1", '{"x": 1}'),
            events.ToolCallReady("1", "g", '{"x": 2}'),
        ]
    )
    call = transcript.segments[0]
    assert isinstance(call, segments.CallSegment)
    assert (call.name, call.arguments.text) == ("g", '{"x": 2}')


def test_a_warning_in_the_middle_does_not_break_the_text() -> None:
    transcript = Transcript.of(
        [events.TextDelta("**bo"), events.Warned("nearly full"), events.TextDelta("ld**"), events.RunEnded("completed")]
    )
    assert kinds(transcript) == ["TextSegment", "Notice"]
    assert transcript.text == "**bold**"


def test_everything_that_comes_in_is_clean() -> None:
    evil = "\x1b[31mred\x1b[0m\x00"
    transcript = Transcript.of(
        [
            events.RunStarted(evil, evil),
            events.TextDelta("\x1b["),
            events.TextDelta("31mred\x1b[0m"),
            events.ToolCallReady("1", evil, evil),
            events.ToolFinished("1", evil, evil, error=evil, traceback=evil),
            events.ServerToolEvent("2", evil, "completed", evil),
            events.CitationAdded(evil, evil, evil),
            events.Warned(evil),
            events.Retrying(1, 1, evil),
            events.RunEnded("failed", detail=evil),
        ]
    )
    call = transcript.segments[1]
    assert isinstance(call, segments.CallSegment)
    texts = [transcript.model, transcript.text, call.name, call.arguments.text, call.output, call.error, call.traceback]
    texts += [transcript.citations[0].title, transcript.detail]
    assert texts == ["red"] * len(texts)


def test_a_long_text_in_small_pieces_is_folded_in_proportion() -> None:
    transcript = Transcript()
    for _ in range(200_000):
        transcript.apply(events.TextDelta("word "))
    assert len(transcript.text) == 1_000_000


def test_the_phase_tells_what_the_service_runs_and_when_it_is_done() -> None:
    transcript, seen = Transcript(), []
    for state in ("running", "running", "completed"):
        transcript.apply(events.ServerToolEvent("s", "code_interpreter", state, "1"))
        seen.append((transcript.phase, transcript.subject))
    assert seen == [("running", "code interpreter")] * 2 + [("waiting", "")]
    long = Transcript.of([events.ServerToolEvent("s", "k" * 70, "running"), events.ImageReady("t" * 70, b"")])
    tool, image = long.segments
    assert isinstance(tool, segments.ServerTool)
    assert isinstance(image, segments.ImageSegment)
    assert (len(tool.kind), len(image.media_type)) == (60, 60)


def test_only_a_call_that_runs_is_looked_on() -> None:
    transcript = Transcript()
    shown = ({"text/plain": "so far"},)
    transcript.apply(events.ToolCallStarted("1", "f"))
    call = transcript.segments[0]
    assert isinstance(call, segments.CallSegment)
    transcript.look_on("1", shown, 1.0)
    assert (call.state, call.display) == ("writing", ()), "it has not begun"
    transcript.apply(events.ToolCallReady("1", "f", "{}"))
    transcript.look_on("1", shown, 2.0)
    assert (call.state, call.display, call.seconds) == ("running", shown, 2.0)
    transcript.apply(events.ToolFinished("1", "f", "out", seconds=3.0))
    transcript.look_on("1", shown, 4.0)
    transcript.look_on("unheard-of", shown, 4.0)
    assert (call.state, call.display, call.seconds) == ("done", (), 3.0)


def test_a_piece_is_added_without_a_look_at_the_segments_before_it() -> None:
    class Counting(list[segments.Segment]):
        looked = 0

        def __reversed__(self) -> Iterator[segments.Segment]:
            for segment in super().__reversed__():
                Counting.looked += 1
                yield segment

        def __iter__(self) -> Iterator[segments.Segment]:
            for segment in super().__iter__():
                Counting.looked += 1
                yield segment

    transcript = Transcript()
    transcript.segments = Counting()
    transcript.apply(events.TextDelta("a"))
    for _ in range(100):
        transcript.apply(events.Warned("something"))
        transcript.apply(events.TextDelta("b"))
        transcript.apply(events.CitationAdded("one source"))
    for number in range(100):
        transcript.apply(events.ToolCallStarted(f"c{number}", "f"))
    assert Counting.looked == 0
    assert transcript.text == "a" + "b" * 100
    assert len(transcript.citations) == 1
