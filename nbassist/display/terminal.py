"""The view in a terminal: the text as it comes, each call as an indented line.

Control codes are our own, few, and only where the output is a terminal; of the model none passes.
"""

from __future__ import annotations

import sys
from typing import Any, TextIO

from ..events import ApprovalAnswered, ApprovalAsked, Event, RunEnded, RunStarted
from . import segments
from .ansi import BOLD, DIM, END, GREEN, RED, MarkdownStyler
from .arguments import preview
from .calls import server_name, state_text
from .clean import clean, one_line
from .footer import footer_text
from .segments import Growing
from .static import bundle_of
from .status import status_of
from .transcript import Transcript

_INDENT = "  "
_LINES = 40  # of what a call displayed
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
    bundle : dict or None
        The static reply, once the run has ended.
    """

    def __init__(self, stream: TextIO | None = None, styled: bool | None = None) -> None:
        self.bundle: dict[str, str] | None = None
        self.transcript = Transcript()
        self._stream = stream if stream is not None else sys.stdout
        self._styled = _understands(self._stream) if styled is None else styled
        self._done = 0  # segments written whole
        self._written: set[int] = set()  # those after it that are written already
        self._read = 0  # pieces written of the one that is not whole
        self._at_start = True
        self._styler: MarkdownStyler | None = None
        self._status = ""  # the line that says what goes on; the next output takes its place

    def apply(self, event: Event) -> None:
        """Take the next event and write what it adds."""
        if self.bundle is not None:
            return
        self.transcript.apply(event)
        if isinstance(event, RunStarted) and self.transcript.note:
            self._line(f"{_INDENT}{self.transcript.note}", DIM)
        self._write_segments()
        if isinstance(event, RunEnded):
            self.close()

    def ask(self, asked: ApprovalAsked) -> ApprovalAnswered | None:
        """There are no buttons here: the caller asks with `input()`."""
        return None

    def close(self) -> None:
        """Write the end; does nothing the second time."""
        if self.bundle is not None:
            return
        self.bundle = bundle_of(self.transcript)
        self._new_line()
        if self._status:
            self._put(END, "")
        if self.transcript.detail:
            self._line(self.transcript.detail, RED if self.transcript.finish == "failed" else BOLD)
        for number, citation in enumerate(self.transcript.citations, 1):
            self._line(f"[{number}] {citation.title} {citation.url}".rstrip(), DIM)
        if (last := footer_text(self.transcript)) and self.bundle["text/plain"]:
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
                self._read = self._read if notice else 0
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
            case segments.Text() | segments.Refusal():
                return self._grow(segment.body, "", "")
            case segments.Reasoning():
                return self._grow(segment.body, DIM, _INDENT)
            case segments.Call():
                return self._call(segment)
            case segments.ServerTool():
                return self._server(segment)
            case segments.Image():
                if segment.partial:
                    return False
                self._line(f"{_INDENT}[image {segment.file_id or segment.media_type}]", DIM)
            case segments.Notice():
                self._line(f"{_INDENT}! {segment.text}", BOLD)
        return True

    def _grow(self, body: Growing, style: str, indent: str) -> bool:
        new = "".join(body.pieces[self._read :])
        if not self._read and self._at_start:
            new = new.lstrip("\n")
        if new:
            self._read = len(body.pieces)
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

    def _call(self, call: segments.Call) -> bool:
        if call.state in ("writing", "ready", "asking", "running"):
            return False
        self._head(call.state, f"{call.name}({preview(call.arguments.text)})", state_text(call))
        shown = [text for bundle in call.display if isinstance(text := bundle.get("text/plain"), str)]
        for text in shown:
            self._below(text)
        # What the model got says nothing new beside what was displayed.
        summary = call.comment or call.error or ("" if shown else call.output)
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
            self._below(asked)
        self._below(tool.output.text)
        return True

    def _head(self, state: str, what: str, how: str) -> None:
        self._line(f"{_INDENT}{_MARKS.get(state, '–')} {what}  {how}".rstrip(), _COLOURS.get(state, DIM))

    def _below(self, text: str) -> None:
        """Write text below a call, of a long one its first lines."""
        lines = clean(text).rstrip("\n").split("\n") if text.strip() else []
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
            self._stream.write("\r\x1b[K")
            self._status = ""
        if self._styled and style:
            text = f"{style}{text}{END}"
        try:
            self._stream.write(text)
        except UnicodeEncodeError:  # a terminal that is not UTF-8
            encoding = self._stream.encoding or "ascii"
            self._stream.write(text.encode(encoding, "replace").decode(encoding))


def _understands(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False
