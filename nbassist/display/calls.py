"""The panels of calls: of the notebook's tools, and of those that the service runs itself."""

from __future__ import annotations

from . import segments
from .arguments import being_written, laid_out, preview
from .clean import one_line
from .footer import seconds_text
from .highlight import highlight_lines
from .panels import label, summary_line
from .safe import inert
from .shown import LONGEST, PRE, bundle_html, cut, only_text, pre, seen_by_model

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


def call_summary(call: segments.Call) -> str:
    """Return the one line of a call: mark, name, arguments, and on the right how it stands."""
    if call.state == "writing":
        about = being_written("".join(call.arguments.pieces[-100:])[-160:])
    else:
        about = preview(call.arguments.text)
    return summary_line(call.state, call.name, about, state_text(call))


def state_text(call: segments.Call) -> str:
    """Return how a call stands: what was said to it, its state, how long it ran; may be empty."""
    parts = [_DECISIONS.get(call.decision or "", "") if call.asked else "", STATES[call.state]]
    if call.state in ("done", "failed"):
        parts.append(seconds_text(call.seconds))
    return " · ".join(part for part in parts if part)


def call_arguments(call: segments.Call, longest: int = LONGEST) -> str:
    """Return the whole arguments of a call, laid out where they are JSON; empty where there are none."""
    text = call.arguments.text
    if not text.strip() or text.strip() == "{}":
        return ""
    html = "\n".join(laid_out(text) if len(text) <= longest else highlight_lines(cut(text, longest), ""))
    return f'{ARGUMENTS}<div class="highlight"><pre style="{PRE}">{html}</pre></div>'


def call_result(call: segments.Call) -> str:
    """Return what a call gave: what it showed, its error, its traceback, its output; empty before it ran."""
    if call.state == "refused":
        return f"{label('Refused, and told the model')}<p>{inert(call.comment)}</p>" if call.comment else ""
    parts = []
    same = bool(call.output) and only_text(call.display) == call.output.strip()  # what the model got says it all
    if not same and (shown := "".join(bundle_html(bundle) for bundle in call.display)):
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


def call_line(call: segments.Call) -> str:
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
