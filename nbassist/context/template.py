"""`{{ expression }}` in a prompt, filled in from the notebook's namespace; braces of other languages are left alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ..errors import UsageError
from .formats import FORMATS, formatted
from .namespace import evaluate, is_expression
from .prompt import Prompt

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


# The shortest text between two pairs: `{{ {1: 2} }}` still closes right, since its braces stand apart.
_FIELD = re.compile(r"\\?\{\{(?P<source>.+?)\}\}", re.DOTALL)
_FORMATTED = re.compile(r"(.+)\|\s*([A-Za-z]+)(?:\s+(\d+))?\s*", re.DOTALL)
_PROMPT = re.compile(r"(?<!\\)\{\{\s*prompt\s*\}\}")
_HINT = r" (\{{ or --raw sends braces as they are)"


@dataclass(frozen=True)
class Filled:
    """A prompt that is filled in.

    Parameters
    ----------
    text : str
        The prompt.
    left : tuple of str
        Braces that name what is not defined, and that were left as they are since they look like another language.
    """

    text: str
    left: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """One line about what was left; empty where nothing was."""
        if not self.left:
            return ""
        shown = ", ".join(dict.fromkeys(self.left[:5])) + (", …" if len(self.left) > 5 else "")
        return f"left as it is, since it names nothing of this notebook: {shown}"


def fill(template: str, namespace: Mapping[str, Any]) -> str:
    """Return `template` with each `{{ expression }}` replaced by its value; see `fill_in`."""
    return fill_in(template, namespace).text


def fill_in(template: str, namespace: Mapping[str, Any]) -> Filled:
    r"""Return `template` with each `{{ expression }}` replaced by its value, as text.

    `{{ expression | format }}` says how: see `nbassist.context.formats`. What is long is cut, and the text says so.
    Braces around what is no Python expression are left as they are: code in a prompt stays code. So are those of
    another language that name what is not defined, and `\{{ … }}`, without its backslash.

    Raises
    ------
    UsageError
        Where an expression can't be evaluated; for a missing name it says which is the nearest.
    """
    left: list[str] = []

    def value(match: re.Match[str]) -> str:
        if match[0].startswith("\\"):
            return match[0][1:]
        try:
            return _value(match, namespace)
        # Only when it failed is the text around looked at: an expression that can be evaluated is always the
        # notebook's.
        except _UnknownFormatError:
            if not looks_foreign(template, *match.span()):
                raise
        except UsageError as error:
            if not isinstance(error.__cause__, NameError):
                raise
            if not looks_foreign(template, *match.span()):
                raise UsageError(f"{error}{_HINT}") from error.__cause__
        left.append(match[0])
        return match[0]

    text = _FIELD.sub(value, template)
    return Filled(text, tuple(left))


def escaped(template: str) -> str:
    """Return `template` such that filling it in gives it back as it is."""
    return _FIELD.sub(lambda match: f"\\{match[0]}", template)


class _UnknownFormatError(UsageError):
    """What stands behind the bar is neither a format nor Python."""


def _value(match: re.Match[str], namespace: Mapping[str, Any]) -> str:
    source = match["source"].strip()
    shown = f"{{{{ {source} }}}}"
    found = _FORMATTED.fullmatch(source)
    # `a | b` is also Python's own operator: the name of a format decides, and where it is none, valid Python goes
    # first.
    if found and is_expression(found[1].strip()):
        inner, name, number = found[1].strip(), found[2], int(found[3] or 0)
        if name in FORMATS:
            return formatted(name, evaluate(inner, namespace, shown), number)
        if not is_expression(source):
            near = get_close_matches(name, FORMATS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(FORMATS)}"
            raise _UnknownFormatError(f"{shown}: there is no format {name!r}; {hint}")
    if not is_expression(source):
        return match[0]
    return formatted("text", evaluate(source, namespace, shown))


_ALTERNATIVE = re.compile(r"(?<!\\)\{\{\s*alt(?:\s+(?P<name>\w+))?\s*:(?P<values>.+?)\}\}", re.DOTALL)


def find_alternatives(template: str, namespace: Mapping[str, Any] | None = None) -> dict[str, tuple[str, ...]]:
    """Return the texts that stand for one another, by name: `alt`, `alt2`, …, or the name that is given.

    A text may stand in a variable, as may a list of texts or a mapping of names to them; a text that has a name comes
    as a `Prompt`.

    Raises
    ------
    UsageError
        Where they are not texts with | between them, or a name is given to different ones.
    """
    found: dict[str, tuple[str, ...]] = {}
    for name, match in _named(template):
        values = tuple(dict.fromkeys(_values(match, namespace or {})))
        if found.setdefault(name, values) != values:
            raise UsageError(f"{{{{ alt {name}: … }}}} stands twice with different texts: give them different names")
    return found


def place_prompt(template: str, prompt: str) -> str:
    """Return `template` with `prompt` in the place of `{{ prompt }}`, or before it where it has no such place."""
    if _PROMPT.search(template):
        return _PROMPT.sub(lambda match: prompt, template)
    return "\n\n".join(filter(None, (str(prompt), template.strip())))


def choose(template: str, chosen: Mapping[str, str]) -> str:
    """Return `template` with one text in the place of each group of alternatives."""
    # Named once beforehand: the number of an unnamed group is its place in the whole text.
    names = iter([name for name, _ in _named(template)])
    return _ALTERNATIVE.sub(lambda match: chosen[next(names)], template)


def _named(template: str) -> list[tuple[str, re.Match[str]]]:
    named = []
    unnamed = 0
    for match in _ALTERNATIVE.finditer(template):
        name = match["name"]
        if not name:
            unnamed += 1
            name = "alt" if unnamed == 1 else f"alt{unnamed}"
        named.append((name, match))
    return named


_WRITE = "write the texts as strings, or name variables that hold them, with | between them"


def _values(match: re.Match[str], namespace: Mapping[str, Any]) -> tuple[str, ...]:
    source = match["values"].strip()
    try:
        node: ast.expr = ast.parse(source, mode="eval").body
    except SyntaxError as error:
        raise UsageError(f"{match[0]}: {_WRITE}") from error
    values: list[str] = []
    # `|` binds to the left, so the texts are unwound from the last.
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        values[:0] = _texts(node.right, match[0], namespace)
        node = node.left
    return (*_texts(node, match[0], namespace), *values)


def _texts(node: ast.expr, shown: str, namespace: Mapping[str, Any]) -> list[str]:
    if isinstance(node, ast.Constant):
        return texts_of(node.value, "", shown)
    try:
        value = evaluate(ast.unparse(node), namespace, shown)
    except UsageError as error:
        raise UsageError(f"{error}; {_WRITE}") from error
    return texts_of(value, ast.unparse(node), shown)


def texts_of(value: Any, name: str, shown: str) -> list[str]:
    """Return the texts in a value: a text, a list of them, or a mapping of names to them.

    Raises
    ------
    UsageError
        Where it is none of these, or empty; `shown` is what the person wrote.
    """
    if isinstance(value, Prompt):
        return [value]
    if isinstance(value, str):
        return [Prompt(value, name) if name else value]
    if isinstance(value, Mapping):
        pairs = [(str(key), one) for key, one in value.items()]
    elif isinstance(value, Iterable) and not isinstance(value, bytes):
        pairs = [(f"{name}[{number}]", one) for number, one in enumerate(value)]
    else:
        pairs = []
    if not pairs or not all(isinstance(one, str) for _, one in pairs):
        raise UsageError(f"{shown}: {_WRITE}; {name or 'this'} is a {type(value).__name__}")
    return [one if isinstance(one, Prompt) else Prompt(one, key) for key, one in pairs]


def has_alternatives(template: str) -> bool:
    """Whether the text has any."""
    return _ALTERNATIVE.search(template) is not None
