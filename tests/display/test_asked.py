"""Questions, what the service runs, sketches of images, notes and cost: in the transcript, the bundle, the terminal."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from display_samples import HOSTILE

from nbassist.core import events
from nbassist.display.live.painter import Painter
from nbassist.display.live.question import Question, question_html
from nbassist.display.markdown.block_html import Cache
from nbassist.display.markdown.sanitiser import CITED
from nbassist.display.segments import CallSegment, ImageSegment
from nbassist.display.static.calls import editable, laid_out, plain_sight, preview, state_text
from nbassist.display.static.panels import cost_text
from nbassist.display.static.reply import bundle
from nbassist.display.terminal.view import TerminalView
from nbassist.display.transcript import Transcript, status_of

ASKED = events.ApprovalAsked("1", "drop", '{"table": "orders"}')


def story(answer: events.ApprovalAnswered | None, *, asked: bool = True) -> list[events.Event]:
    """Two calls, of which the second needs an answer; up to the question where there is none."""
    begun: list[events.Event] = [events.RunStarted("m"), events.TurnStarted()]
    for call_id, name in (("0", "count"), ("1", "drop")):
        begun += [events.ToolCallStarted(call_id, name), events.ToolCallReady(call_id, name, ASKED.arguments)]
    begun += [events.TurnEnded("tool_calls"), *([ASKED] if asked else [])]
    if answer is None:
        return begun
    output = "This call was not allowed." if answer.decision == "refused" else "ok"
    error = "not allowed" if answer.decision == "refused" else None
    finished = [events.ToolFinished("0", "count", "12"), events.ToolFinished("1", "drop", output, error)]
    return [*begun, answer, *finished, events.RunEnded("completed", seconds=1)]


def calls(run: Sequence[events.Event]) -> list[CallSegment]:
    return [segment for segment in Transcript.of(run).segments if isinstance(segment, CallSegment)]


def terminal(run: Sequence[events.Event], styled: bool | None = None) -> str:
    stream = io.StringIO()
    view = TerminalView(stream, styled)
    for event in run:
        view.apply(event)
    return stream.getvalue()


def test_while_a_question_waits_nothing_runs_and_the_status_asks() -> None:
    transcript = Transcript.of(story(None))
    assert [call.state for call in calls(story(None))] == ["ready", "asking"]
    assert status_of(transcript) == {"phase": "asking", "words": "Waiting for your answer: may drop run?"}


def test_the_status_says_how_long_a_request_waits_and_which_time_it_is() -> None:
    run = [events.RunStarted("m"), events.TurnStarted(), events.Retrying(2.0, 1, "429"), events.Retrying(4.0, 2, "429")]
    words = "Retrying in 4 s: 429"
    assert status_of(Transcript.of(run)) == {"phase": "retrying", "words": words, "pause": 4.0, "retry": 2}
    assert "pause" not in status_of(Transcript.of([*run, events.TextDelta("a")]))


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (events.ApprovalAnswered("1", "allowed"), '[drop(table="orders") (allowed by you) -> ok]'),
        (events.ApprovalAnswered("1", "always"), '[drop(table="orders") (allowed by you) -> ok]'),
        (
            events.ApprovalAnswered("1", "edited", "", '{"table": "void"}'),
            '[drop(table="void") (edited by you) -> ok]',
        ),
        (events.ApprovalAnswered("1", "refused", "keep it"), '[drop(table="orders") refused: keep it]'),
        (events.ApprovalAnswered("1", "refused"), '[drop(table="orders") refused]'),
    ],
)
def test_the_answer_stands_beside_the_call(answer: events.ApprovalAnswered, line: str) -> None:
    both = bundle(story(answer))
    assert line in both["text/plain"]
    words = "refused" if answer.decision == "refused" else "edited by you" if answer.arguments else "allowed by you"
    assert words in both["text/html"]
    assert words in terminal(story(answer))
    assert answer.comment in terminal(story(answer))


def test_what_a_policy_allows_is_said_by_no_one() -> None:
    call = calls(story(events.ApprovalAnswered("1", "allowed"), asked=False))[1]
    assert call.state == "done"
    assert "by you" not in state_text(call)


def test_a_run_that_ends_while_it_asks_has_not_run_the_call() -> None:
    run = [*story(None), events.RunEnded("interrupted")]
    assert [call.state for call in calls(run)] == ["dropped", "dropped"]


def test_a_terminal_leaves_the_line_to_the_question() -> None:
    text = terminal(story(None), styled=True)
    assert text.endswith("\r\x1b[K\x1b[0m")
    assert TerminalView(io.StringIO()).ask(ASKED) is None


def test_the_form_is_in_the_panel_while_it_is_asked_and_goes_with_the_answer() -> None:
    transcript = Transcript.of(story(None))
    painter = Painter(transcript, Cache())
    painter.paint()
    assert 'class="nba-ask"' not in painter.canvas.whole()[0]
    painter.question = Question(ASKED, 3)
    painter.paint()
    html = painter.canvas.whole()[0]
    assert html.count('<form class="nba-ask" data-question="3"') == 1
    assert 'open=""' in html
    painter.question = None
    transcript.apply(events.ApprovalAnswered("1", "refused", "no"))
    transcript.apply(events.ToolFinished("1", "drop", "This call was not allowed", "not allowed"))
    painter.paint()
    html = painter.canvas.whole()[0]
    assert 'class="nba-ask"' not in html
    assert 'open=""' not in html
    assert "refused" in html


@pytest.mark.parametrize("payload", HOSTILE)
def test_a_hostile_call_is_text_in_the_form_that_asks_about_it(payload: str) -> None:
    call = CallSegment("1", payload)
    call.arguments.add(payload)
    call.arguments.close()
    html = question_html(Question(events.ApprovalAsked("1", payload, payload), 1), call)
    tags = set(re.findall(r"</?([a-zA-Z][^\s>/]*)", html))
    assert tags == {"form", "p", "strong", "div", "label", "textarea", "button", "span", "input"}


def test_the_first_answer_to_this_very_question_counts() -> None:
    question = Question(ASKED, 2)
    for content in ({"decision": "allowed", "question": 1}, {"decision": "sure", "question": 2}, {"question": 2}):
        question.hear(content)
    assert question.answer is None
    question.hear({"decision": "edited", "question": 2, "arguments": "{}", "comment": "not for an edit"})
    question.hear({"decision": "refused", "question": 2})
    assert question.wait() == events.ApprovalAnswered("1", "edited", "", "{}")


def test_what_the_service_runs_itself_can_not_be_edited() -> None:
    (_, call) = calls(story(None))
    hosted = events.ApprovalAsked("1", "drop", "{}", kind="approval")
    assert "textarea" not in question_html(Question(hosted, 3), call)
    assert "textarea" in question_html(Question(ASKED, 3), call)


def test_arguments_are_laid_out_a_line_for_each_and_text_as_it_stands() -> None:
    arguments = json.dumps({"query": "SELECT *\nFROM x", "limit": 3, "names": ["a", "b"]})
    plain = [re.sub(r"<[^>]*>", "", line) for line in laid_out(arguments)]
    assert plain == ["query: |", "    SELECT *", "    FROM x", "limit: 3", 'names: ["a", "b"]']
    assert laid_out("not {json") == ["not {json"]
    assert preview('{"a": 1}') == "a=1"
    assert json.loads(editable(arguments)) == json.loads(arguments)
    assert editable("{broken") == "{broken"


def test_characters_that_hide_or_turn_text_are_seen_in_arguments() -> None:
    assert plain_sight("rm \u202e/tmp\u200b") == "rm \\u202e/tmp\\u200b"
    assert "\u202e" not in preview('{"path": "a\u202eb"}')
    assert "\u202e" not in "".join(laid_out('{"path": "a\u202eb", "text": "x\\n\u202ey"}'))


SERVICE: list[events.Event] = [
    events.RunStarted("m", note="replaces the turn before"),
    events.TurnStarted(),
    events.ServerToolEvent("s", "code_interpreter", "running", "print(1"),
    events.ServerToolEvent("s", "code_interpreter", "running", ")\nprint(2)"),
    events.ServerToolEvent("s", "code_interpreter", "completed"),
    events.ServerToolEvent("s", "code_interpreter", "completed", output="1\n2\n"),
    events.ServerToolEvent("w", "web_search", "failed", "orders"),
    events.TurnEnded("stop"),
    events.RunEnded("completed", cost=0.0012, turns=3, replayed=False),
]


def test_what_the_service_ran_is_shown_with_what_came_of_it() -> None:
    both = bundle(SERVICE)
    assert "[replaces the turn before]" in both["text/plain"]
    assert "[Code interpreter: print(1) print(2) -> 1 2]" in both["text/plain"]
    assert "[Web search: orders failed]" in both["text/plain"]
    assert both["text/plain"].endswith("[m · $0.0012 · 3 turns]")
    assert "<pre" in both["text/html"].partition("Output")[2]
    assert terminal(SERVICE).splitlines() == [
        "  replaces the turn before",
        "  ✓ Code interpreter: print(1) print(2)  completed",
        "    print(1)",
        "    print(2)",
        "    1",
        "    2",
        "  ✕ Web search: orders  failed",
        "m · $0.0012 · 3 turns",
    ]


def test_a_reply_from_the_cache_says_so_and_costs_nothing_again() -> None:
    plain = bundle([events.TextDelta("x"), events.RunEnded("completed", cost=0.5, replayed=True)])["text/plain"]
    assert plain.endswith("[from the cache]")


@pytest.mark.parametrize(
    ("dollars", "text"),
    [(0, "free"), (0.00001, "under $0.0001"), (0.0012, "$0.0012"), (0.034, "$0.034"), (0.5, "$0.50"), (12.4, "$12.40")],
)
def test_a_cost_as_a_person_reads_it(dollars: float, text: str) -> None:
    assert cost_text(dollars) == text


def test_a_sketch_of_an_image_gives_way_to_the_next() -> None:
    transcript = Transcript()
    painter = Painter(transcript, Cache())
    for number, partial in ((1, True), (2, True), (3, False)):
        transcript.apply(events.ImageReady("image/png", b"%d" % number, image_id="i", partial=partial))
        painter.paint()
        assert painter.canvas.whole()[0].count("<img") == 1
    transcript.apply(events.ImageReady("image/png", b"9", image_id="j"))
    assert [s.data for s in transcript.segments if isinstance(s, ImageSegment)] == [b"3", b"9"]


def test_images_that_the_model_got_are_shown_once() -> None:
    import base64

    image = events.ImageData("image/png", b"\x89PNG")
    data = base64.b64encode(image.data).decode()
    finished = events.ToolFinished("1", "plot", "", display=({"image/png": data},), images=(image,))
    assert bundle([finished])["text/html"].count("<img") == 1
    assert bundle([events.ToolFinished("1", "plot", "", images=(image,))])["text/html"].count("<img") == 1


def test_markers_of_citations_become_references_while_it_is_live_and_sources_stand_below() -> None:
    transcript = Transcript()
    painter = Painter(transcript, Cache())
    for event in (
        events.TextDelta("So it is【1†a】."),
        events.CitationAdded("A <b>", "https://a.example", "【1†a】"),
        events.TurnEnded("stop"),
    ):
        transcript.apply(event)
        painter.paint()
    html = painter.canvas.whole()[0]
    assert f'So it is<sup class="nba-source" style="{CITED}">[1]</sup>.' in html
    assert html.index("A &lt;b&gt;") > html.index("So it is")


def test_in_a_terminal_calls_of_one_turn_are_all_shown_and_a_notice_loses_no_text() -> None:
    run = story(events.ApprovalAnswered("1", "allowed"))
    lines = terminal(run).splitlines()
    assert [line.split("(")[0] for line in lines[:-1] if "(" in line] == ["  ✓ count", "  ✓ drop"]
    assert terminal([events.TextDelta("one "), events.Warned("careful"), events.TextDelta("two"), run[-1]]) == (
        "one \n  ! careful\ntwo\n1.0 s\n"
    )


def test_what_is_wrong_with_edited_arguments_is_said_with_the_next_question() -> None:
    again = events.ApprovalAsked("1", "drop", '{"table": 1}', problem="table: should be a <string>\x1b[2J")
    (_, call) = calls([*story(None), events.ApprovalAnswered("1", "edited", arguments='{"table": 1}'), again])
    html = question_html(Question(again, 2), call)
    assert "It can't run so: table: should be a &lt;string&gt;<" in html
    assert "It can't run so" not in question_html(Question(ASKED, 1), call)
