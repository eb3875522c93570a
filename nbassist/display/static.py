"""The finished reply as a MIME bundle that needs no kernel, no script and no style sheet."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable

from ..events import Event
from . import calls, footer, panels, segments, shown
from .blockhtml import Cache, markdown_html
from .segments import with_references
from .transcript import Transcript

OPEN = '<div class="nbassist" style="overflow-wrap:anywhere">\n'
CLOSE = "</div>"


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
    if transcript.finish is None and not transcript.segments:
        return {"text/html": "", "text/plain": ""}
    return {"text/html": html_of(transcript, opened, cache), "text/plain": plain_of(transcript)}


def html_of(transcript: Transcript, opened: Collection[str] = (), cache: Cache | None = None) -> str:
    """Return the reply as HTML: text, panels as `<details>`, sources, footer."""
    out = io.StringIO()
    out.write(OPEN)
    out.write(footer.note(transcript))
    last = len(transcript.segments) - 1
    for number, segment in enumerate(transcript.segments):
        if isinstance(segment, segments.Text):
            text = with_references(segment.body.text, transcript.citations)
            broken_off = number == last and transcript.finish != "completed"
            html = markdown_html(text, "tex", cache, broken_off=broken_off)
            out.write(f'<div class="nba-text">{html}</div>\n')
        else:
            out.write(_segment(segment, f"c{number}" in opened, cache))
    out.write(footer.sources(transcript.citations))
    out.write(footer.footer(transcript))
    out.write(CLOSE)
    return out.getvalue()


def _segment(segment: segments.Segment, opened: bool, cache: Cache | None) -> str:
    match segment:
        case segments.Reasoning():
            if not segment.body.text.strip():
                return ""
            body = markdown_html(segment.body.text, "tex", cache)
            summary = panels.reasoning_line(segment.body.text)
            return "".join(panels.panel("reasoning", "", summary, body, opened=opened))
        case segments.Refusal():
            return panels.refusal(segment.body.text)
        case segments.Call():
            body = calls.call_arguments(segment) + calls.call_result(segment)
            return "".join(panels.panel("call", "", calls.call_summary(segment), body, opened=opened))
        case segments.ServerTool():
            body = calls.server_asked(segment) + calls.server_output(segment)
            return "".join(panels.panel("server", "", calls.server_summary(segment), body, opened=opened))
        case segments.Image():
            return shown.image(segment)
        case segments.Notice():
            return panels.notice(segment.text)
        case _:
            return ""


def plain_of(transcript: Transcript) -> str:
    """Return the reply as plain text: its markdown, one line for each call, the footer."""
    parts: list[str] = [f"[{transcript.note}]"] if transcript.note else []
    for segment in transcript.segments:
        match segment:
            case segments.Text() | segments.Refusal():
                parts.append(segment.body.text.strip("\n"))
            case segments.Call():
                parts.append(calls.call_line(segment))
            case segments.ServerTool():
                parts.append(calls.server_line(segment))
            case segments.Image():
                parts.append(f"[image {segment.file_id or segment.media_type}]")
            case segments.Notice():
                parts.append(f"Note: {segment.text}")
            case segments.Reasoning():
                pass
    if transcript.citations:
        lines = (f"{n}. {c.title} {c.url}".rstrip() for n, c in enumerate(transcript.citations, 1))
        parts.append("Sources:\n" + "\n".join(lines))
    if transcript.detail:
        parts.append(transcript.detail)
    if last := footer.footer_text(transcript):
        parts.append(f"[{last}]")
    return "\n\n".join(part for part in parts if part.strip())
