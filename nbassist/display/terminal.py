"""The view in a terminal: the text as it comes, each call as an indented line.

Control codes are our own, few, and only where the output is a terminal; of the model none passes.
"""

from __future__ import annotations

import sys
from typing import Any, TextIO

from ..events import Event, RunEnded
from . import panels, segments
from .ansi import BOLD, DIM, END, GREEN, RED, MarkdownStyler
from .clean import clean
from .segments import Growing
from .static import bundle_of
from .transcript import Transcript, status_of

_INDENT = "  "


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
        self._read = 0  # pieces written of the one after
        self._at_start = True
        self._styler: MarkdownStyler | None = None
        self._status = ""  # the line that says what goes on; the next output takes its place

    def apply(self, event: Event) -> None:
        """Take the next event and write what it adds."""
        if self.bundle is not None:
            return
        self.transcript.apply(event)
        self._write_segments()
        if isinstance(event, RunEnded):
            self.close()

    def close(self) -> None:
        """Write the end; does nothing the second time."""
        if self.bundle is not None:
            return
        self.bundle = bundle_of(self.transcript)
        self._new_line()
        if self._status:
            self._put(END, "")
        if self.transcript.detail and self.transcript.finish != "completed":
            self._line(self.transcript.detail, RED if self.transcript.finish == "failed" else BOLD)
        for number, citation in enumerate(self.transcript.citations, 1):
            self._line(f"[{number}] {citation.title} {citation.url}".rstrip(), DIM)
        if (footer := panels.footer_text(self.transcript)) and self.bundle["text/plain"]:
            self._line(footer, DIM)
        self._stream.flush()

    def _write_segments(self) -> None:
        while self._done < len(self.transcript.segments):
            segment = self.transcript.segments[self._done]
            if not self._write(segment) and self._done == len(self.transcript.segments) - 1:
                break
            self._done += 1
            self._read = 0
        self._show_status()
        self._stream.flush()

    def _show_status(self) -> None:
        """On a terminal, say what is waited for, on a line of its own that goes again."""
        words = status_of(self.transcript)["words"] + "…"
        quiet = self.transcript.phase in ("writing", "thinking", "ended")
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
                self._line(f"{_INDENT}{segment.kind.replace('_', ' ')}", DIM)
            case segments.Image():
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
        if call.state in ("writing", "ready", "running"):
            return False
        arguments = panels.arguments_preview(call.arguments.text)
        seconds = panels.seconds_text(call.seconds)
        self._line(f"{_INDENT}{_mark(call)} {call.name}({arguments})  {seconds}", _color(call))
        shown = [text for bundle in call.display if isinstance(text := bundle.get("text/plain"), str)]
        for text in shown:
            for line in clean(text).rstrip("\n").split("\n")[:40]:
                self._line(f"{_INDENT * 2}{line}", DIM)
        # What the model got says nothing new beside what was displayed.
        summary = call.error or ("" if shown else " ".join(call.output.split()))
        if summary:
            self._line(f"{_INDENT * 2}{summary if len(summary) <= 100 else summary[:99] + '…'}", DIM)
        return True

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


def _mark(call: segments.Call) -> str:
    return {"done": "✓", "failed": "✕"}.get(call.state, "–")


def _color(call: segments.Call) -> str:
    return {"done": GREEN, "failed": RED}.get(call.state, DIM)


def _understands(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False
