"""Whether braces stand in text of another language: LaTeX, Jinja, a workflow, an f-string, a block of code."""

from __future__ import annotations

import re

_FENCE = re.compile(r"^ {0,3}(?:```|~~~)", re.MULTILINE)
# Both letters in either order and case, and never the end of a longer word (`self"…"` is no f-string).
_F_STRING = re.compile(r"(?<![A-Za-z0-9_])(?:[rR]?[fF]|[fF][rR])(\"\"\"|'''|\"|')")
_COMMAND = re.compile(r"\\[A-Za-z]+\*?\s*(?:\[[^\]]*\]|\{[^{}]*\})*\Z")
_STATEMENT = re.compile(r"\{%-?\s*\w+")


def looks_foreign(text: str, start: int, end: int) -> bool:
    """Return whether ``text[start:end]``, braces with an expression in them, stands in text of another language.

    Parameters
    ----------
    text : str
        The whole prompt.
    start, end : int
        Where the first brace stands, and what follows the last.
    """
    before, after = text[:start], text[end:]
    return (
        before.endswith("$")  # GitHub Actions
        or _STATEMENT.search(text) is not None  # Jinja, and those after it
        # An odd number of fences, or of backticks on the line, leaves one open.
        or len(_FENCE.findall(before)) % 2 == 1
        or before.rpartition("\n")[2].count("`") % 2 == 1
        or _is_tex(before, after)
        or (before.rstrip().endswith(">") and after.lstrip().startswith("</"))  # a template of HTML
        or _in_f_string(before)
    )


def _is_tex(before: str, after: str) -> bool:
    return before[-1:] in ("{", "}", "^", "_") or after[:1] in ("{", "}") or _COMMAND.search(before) is not None


def _in_f_string(before: str) -> bool:
    """Whether an f-string was begun and not ended: a short one on its line, a long one anywhere."""
    for match in reversed(list(_F_STRING.finditer(before))):
        rest = before[match.end() :]
        if match[1] not in rest and (len(match[1]) == 3 or "\n" not in rest):
            return True
    return False
