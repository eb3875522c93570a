"""Folds the events of a run into what a reader sees: segments, a status and a footer. No IO, no markup.

Every text is clean (`nbassist.core.text`) from here on, and none of it is trusted to be anything but text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import singledispatchmethod
from typing import Any, Literal, TypeAlias, TypeVar

from ..core import events
from ..core.events import Event, Finish, Usage
from ..core.text import clean, one_line
from .segments import (
    CallSegment,
    Citation,
    Growing,
    ImageSegment,
    Notice,
    ReasoningSegment,
    RefusalSegment,
    Segment,
    ServerTool,
    TextSegment,
)

S = TypeVar("S", TextSegment, ReasoningSegment, RefusalSegment)
Phase: TypeAlias = Literal["waiting", "retrying", "thinking", "writing", "calling", "asking", "running", "ended"]


class Transcript:
    """What a run shows, in order; `apply` takes its events, each once.

    Attributes
    ----------
    segments : list of Segment
        In the order in which they began; it only ever grows.
    citations : list of Citation
        Each source once.
    phase, subject : Phase, str
        What goes on, and with what: a tool's name while one is called or run, a reason while retrying.
    note : str
        One line about where in the thread the run stands; may be empty.
    turns : int
        Requests to the model that began.
    retries : int
        Requests that went out again.
    pause : float
        Seconds that the last of them waits before it does.
    finish : Finish or None
        None until the run ended.
    cost : float or None
        US dollars; None where that is not known.
    replayed : bool
        Whether the reply was recorded before.
    writing : float
        Seconds in which the model wrote; 0 where that is not known.
    meter : str
        What a run takes while it goes on, for who looks at it now.
    rating : str
        What the person said of it, which no event tells; may be empty.
    """

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self.citations: list[Citation] = []
        self.phase: Phase = "waiting"
        self.subject = ""
        self.model = ""
        self.backend = ""
        self.note = ""
        self.turns = 0
        self.retries = 0
        self.pause = 0.0
        self.usage = Usage()
        self.finish: Finish | None = None
        self.detail = ""
        self.seconds = 0.0
        self.cost: float | None = None
        self.replayed = False
        self.rating = ""
        self.writing = 0.0
        self.meter = ""
        self._calls: dict[str, CallSegment] = {}
        self._server: dict[str, ServerTool] = {}
        self._images: dict[str, ImageSegment] = {}
        self._turn_usage = Usage()
        # Of segments, which may be thousands: the last that is no notice, and the stretch that is being written.
        self._last: Segment | None = None
        self._open: TextSegment | ReasoningSegment | RefusalSegment | None = None
        self._known_citations: set[Citation] = set()

    @classmethod
    def of(cls, events_: Iterable[Event]) -> Transcript:
        """Fold all of `events_`."""
        transcript = cls()
        for event in events_:
            transcript.apply(event)
        return transcript

    @property
    def text(self) -> str:
        """The reply, its stretches apart by a blank line."""
        texts = (s.body.text.strip("\n") for s in self.segments if isinstance(s, TextSegment | RefusalSegment))
        return "\n\n".join(text for text in texts if text.strip())

    @singledispatchmethod
    def apply(self, event: Event) -> None:
        """Take the next event; kinds that are not known are passed over."""

    @apply.register
    def _(self, event: events.RunStarted) -> None:
        self.model, self.backend = one_line(event.model), one_line(event.backend)
        self.note = one_line(event.note, 300)

    @apply.register
    def _(self, event: events.TurnStarted) -> None:
        self._close_all()
        self.turns += 1
        self.model = one_line(event.model) or self.model
        self._set("waiting")

    @apply.register
    def _(self, event: events.TextDelta) -> None:
        body = self._growing(TextSegment).body
        body.add(event.text)
        self._set("writing")

    @apply.register
    def _(self, event: events.RefusalDelta) -> None:
        self._growing(RefusalSegment).body.add(event.text)
        self._set("writing")

    @apply.register
    def _(self, event: events.ReasoningDelta) -> None:
        self._growing(ReasoningSegment).body.add(event.text)
        self._set("thinking")

    @apply.register
    def _(self, event: events.ToolCallStarted) -> None:
        self._close_texts()
        call = CallSegment(event.call_id, one_line(event.name, 100), event.kind)
        self._calls[event.call_id] = call
        self._add(call)
        self._set("calling", call.name)

    @apply.register
    def _(self, event: events.ToolArgumentsDelta) -> None:
        if call := self._calls.get(event.call_id):
            call.arguments.add(event.text)

    @apply.register
    def _(self, event: events.ToolCallReady) -> None:
        call = self._call(event.call_id, event.name)
        call.name = one_line(event.name, 100)
        call.kind = event.kind
        _settle(call, event.arguments)
        call.state = "ready"

    @apply.register
    def _(self, event: events.ApprovalAsked) -> None:
        for other in self._calls.values():
            if other.state == "running":  # nothing runs before all questions are answered
                other.state = "ready"
        call = self._call(event.call_id, event.name)
        _settle(call, event.arguments)
        call.state, call.asked = "asking", True
        self._set("asking", call.name)

    @apply.register
    def _(self, event: events.ApprovalAnswered) -> None:
        call = self._calls.get(event.call_id)
        if call is None:
            return
        # The person may have changed them.
        if event.arguments:
            _settle(call, event.arguments)
        call.decision, call.comment = event.decision, one_line(event.comment, 1000)
        call.state = "refused" if event.decision == "refused" else "ready"
        self._run_next()

    @apply.register
    def _(self, event: events.ToolFinished) -> None:
        call = self._call(event.call_id, event.name)
        call.arguments.close()
        if call.decision != "refused":
            call.state = "failed" if event.error is not None else "done"
        call.output, call.traceback = clean(event.output), clean(event.traceback)
        call.error = one_line(event.error, 1000) if event.error is not None else ""
        call.seconds, call.display, call.images = event.seconds, event.display, event.images
        self._run_next()

    @apply.register
    def _(self, event: events.ServerToolEvent) -> None:
        tool = self._server.get(event.call_id)
        if tool is None:
            self._close_texts()
            tool = self._server[event.call_id] = ServerTool(event.call_id, one_line(event.kind, 60))
            self._add(tool)
        tool.body.add(event.text)
        tool.output.add(event.output)
        tool.state = event.state
        if event.state != "running":
            self._set("waiting")
        else:
            self._set("running", tool.kind.replace("_", " "))

    @apply.register
    def _(self, event: events.ImageReady) -> None:
        image = self._images.get(event.image_id) if event.image_id else None
        if image is None:
            self._close_texts()
            # Pictures without an id are never sketches, so nothing looks for them again.
            image = self._images[event.image_id] = ImageSegment("", b"", "")
            self._add(image)
        image.media_type, image.file_id = one_line(event.media_type, 60), one_line(event.file_id, 100)
        image.data, image.partial = event.data, event.partial

    @apply.register
    def _(self, event: events.CitationAdded) -> None:
        named = one_line(event.title), one_line(event.url, 2000), clean(event.marker)
        citation = Citation(*named, clean(event.passage), event.page, event.data)
        if citation not in self._known_citations:
            self._known_citations.add(citation)
            self.citations.append(citation)

    @apply.register
    def _(self, event: events.TurnEnded) -> None:
        self._close_all()
        self._turn_usage += event.usage
        self._run_next()

    @apply.register
    def _(self, event: events.Retrying) -> None:
        self.retries += 1
        self.pause = event.seconds
        self._set("retrying", f"in {event.seconds:.0f} s: {one_line(event.detail)}")

    @apply.register
    def _(self, event: events.Warned) -> None:
        self.segments.append(Notice(one_line(event.text, 1000)))

    @apply.register
    def _(self, event: events.RunEnded) -> None:
        self._close_all()
        for call in self._calls.values():
            if call.state == "running":
                call.state = "interrupted"
            elif call.state in ("writing", "ready", "asking"):
                call.state = "dropped"
        for image in self._images.values():
            image.partial = False  # the last sketch is what there is
        # A run that broke off may have no sum; what its turns said is still known.
        self.usage = event.usage if event.usage.known else self._turn_usage
        self.finish, self.detail, self.seconds = event.finish, one_line(event.detail, 1000), event.seconds
        self.cost, self.replayed, self.writing = event.cost, event.replayed, event.writing
        self.thought(event.thoughts)
        self.turns = event.turns or self.turns
        self._set("ended")

    def _set(self, phase: Phase, subject: str = "") -> None:
        self.phase, self.subject = phase, subject

    def _growing(self, kind: type[S]) -> S:
        """Return the stretch that is being written, or begin one; a notice in between does not break it."""
        # Text that goes on behind a warning is one stretch: half a word on either side would be no markdown.
        last = self._last
        if last is not None and type(last) is kind and not last.body.closed:
            return last
        self._close_texts()
        segment = kind()
        self._add(segment)
        self._open = segment
        return segment

    def _add(self, segment: Segment) -> None:
        """Take a segment that is no notice."""
        self.segments.append(segment)
        self._last = segment

    def look_on(self, call_id: str, shown: tuple[events.MimeBundle, ...], seconds: float) -> None:
        """Take what a call that runs has shown so far, and for how long it has run; no event tells it."""
        call = self._calls.get(call_id)
        if call is not None and call.state in ("ready", "running"):
            call.state = "running"
            call.display, call.seconds = shown, seconds

    def thought(self, seconds: Sequence[float]) -> None:
        """Take how long each stretch of reasoning took, in order, as far as that is known."""
        stretches = (segment for segment in self.segments if isinstance(segment, ReasoningSegment))
        for segment, one in zip(stretches, seconds, strict=False):
            segment.seconds = one

    def _call(self, call_id: str, name: str) -> CallSegment:
        call = self._calls.get(call_id)
        if call is None:
            self.apply(events.ToolCallStarted(call_id, name))
            call = self._calls[call_id]
        return call

    def _run_next(self) -> None:
        """Tools run one after another: the first that is ready runs now."""
        if any(call.state == "running" for call in self._calls.values()):
            return
        for call in self._calls.values():
            if call.state == "ready":
                call.state = "running"
                self._set("running", call.name)
                return
        self._set("waiting")

    def _close_texts(self) -> None:
        if self._open is not None:
            self._open.body.close()
            self._open = None

    def _close_all(self) -> None:
        self._close_texts()
        for call in self._calls.values():
            call.arguments.close()
        for tool in self._server.values():
            tool.body.close()
            tool.output.close()


def _settle(call: CallSegment, arguments: str) -> None:
    """What stands now is what is run, whatever came before."""
    call.arguments.close()
    if call.arguments.text != clean(arguments):
        call.arguments = Growing()
        call.arguments.add(arguments)
        call.arguments.close()


def status_of(transcript: Transcript) -> dict[str, Any]:
    """Return what goes on: a phase, which the style sheet knows, and its words for the person.

    `meter` is what it takes so far, where that is known. While a request is about to go out again there are also
    `pause`, the seconds that it waits, and `retry`, which time it is, from one.
    """
    subject = transcript.subject
    words = {
        "waiting": f"Waiting for {transcript.model}" if transcript.model else "Waiting",
        "retrying": f"Retrying {subject}",
        "thinking": "Thinking",
        "writing": "Writing",
        "calling": f"Calling {subject}",
        "asking": f"Waiting for your answer: may {subject} run?",
        "running": f"Running {subject}",
        "ended": "Done",
    }
    status = {"phase": transcript.phase, "words": words[transcript.phase]}
    if transcript.meter:
        status["meter"] = transcript.meter
    if transcript.phase == "retrying":
        return {**status, "pause": round(transcript.pause, 1), "retry": transcript.retries}
    return status
