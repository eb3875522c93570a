"""The reply as a MIME bundle that needs no kernel, script or style sheet: finished, and while it is written."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Collection, Iterable
from typing import Any

from ...core.events import Event
from ...core.html_allowlist import NO_ICONS, inert, seal
from .. import segments
from ..markdown.block_html import Cache, markdown_html
from ..markdown.math import MathForm, tex_again
from ..markdown.references import with_references
from ..markdown.renderer import with_formulas_apart
from ..transcript import Transcript
from . import calls, media, panels
from .panels import FOOTER, footer_text

OPEN = f'<div class="nbassist" style="overflow-wrap:anywhere;{NO_ICONS}">\n'
# In the dark, themes of Sphinx put HTML that they know nothing of on a white ground, where its code can't be read; they
# leave what has a table of pandas in it as it is. This one is never shown.
LEFT_DARK = '<table class="dataframe" style="display:none"></table>'
CLOSE = f"{LEFT_DARK}</div>"


def bundle(events: Iterable[Event]) -> dict[str, str]:
    """Return `text/html` and `text/plain` of the run that `events` tell, finished or not."""
    return bundle_of(Transcript.of(events))


def bundle_of(transcript: Transcript, *, opened: Collection[str] = (), cache: Cache | None = None) -> dict[str, str]:
    """Return the bundle of a transcript; an empty one where an error ended the run before anything came.

    Parameters
    ----------
    transcript : Transcript
        Finished or not.
    opened : collection of str
        Keys of the panels that the reader has opened: ``c0`` is the panel of the first segment.
    cache : Cache, optional
        What the live view has rendered of the same reply.
    """
    # The error itself is what the cell shows.
    if transcript.finish is None and not transcript.segments:
        return {"text/html": "", "text/plain": ""}
    return {"text/html": html_of(transcript, opened, cache), "text/plain": plain_of(transcript)}


def html_of(
    transcript: Transcript,
    opened: Collection[str] = (),
    cache: Cache | None = None,
    *,
    math_form: MathForm = "tex",
) -> str:
    """Return the reply as HTML: text, panels as `<details>`, sources, footer; for a live page with math as MathML."""
    out = io.StringIO()
    out.write(OPEN)
    out.write(panels.note(transcript))
    last = len(transcript.segments) - 1
    for number, segment in enumerate(transcript.segments):
        if isinstance(segment, segments.TextSegment):
            text = with_references(segment.body.text, transcript.citations)
            # Only the last stretch can have been cut in the middle of its marks.
            broken_off = number == last and transcript.finish != "completed"
            html = markdown_html(text, math_form, cache, broken_off=broken_off)
            out.write(f'<div class="nba-text">{html}</div>\n')
        else:
            out.write(_segment(segment, f"c{number}" in opened, cache))
    out.write(panels.trouble(transcript))
    out.write(panels.sources(transcript.citations))
    out.write(panels.footer(transcript))
    out.write(CLOSE)
    return seal(out.getvalue())


def _segment(segment: segments.Segment, opened: bool, cache: Cache | None) -> str:
    match segment:
        case segments.ReasoningSegment():
            if not segment.body.text.strip():
                return ""
            body = markdown_html(segment.body.text, "tex", cache)
            summary = panels.reasoning_line(segment.body.text, segment.seconds)
            return "".join(panels.panel("reasoning", "", summary, body, opened=opened))
        case segments.RefusalSegment():
            return panels.refusal(segment.body.text)
        case segments.CallSegment():
            body = calls.call_arguments(segment) + calls.call_result(segment)
            opened = opened or calls.has_picture(segment)
            return "".join(panels.panel("call", "", calls.call_summary(segment), body, opened=opened))
        case segments.ServerTool():
            body = calls.server_asked(segment) + calls.server_output(segment)
            return "".join(panels.panel("server", "", calls.server_summary(segment), body, opened=opened))
        case segments.ImageSegment():
            return media.image(segment)
        case segments.Notice():
            return panels.notice(segment.text)
        case _:
            return ""


def plain_of(transcript: Transcript) -> str:
    """Return the reply as plain text: its markdown, one line for each call, the footer."""
    parts: list[str] = [f"[{transcript.note}]"] if transcript.note else []
    for segment in transcript.segments:
        match segment:
            case segments.TextSegment():
                text = with_references(segment.body.text.strip("\n"), transcript.citations, "[{}]")
                parts.append(with_formulas_apart(text))
            case segments.RefusalSegment():
                parts.append(segment.body.text.strip("\n"))
            case segments.CallSegment():
                parts.append(calls.call_line(segment))
            case segments.ServerTool():
                parts.append(calls.server_line(segment))
            case segments.ImageSegment():
                parts.append(f"[image {segment.file_id or segment.media_type}]")
            case segments.Notice():
                parts.append(f"Note: {segment.text}")
            case segments.ReasoningSegment():
                pass
    parts.append("\n".join(filter(None, (transcript.detail, panels.to_do_text(transcript)))))
    if transcript.citations:
        lines = (f"{n}. {c.name} {c.url}".rstrip() for n, c in enumerate(transcript.citations, 1))
        parts.append("Sources:\n" + "\n".join(lines))
    if last := panels.footer_text(transcript):
        parts.append(f"[{last}]")
    return "\n\n".join(part for part in parts if part.strip())


NOTE = "if nothing more comes, %assistant history shows what came"
_EVERY = 10.0  # seconds between two forms while the reply grows
_LULL = 1.5  # seconds without anything new after which one is due sooner
_APART = 4.0  # seconds between two forms at least
_SHARE = 0.25  # of the bytes that the live page was sent
_FREE = 10_000  # bytes that may be sent before that
_RICH = 16_000  # characters of a form that a frontend takes into its page in a blink; a longer one is plain text
_ENVELOPE = 700  # bytes of a message around its content


def shares_page(shell: Any) -> bool:
    """Return whether widgets and outputs stand in one document here, as in JupyterLab, Notebook and nbclassic.

    A Jupyter server names a kernel's notebook in its environment. VS Code and Colab show each output in a frame of
    its own, and make a widget's model only for an output that shows it; sessions of VS Code on a Jupyter server have
    names with ``-jvsc-``.
    """
    session = os.environ.get("JPY_SESSION_NAME", "")
    if not session or "-jvsc-" in session or "google.colab" in sys.modules:
        return False
    return "__vsc_ipynb_file__" not in (getattr(shell, "user_ns", None) or {})


def standing_bundle(html: str, transcript: Transcript, name: str) -> dict[str, str]:
    """Return the bundle of a reply that is being written.

    Parameters
    ----------
    html : str
        What came so far, safe; the bundle has it as plain text where it is long.
    transcript : Transcript
        The same, folded.
    name : str
        A class by which the live page finds its place.
    """
    opening = OPEN.replace('class="nbassist"', f'class="nbassist {name}"')
    if len(html) > _RICH:
        html = f'<p style="white-space:pre-wrap">{inert(plain_of(transcript))}</p>\n'
    note = f'<p class="nba-footer" style="{FOOTER}">{inert(footer_text(transcript))} · {NOTE}</p>\n'
    whole = seal(f"{opening}{tex_again(html)}{note}{CLOSE}")
    return {"text/html": whole, "text/plain": f"{plain_of(transcript)} ({NOTE})"}


class Refreshes:
    """Decides when the standing form is sent anew. Times are seconds of one clock."""

    def __init__(self, now: float) -> None:
        self._last = self._heard = now
        self._credit = float(_FREE)
        self._stale = False

    def patched(self, size: int, now: float) -> None:
        """Take note that `size` bytes went to the live page."""
        # What may be sent is earned by what the live page was sent, so that a long reply is not sent over and over.
        self._credit += _SHARE * (size + _ENVELOPE)
        self._heard, self._stale = now, True

    def sent(self, size: int, now: float) -> None:
        """Take note that a form of `size` bytes was sent."""
        self._credit -= size
        self._last, self._stale = now, False

    def due(self, size: int, now: float) -> bool:
        """Return whether a form of a page of about `size` bytes is due."""
        if not self._stale or size > self._credit:
            return False
        since = now - self._last
        return since >= _EVERY or (since >= _APART and now - self._heard >= _LULL)

    @property
    def stale(self) -> bool:
        """Whether something came since the last one."""
        return self._stale
