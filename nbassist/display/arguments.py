"""The arguments of a call as a person reads them: nothing hidden, nothing escaped that need not be."""

from __future__ import annotations

import json
import re
from typing import Any

from .clean import clean
from .highlight import highlight_lines

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
