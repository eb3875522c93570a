"""Keeps a canvas in step with a transcript: each segment by a function that paints what came to it."""

from __future__ import annotations

from collections.abc import Callable

from ...core.events import MimeBundle
from .. import segments
from ..markdown.block_html import Cache
from ..static import calls, media, panels
from ..transcript import Transcript
from .canvas import Canvas, Slot
from .question import Question, question_html
from .text_painter import PlainPaint, TextPaint

_PATIENCE = 2.0  # seconds after which the panel of a running tool that shows something opens by itself


class Painter:
    """Paints a transcript onto a canvas.

    Attributes
    ----------
    question : Question or None
        What the person is being asked about one call, with buttons.
    """

    def __init__(self, transcript: Transcript, cache: Cache) -> None:
        self.canvas = Canvas()
        self.question: Question | None = None
        self._transcript, self._cache = transcript, cache
        self._updates: list[Callable[[], bool]] = []  # of segments that may still change
        self._begun = 0
        self._texts: list[TextPaint] = []
        self._noted = False
        self._reply, self._sources = (self.canvas.root.child(("<div{slot}>", "</div>\n")) for _ in range(2))

    def settle(self) -> None:
        """Paint what was put off, since the text grew faster than it could be shown; for when nothing more comes."""
        for text in self._texts:
            text.settle()

    def paint(self) -> None:
        """Bring the canvas up to date."""
        if not self._noted and self._transcript.note:
            self._noted = True
            self._reply.add(panels.note(self._transcript))
        for number in range(self._begun, len(self._transcript.segments)):
            self._updates.append(self._begin(self._transcript.segments[number], f"c{number}"))
        self._begun = len(self._transcript.segments)
        # A segment that says it is done is never looked at again: a long run costs what its open end costs.
        self._updates = [update for update in self._updates if not update()]
        if self._transcript.citations:
            self._sources.replace(panels.sources(self._transcript.citations))

    def _begin(self, segment: segments.Segment, key: str) -> Callable[[], bool]:
        root = self._reply
        match segment:
            case segments.TextSegment():
                slot = root.child(('<div class="nba-text"{slot}>', "</div>\n"))
                self._texts.append(TextPaint(slot, segment.body, self._cache, self._transcript.citations))
                return self._texts[-1].update
            case segments.ReasoningSegment():
                return self._reasoning(segment, key)
            case segments.CallSegment():
                return self._call(segment, key)
            case segments.ServerTool():
                return self._server(segment, key)
            case segments.RefusalSegment():
                slot = root.child(("<div{slot}>", "</div>\n"))
                return _until(lambda: segment.body.closed, lambda: slot.replace(panels.refusal(segment.body.text)))
            case segments.ImageSegment():
                slot = root.child(("<div{slot}>", "</div>\n"))
                return _until(lambda: not segment.partial, lambda: slot.replace(media.image(segment)))
            case segments.Notice():
                root.add(panels.notice(segment.text))
                return lambda: True

    def _panel(self, kind: str, key: str, opened: bool = False) -> tuple[Slot, Slot, Slot]:
        """Return the slots of a new panel: the panel itself, its summary, its body."""
        before = panels.panel(kind, key, "", "", opened=opened)[0].replace("<details", "<details{slot}", 1)
        frame = self._reply.child((before.partition("<summary")[0], "</details>\n"))
        summary_tag = "<summary" + before.partition("<summary")[2].partition(">")[0]
        summary = frame.child((summary_tag + "{slot}>", "</summary>"))
        body = frame.child(('<div class="nba-body"{slot}>', "</div>"))
        return frame, summary, body

    def _reasoning(self, segment: segments.ReasoningSegment, key: str) -> Callable[[], bool]:
        frame, summary, body = self._panel("reasoning", key, opened=True)
        summary.replace(panels.reasoning_line())
        text = TextPaint(body.child(("<div{slot}>", "</div>")), segment.body, self._cache)
        self._texts.append(text)

        def update() -> bool:
            if done := text.update():
                summary.replace(panels.reasoning_line(segment.body.text, segment.seconds))
                frame.attribute("open", None)
            return done

        return update

    def _call(self, call: segments.CallSegment, key: str) -> Callable[[], bool]:
        frame, summary, body = self._panel("call", key)
        arguments = body.child(("<div{slot}>", "</div>"))
        ask = body.child(("<div{slot}>", "</div>"), live=True)
        result = body.child(("<div{slot}>", "</div>"))
        written: PlainPaint | None = PlainPaint(arguments, call.arguments, calls.ARGUMENTS)
        asking: Question | None = None
        shown: tuple[MimeBundle, ...] = ()
        opened = False

        def update() -> bool:
            nonlocal written, asking, shown, opened
            summary.replace(calls.call_summary(call))
            if written is not None and call.state == "writing":
                written.update()
            else:
                written = None
                # What a person is to allow is shown whole.
                arguments.replace(calls.call_arguments(call, 200_000 if call.state == "asking" else media.LONGEST))
            question = self.question if self.question and self.question.call_id == call.id else None
            if question is not asking:
                frame.attribute("open", "" if question else None)
                ask.replace(question_html(question, call) if question else "")
                asking = question
            if call.state == "running":
                if call.display != shown:
                    shown = call.display
                    result.replace(calls.call_progress(call))
                if not opened and call.seconds >= _PATIENCE and call.display:
                    opened = True
                    frame.attribute("open", "")
            if call.state in ("done", "failed", "refused", "dropped", "interrupted"):
                result.replace(calls.call_result(call))
                if calls.has_picture(call):
                    frame.attribute("open", "")
                elif opened:
                    frame.attribute("open", None)
                # Not done before the form is gone from its panel; a refusal is followed by the word to the model.
                return asking is None and (call.state != "refused" or bool(call.output) or self._ended)
            return False

        return update

    def _server(self, tool: segments.ServerTool, key: str) -> Callable[[], bool]:
        _, summary, body = self._panel("server", key)
        asked, output = (body.child(("<div{slot}>", "</div>")) for _ in range(2))
        written = PlainPaint(asked, tool.body, calls.server_heading(tool))
        came = PlainPaint(output, tool.output, calls.OUTPUT)

        def update() -> bool:
            summary.replace(calls.server_summary(tool))
            if not tool.body.closed:
                written.update()
                came.update()
                return False
            asked.replace(calls.server_asked(tool))
            output.replace(calls.server_output(tool))
            return True

        return update

    @property
    def _ended(self) -> bool:
        return self._transcript.finish is not None


def _until(done: Callable[[], bool], update: Callable[[], None]) -> Callable[[], bool]:
    def step() -> bool:
        last = done()
        update()
        return last

    return step
