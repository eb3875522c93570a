"""The panels of calls, of the notebook's tools and of those that the service runs: arguments, results, progress."""

from __future__ import annotations

import json
import re
from typing import Any

from ...core.html_allowlist import inert
from ...core.text import clean, one_line
from .. import segments
from ..markdown.highlight import highlight_lines
from .media import LONGEST, PRE, bundle_html, cut, only_text, pre, seen_by_model
from .panels import label, seconds_text, summary_line

# Characters that show nothing, or turn the order of those beside them: a reader must see that they are there.
_HIDDEN = re.compile("[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]")

_NAME = re.compile(r'(?<![\\\w])"(\w{1,60})": ?')


def plain_sight(text: str) -> str:
    """Return `text` clean, with characters that can't be seen, or that turn the order of others, as ``\\u202e``."""
    return _HIDDEN.sub(lambda match: f"\\u{ord(match.group()):04x}", clean(text))


def preview(arguments: str, limit: int = 80) -> str:
    """Return the arguments on one line, as Python would write them where they are a JSON object."""
    parsed = _object(arguments)
    text = arguments
    if parsed is not None:
        text = ", ".join(f"{name}={_json(value)}" for name, value in parsed.items())
    text = plain_sight(" ".join(text.split()))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def being_written(end: str, limit: int = 80) -> str:
    """Return the `end` of arguments that are still being written, on one line, in the form of `preview`."""
    # Half of the JSON is not there yet, so it is not read, only made to look like what will stand there.
    text = _NAME.sub(r"\1=", " ".join(end.split()).removeprefix("{").rstrip("}"))
    return plain_sight(text[-limit:])


def laid_out(arguments: str) -> list[str]:
    """Return the arguments line by line as safe HTML: one for each name, a text of many lines as it stands below it.

    Arguments that are no JSON object are given as they were written.
    """
    parsed = _object(arguments)
    if parsed is None:
        return highlight_lines(plain_sight(arguments), "")
    lines: list[str] = []
    for name, value in parsed.items():
        (head,) = highlight_lines(plain_sight(" ".join(name.split())), "")
        head = f'<span class="nt">{head}</span>:'
        if isinstance(value, str) and "\n" in value.rstrip("\n"):
            lines.append(f"{head} |")
            lines += (f"    {line}" for line in highlight_lines(plain_sight(value), ""))
            continue
        whole = _json(value)
        first, *rest = highlight_lines(plain_sight(whole if len(whole) <= 90 else _json(value, indent=2)), "json")
        lines += [f"{head} {first}", *rest]
    return lines


def editable(arguments: str) -> str:
    """Return the arguments as text that a person can edit and that is JSON again."""
    try:
        return _json(json.loads(arguments), indent=2) if arguments.strip() else "{}"
    except (ValueError, RecursionError):
        return arguments


def _object(arguments: str) -> dict[str, Any] | None:
    try:
        parsed = json.loads(arguments) if arguments.strip() else {}
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


STATES = {
    "writing": "writing",
    "ready": "waiting",
    "asking": "your answer is needed",
    "running": "running",
    "done": "",
    "failed": "failed",
    "refused": "refused",
    "dropped": "not run",
    "interrupted": "interrupted",
}


_DECISIONS = {"allowed": "allowed by you", "always": "allowed by you", "edited": "edited by you"}


_ASKED = {"code_interpreter": "Code", "web_search": "Query", "file_search": "Query", "image_generation": "Prompt"}
ARGUMENTS, OUTPUT = label("Arguments"), label("Output")


_TABLE = re.compile(r"([\d,]+) rows × ([\d,]+) columns")
_SHAPE = re.compile(r"shape \(([\d, ]+)\)")
_LONGEST_RESULT = 48  # characters of the summary that say what came of a call


def call_summary(call: segments.CallSegment) -> str:
    """Return the one line of a call: mark, name, arguments, and on the right what came of it and how it stands."""
    if call.state == "writing":
        # The end only: the summary is painted with each delta, and the arguments may be a file.
        about = being_written("".join(call.arguments.pieces[-100:])[-160:])
    else:
        about = preview(call.arguments.text)
    return summary_line(call.state, call.name, about, state_text(call, came_of(call)))


def state_text(call: segments.CallSegment, came: str = "") -> str:
    """Return how a call stands: what was said to it, what `came` of it or its state, how long it ran; may be empty."""
    parts = [_DECISIONS.get(call.decision or "", "") if call.asked else "", STATES[call.state]]
    if call.state in ("done", "failed"):
        parts[1:] = [f"→ {came}" if came else STATES[call.state], seconds_text(call.seconds)]
    elif call.state == "running" and call.seconds >= 1:
        parts.append(f"{int(call.seconds):,} s")  # a clock of whole seconds: it is painted anew only when it moves
    return " · ".join(part for part in parts if part)


