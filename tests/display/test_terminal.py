from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from display_samples import HOSTILE

from nbassist.core import events
from nbassist.display import segments
from nbassist.display.terminal.view import TerminalView

Run = Callable[..., list[events.Event]]


def shown(story: list[events.Event], styled: bool | None = None) -> str:
    stream = io.StringIO()
    view = TerminalView(stream, styled)
    for event in story:
        view.apply(event)
    assert view.ended
    return stream.getvalue()


def test_the_text_streams_and_a_call_is_an_indented_line(run: Run) -> None:
    assert shown(run("There are **1204**.\n\n- one\n", reasoning="Hm.\nYes.")) == (
        "  Hm.\n  Yes.\n"
        "Let me see.\n"
        '  ✓ row_count(table="orders")  20 ms\n'
        "    1204\n"
        "There are **1204**.\n\n- one\n"
        "some-model · 1.5 s · 30 tokens in, 12 out · 2 turns\n"
    )


def test_a_piece_is_on_the_screen_before_the_next_comes() -> None:
    stream = io.StringIO()
    view = TerminalView(stream)
    view.apply(events.TextDelta("Hello"))
    assert stream.getvalue() == "Hello"
    view.apply(events.TextDelta(", you"))
    assert stream.getvalue() == "Hello, you"


def test_there_are_no_control_codes_where_the_output_is_no_terminal(run: Run) -> None:
    assert "\x1b" not in shown(run(error="failed"))
    assert "\x1b[31m" in shown(run(error="failed"), styled=True)


@pytest.mark.parametrize("payload", HOSTILE)
def test_no_control_code_of_the_model_passes(run: Run, payload: str) -> None:
    story = run(payload, reasoning=payload, name=payload, arguments=payload, output=payload, error=payload)
    story[-1] = events.RunEnded("failed", detail=payload)
    text = shown(story)
    assert not any((ord(char) < 32 and char not in "\n\t") or 127 <= ord(char) < 160 for char in text)


def test_a_failed_call_and_a_failed_run_say_why(run: Run) -> None:
    text = shown([*run(error="KeyError: 'x'")[:-1], events.RunEnded("failed", detail="the endpoint broke")])
    assert "✕ row_count" in text
    assert "KeyError: 'x'" in text
    assert "the endpoint broke\nRun the cell again, or go on from here with %%assistant --append.\nFailed · " in text


def test_a_stream_that_ended_without_a_word_may_be_cut_and_says_so(run: Run) -> None:
    assert "possibly cut short\n" in shown([*run()[:-1], events.RunEnded("completed", detail="possibly cut short")])


def test_a_terminal_that_is_not_utf8_gets_question_marks() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    TerminalView(stream).apply(events.TextDelta("naïve ✓"))
    assert raw.getvalue() == b"na?ve ?"


def test_a_terminal_says_what_is_waited_for_until_it_comes() -> None:
    stream = io.StringIO()
    view = TerminalView(stream, styled=True)
    view.apply(events.RunStarted("some-model"))
    assert stream.getvalue().endswith("Waiting for some-model…\x1b[0m")
    view.apply(events.TextDelta("Hello"))
    assert stream.getvalue().endswith("\r\x1b[KHello")
    view.apply(events.ToolCallStarted("1", "row_count"))
    assert stream.getvalue().endswith("Hello\x1b[0m\n\x1b[2m  Calling row_count…\x1b[0m")


def test_what_a_running_tool_prints_is_on_the_screen_while_it_runs_and_once(run: Run) -> None:
    stream, printed = io.StringIO(), ["one\n"]
    view = TerminalView(stream)
    story = run(output="3", display=({"text/plain": "one\ntwo\n  25% done\n"},), seconds=2.1)
    end = next(n for n, event in enumerate(story) if isinstance(event, events.ToolFinished))
    for event in story[:end]:
        view.apply(event)
    view.tool_running("1", lambda: ({"text/plain": "".join(printed)},))
    until(lambda: "    one\n" in stream.getvalue())
    assert '  ● row_count(table="orders")\n    one\n' in stream.getvalue()
    printed.append("two\n  10%")
    until(lambda: "    two\n" in stream.getvalue())
    assert "10%" not in stream.getvalue(), "a bar that moves is written when it stands"
    for event in story[end:]:
        view.apply(event)
    assert stream.getvalue().partition("●")[2] == (
        ' row_count(table="orders")\n    one\n    two\n'
        '  ✓ row_count(table="orders")  2.1 s\n      25% done\n'
        "There are **1204**.\n"
        "some-model · 1.5 s · 30 tokens in, 12 out · 2 turns\n"
    )


def until(true: Callable[[], bool]) -> None:
    """Wait until something is so, for a minute at most."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_empty_lines_before_a_reply_are_read_once_and_left_out() -> None:
    class Pieces(list[str]):
        read = 0

        def __getitem__(self, at: Any) -> Any:
            found = super().__getitem__(at)
            Pieces.read += len(found)
            return found

    stream = io.StringIO()
    view = TerminalView(stream)
    view.apply(events.TurnStarted())
    view.apply(events.TextDelta("\n"))
    segment = view.transcript.segments[0]
    assert isinstance(segment, segments.TextSegment)
    segment.body.pieces = Pieces(segment.body.pieces)
    for _ in range(2_000):
        view.apply(events.TextDelta("\n"))
    view.apply(events.TextDelta("At last\n\nit begins."))
    assert stream.getvalue() == "At last\n\nit begins."
    assert Pieces.read < 2_100
