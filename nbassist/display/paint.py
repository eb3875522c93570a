"""Keeps a canvas in step with a transcript: each segment by a function that paints what came to it."""

from __future__ import annotations

from collections.abc import Callable

from . import calls, footer, panels, segments, shown
from .blockhtml import Cache
from .canvas import Canvas, Slot
from .question import Question, question_html
from .textpaint import PlainPaint, TextPaint
from .transcript import Transcript


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
        self._noted = False
        self._reply, self._sources = (self.canvas.root.child(("<div{slot}>", "</div>\n")) for _ in range(2))

    def paint(self) -> None:
        """Bring the canvas up to date."""
        if not self._noted and self._transcript.note:
            self._noted = True
            self._reply.add(footer.note(self._transcript))
        for number in range(self._begun, len(self._transcript.segments)):
            self._updates.append(self._begin(self._transcript.segments[number], f"c{number}"))
        self._begun = len(self._transcript.segments)
        self._updates = [update for update in self._updates if not update()]
        if self._transcript.citations:
            self._sources.replace(footer.sources(self._transcript.citations))

    def _begin(self, segment: segments.Segment, key: str) -> Callable[[], bool]:
        root = self._reply
        match segment:
            case segments.Text():
                slot = root.child(('<div class="nba-text"{slot}>', "</div>\n"))
                return TextPaint(slot, segment.body, self._cache, self._transcript.citations).update
            case segments.Reasoning():
                return self._reasoning(segment, key)
            case segments.Call():
                return self._call(segment, key)
            case segments.ServerTool():
                return self._server(segment, key)
            case segments.Refusal():
                slot = root.child(("<div{slot}>", "</div>\n"))
                return _until(lambda: segment.body.closed, lambda: slot.replace(panels.refusal(segment.body.text)))
            case segments.Image():
                slot = root.child(("<div{slot}>", "</div>\n"))
                return _until(lambda: not segment.partial, lambda: slot.replace(shown.image(segment)))
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

    def _reasoning(self, segment: segments.Reasoning, key: str) -> Callable[[], bool]:
        frame, summary, body = self._panel("reasoning", key, opened=True)
        summary.replace(panels.reasoning_line())
        text = TextPaint(body.child(("<div{slot}>", "</div>")), segment.body, self._cache)

        def update() -> bool:
            if done := text.update():
                summary.replace(panels.reasoning_line(segment.body.text))
                frame.attribute("open", None)
            return done

        return update

    def _call(self, call: segments.Call, key: str) -> Callable[[], bool]:
        frame, summary, body = self._panel("call", key)
        arguments = body.child(("<div{slot}>", "</div>"))
        ask = body.child(("<div{slot}>", "</div>"), live=True)
        result = body.child(("<div{slot}>", "</div>"))
        written: PlainPaint | None = PlainPaint(arguments, call.arguments, calls.ARGUMENTS)
        asking: Question | None = None

        def update() -> bool:
            nonlocal written, asking
            summary.replace(calls.call_summary(call))
            if written is not None and call.state == "writing":
                written.update()
            else:
                written = None
                arguments.replace(calls.call_arguments(call, 200_000 if call.state == "asking" else shown.LONGEST))
            question = self.question if self.question and self.question.call_id == call.id else None
            if question is not asking:
                frame.attribute("open", "" if question else None)
                ask.replace(question_html(question, call) if question else "")
                asking = question
            if call.state in ("done", "failed", "refused", "dropped", "interrupted"):
                result.replace(calls.call_result(call))
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