def came_of(call: segments.CallSegment) -> str:
    """Return in a few words what a call gave: the shape of a table, a figure, its error, a short output.

    Empty where it gave nothing, and before it has ended.
    """
    if call.state not in ("done", "failed"):
        return ""
    if call.error:
        return one_line(call.error, _LONGEST_RESULT)
    first = call.output.strip().partition("\n")[0]
    if found := _TABLE.search(first):
        return f"{found[1]} × {found[2]} table"
    if has_picture(call):
        return "figure"
    if found := _SHAPE.search(first):
        return f"array of {' × '.join(found[1].strip(', ').split(', '))}"
    return "" if first == "done, no result" else one_line(call.output.strip(), _LONGEST_RESULT)


def has_picture(call: segments.CallSegment) -> bool:
    """Return whether a call showed a picture: its panel stays open."""
    return any(mime.startswith("image/") for bundle in call.display for mime in bundle)


def call_progress(call: segments.CallSegment) -> str:
    """Return what a running call has shown so far; empty where nothing is shown yet."""
    shown = "".join(bundle_html(bundle) for bundle in call.display)
    return f'<div class="nba-shown">{shown}</div>' if shown else ""


def call_arguments(call: segments.CallSegment, longest: int = LONGEST) -> str:
    """Return the whole arguments of a call, laid out where they are JSON; empty where there are none."""
    text = call.arguments.text
    if not text.strip() or text.strip() == "{}":
        return ""
    html = "\n".join(laid_out(text) if len(text) <= longest else highlight_lines(cut(text, longest), ""))
    return f'{ARGUMENTS}<div class="highlight"><pre style="{PRE}">{html}</pre></div>'


def call_result(call: segments.CallSegment) -> str:
    """Return what a call gave: what it showed, its error, its traceback, its output; empty before it ran."""
    if call.state == "refused":
        return f"{label('Refused, and told the model')}<p>{inert(call.comment)}</p>" if call.comment else ""
    parts = []
    display = call.display
    # What the model got says it all, or what the call returned, which is shown last.
    if call.output and only_text(display) == call.output.strip():
        display = ()
    elif call.output and display and only_text(display[-1:]) == call.output.strip():
        display = display[:-1]
    if shown := "".join(bundle_html(bundle) for bundle in display):
        parts.append(label("Shown") + f'<div class="nba-shown">{shown}</div>')
    if images := seen_by_model(call):
        parts.append(label("Images to the model") + images)
    if call.error:
        parts.append(f'<p class="nba-error" style="margin:6px 0"><strong>{inert(call.error)}</strong></p>')
    if call.traceback:
        parts.append(label("Traceback") + pre(call.traceback))
    if call.output and call.output != call.error:
        parts.append(label("Output to the model") + pre(call.output))
    return "".join(parts)


def call_line(call: segments.CallSegment) -> str:
    """Return a call on one line of plain text: name, arguments, and how it came out."""
    head = f"{call.name}({preview(call.arguments.text)})"
    if call.state == "failed":
        return f"[{head} failed: {call.error}]"
    if call.state == "refused":
        return f"[{head} refused{': ' + call.comment if call.comment else ''}]"
    if call.state == "done":
        said = f" ({_DECISIONS[call.decision]})" if call.asked and call.decision in _DECISIONS else ""
        return f"[{head}{said} -> {one_line(call.output, 80)}]"
    return f"[{head} {STATES[call.state]}]"


def server_name(tool: segments.ServerTool) -> str:
    """Return what the service ran, in words."""
    return "MCP" if tool.kind == "mcp" else tool.kind.replace("_", " ").capitalize()


def server_summary(tool: segments.ServerTool) -> str:
    """Return the one line of something that the service ran."""
    state = "done" if tool.state == "completed" else tool.state
    return summary_line(state, server_name(tool), one_line("".join(tool.body.pieces[:50]), 80), STATES[state])


def server_heading(tool: segments.ServerTool) -> str:
    """Return the heading of what it was asked."""
    return label(_ASKED.get(tool.kind, "Input"))


def server_asked(tool: segments.ServerTool) -> str:
    """Return what the service was asked to run; empty where it does not say."""
    if not tool.body.text.strip():
        return ""
    html = "\n".join(highlight_lines(cut(tool.body.text), "python" if tool.kind == "code_interpreter" else ""))
    return f'{server_heading(tool)}<div class="highlight"><pre style="{PRE}">{html}</pre></div>'


def server_output(tool: segments.ServerTool) -> str:
    """Return what came of it; empty where it does not say."""
    return OUTPUT + pre(tool.output.text) if tool.output.text.strip() else ""


def server_line(tool: segments.ServerTool) -> str:
    """Return it on one line of plain text."""
    asked = one_line(tool.body.text, 80)
    output = one_line(tool.output.text, 80)
    state = "" if tool.state == "completed" else f" {tool.state}"
    return f"[{server_name(tool)}{': ' + asked if asked else ''}{state}{' -> ' + output if output else ''}]"
