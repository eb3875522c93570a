"""The view in a terminal: the text as it comes, each call as an indented line.

Control codes are our own, few, and only where the output is a terminal; of the model none passes.
"""

from __future__ import annotations

import contextvars
import sys
import threading
from collections.abc import Iterable
from typing import Any, TextIO

from ...core import runtime_environment
from ...core.events import (
    ApprovalAnswered,
    ApprovalAsked,
    Event,
    MimeBundle,
    RunEnded,
    RunStarted,
    ToolCallStarted,
    ToolFinished,
)
from ...core.mime import in_words
from ...core.protocols import Look
from ...core.text import clean, one_line
from .. import segments
from ..segments import Growing
from ..static.calls import preview, server_name, state_text
from ..static.panels import footer_text, to_do_text
from ..transcript import Transcript, status_of
from .markdown_styler import BOLD, DIM, END, GREEN, RED, MarkdownStyler

_INDENT = "  "
_LINES = 40  # of what a call displayed
_LOOK = 0.1  # seconds between looks at a tool that runs
_MARKS = {"done": "✓", "failed": "✕", "refused": "✕"}
_COLOURS = {"done": GREEN, "failed": RED}


class TerminalView:
    """A view of one run on a stream of text.

    Parameters
    ----------
    stream : TextIO, optional
        Where to write; standard output.
    styled : bool, optional
        Whether to write control codes; by default where the stream is a terminal that understands them.

    Attributes
    ----------
    ended : bool
        Whether the end has been written.
    """

    def __init__(self, stream: TextIO | None = None, styled: bool | None = None) -> None:
        self.ended = False
        self.transcript = Transcript()
        self._stream = stream if stream is not None else sys.stdout
        self._styled = _understands(self._stream) if styled is None else styled
        self._done = 0  # segments written whole
        self._written: set[int] = set()  # those after it that are written already
        self._read = 0  # pieces read of the one that is not whole
        self._begun = False  # whether any of it is written: it does not begin with empty lines
        self._at_start = True
        self._styler: MarkdownStyler | None = None
        self._status = ""  # the line that says what goes on; the next output takes its place
        self._running: dict[str, Look] = {}  # calls that are looked at
        self._watcher: threading.Thread | None = None
        self._wake = threading.Event()
        self._over = threading.Event()
        self._shown: dict[str, int] = {}  # lines of each call that are written already
        self._head_of = ""  # the call whose lines were written last
        self._writing = threading.RLock()

    def apply(self, event: Event) -> None:
        """Take the next event and write what it adds."""
        with self._writing:
            self._apply(event)
        if self.ended:
            self._join()

    def tool_running(self, call_id: str, look: Look) -> None:
        """Write what a call prints while it runs, line by line; for where a thread can look on."""
        self._running[call_id] = look
        self._wake.set()

    def _watch(self) -> None:
        while not self.ended:
            self._wake.wait()
            for call_id, look in list(self._running.items()):
                lines = _lines(look())[:-1]  # the last may still grow, or be a bar that moves
                with self._writing:
                    new = lines[self._shown.get(call_id, 0) : _LINES]
                    if new and call_id in self._running:
                        self._write_running(call_id, new)
            self._wake.clear()
            if self._running:  # looked at after the clearing: a call that begins just now is not overlooked
                self._wake.set()
            self._over.wait(_LOOK)

    def _write_running(self, call_id: str, lines: list[str]) -> None:
        """Write lines of a call that runs, under its name where another was at it before."""
        call = next((s for s in self.transcript.segments if getattr(s, "id", "") == call_id), None)
        if not isinstance(call, segments.CallSegment):
            return
        if self._head_of != call_id:
            self._head_of = call_id
            self._line(f"{_INDENT}● {call.name}({preview(call.arguments.text)})", DIM)
        for line in lines:
            self._line(f"{_INDENT * 2}{line}", DIM)
        self._shown[call_id] = self._shown.get(call_id, 0) + len(lines)
        self._show_status()
        self._stream.flush()

    def _apply(self, event: Event) -> None:
        if self.ended:
            return
        if isinstance(event, ToolFinished):
            self._running.pop(event.call_id, None)
        elif isinstance(event, ToolCallStarted) and self._watcher is None and runtime_environment.THREADS:
            # Before the call runs: what a thread writes that began in it, or knows its context, is the call's own.
            run = contextvars.copy_context().run
            self._watcher = threading.Thread(target=run, args=(self._watch,), name="nbassist-look", daemon=True)
            self._watcher.start()
        self.transcript.apply(event)
        if isinstance(event, RunStarted) and self.transcript.note:
            self._line(f"{_INDENT}{self.transcript.note}", DIM)
        self._write_segments()
        if isinstance(event, RunEnded):
            self._close()

    def ask(self, asked: ApprovalAsked) -> ApprovalAnswered | None:
        """There are no buttons here: the caller asks with `input()`."""
        return None

    def close(self) -> None:
        """Write the end; does nothing the second time."""
        with self._writing:
            self._close()
        self._join()

    def _join(self) -> None:
        """Wait for who looks at calls; not under the lock, which that thread may wait for."""
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            self._over.set()
            self._wake.set()
            watcher.join()

    def _close(self) -> None:
        self._running.clear()
        if self.ended:
            return
        self.ended = True
        self._new_line()
        if self._status:
            self._put(END, "")
        for trouble in filter(None, (self.transcript.detail, to_do_text(self.transcript))):
            self._line(trouble, RED if self.transcript.finish == "failed" else BOLD)
        for number, citation in enumerate(self.transcript.citations, 1):
            self._line(f"[{number}] {citation.name} {citation.url}".rstrip(), DIM)
        # Where an error ended the run before anything came, the error itself is what is shown.
        begun = self.transcript.finish is not None or self.transcript.segments
        if begun and (last := footer_text(self.transcript)):
            self._line(last, DIM)
        self._stream.flush()

    def _write_segments(self) -> None:
        stretch = False  # one that is not whole yet; what follows waits, but for notices
        for number, segment in enumerate(self.transcript.segments[self._done :], self._done):
            notice = isinstance(segment, segments.Notice)
            if number in self._written or (stretch and not notice):
                continue
            if self._write(segment):
                self._written.add(number)
                if not notice:
                    self._read, self._begun = 0, False
            else:
                stretch = True
        while self._done in self._written:
            self._written.remove(self._done)
            self._done += 1
        self._show_status()
        self._stream.flush()

    def _show_status(self) -> None:
        """On a terminal, say what is waited for, on a line of its own that goes again."""
        words = status_of(self.transcript)["words"] + "…"
        quiet = self.transcript.phase in ("writing", "thinking", "asking", "ended")
        if self._status and self.transcript.phase == "asking":
            self._put(END, "")  # the question stands on this line
        if self._styled and self._at_start and not quiet and words != self._status:
            self._put(f"{_INDENT}{words}", DIM)
            self._status = words

    def _write(self, segment: segments.Segment) -> bool:
        """Write what is new of a segment; return whether it is whole."""
        match segment:
            case segments.TextSegment() | segments.RefusalSegment():
                return self._grow(segment.body, "", "")
            case segments.ReasoningSegment():
                return self._grow(segment.body, DIM, _INDENT)
            case segments.CallSegment():
                return self._call(segment)
            case segments.ServerTool():
                return self._server(segment)
            case segments.ImageSegment():
                # A sketch can't be taken back from a terminal: the picture is waited for.
                if segment.partial:
                    return False
                self._line(f"{_INDENT}[image {segment.file_id or segment.media_type}]", DIM)
            case segments.Notice():
                self._line(f"{_INDENT}! {segment.text}", BOLD)
        return True

    def _grow(self, body: Growing, style: str, indent: str) -> bool:
        new = "".join(body.pieces[self._read :])
        self._read = len(body.pieces)
        if not self._begun and self._at_start:
            new = new.lstrip("\n")
        if new:
            self._begun = True
            text = new.replace("\n", "\n" + indent) if indent else self._style(new)
            self._put((indent if self._at_start else "") + text, style)
            self._at_start = new.endswith("\n")
        if body.closed:
            self._put(self._style("", final=True), "")
            self._new_line()
        return body.closed

    def _style(self, text: str, final: bool = False) -> str:
        """Return text of the reply in the terminal's styles, or as it is where there are none."""
        if not self._styled:
            return text
        self._styler = self._styler or MarkdownStyler()
        text = self._styler.feed(text, final=final)
        if final:
            self._styler = None
            text += END
        return text

    def _call(self, call: segments.CallSegment) -> bool:
        if call.state in ("writing", "ready", "asking", "running"):
            return False
        self._head(call.state, f"{call.name}({preview(call.arguments.text)})", state_text(call))
        self._head_of = ""
        shown = "\n".join(_lines(call.display)).rstrip("\n").split("\n") if call.display else []
        self._below(shown[self._shown.pop(call.id, 0) :])
        # What the model got says nothing new beside what was displayed.
        summary = call.comment or call.error or ("" if any(shown) else call.output)
        if summary:
            self._line(f"{_INDENT * 2}{one_line(summary, 100)}", DIM)
        return True

    def _server(self, tool: segments.ServerTool) -> bool:
        if not tool.body.closed:
            return False
        state = "done" if tool.state == "completed" else tool.state
        asked = tool.body.text.strip()
        self._head(state, server_name(tool) + (f": {one_line(asked, 80)}" if asked else ""), tool.state)
        if "\n" in asked:
            self._below(clean(asked).split("\n"))
        self._below(clean(tool.output.text).strip("\n").split("\n") if tool.output.text.strip() else [])
        return True

    def _head(self, state: str, what: str, how: str) -> None:
        self._line(f"{_INDENT}{_MARKS.get(state, '–')} {what}  {how}".rstrip(), _COLOURS.get(state, DIM))

    def _below(self, lines: list[str]) -> None:
        """Write lines below a call, of many the first."""
        for line in lines[:_LINES]:
            self._line(f"{_INDENT * 2}{line}", DIM)
        if len(lines) > _LINES:
            self._line(f"{_INDENT * 2}… {len(lines) - _LINES:,} more lines", DIM)

    def _new_line(self) -> None:
        if not self._at_start:
            self._put("\n", "")
            self._at_start = True

    def _line(self, text: str, style: str) -> None:
        self._new_line()
        self._put(text, style)
        self._put("\n", "")

    def _put(self, text: str, style: str) -> None:
        if self._status and text:
            # Back to the start of the line, and what stands on it is erased.
            self._stream.write("\r\x1b[K")
            self._status = ""
        if self._styled and style:
            text = f"{style}{text}{END}"
        try:
            self._stream.write(text)
        except UnicodeEncodeError:  # a terminal that is not UTF-8
            encoding = self._stream.encoding or "ascii"
            self._stream.write(text.encode(encoding, "replace").decode(encoding))


def _lines(shown: Iterable[MimeBundle]) -> list[str]:
    """Return what a call showed as lines of text; the last is empty where it ended its line."""
    texts = [bundle.get("text/plain") or in_words(bundle) for bundle in shown]
    found = [clean(text) for text in texts if isinstance(text, str) and text.strip()]
    # Those before the last are whole, so that what comes after them changes the number of no line.
    return [line for text in found[:-1] for line in text.rstrip("\n").split("\n")] + "".join(found[-1:]).split("\n")


def _understands(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False
