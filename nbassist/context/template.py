"""`{{ expression }}` in a prompt, filled in from the notebook's namespace; braces of other languages are left alone."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ..errors import UsageError
from .braces import FORMATTED, Braces, Reading, ends, find, nested, with_nested
from .foreign import looks_foreign
from .formats import FORMATS, formatted
from .namespace import evaluate, is_expression
from .prompt import Prompt

_HEAD = re.compile(r"[^\W\d]\w*")
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
    `{{ x:.2f }}`, `{{ x!r }}` and `{{ x = }}` do what they do in an f-string. Braces around what is no Python
    expression are left as they are: code in a prompt stays code. So are those of another language that name what is
    not defined, and `\{{ … }}`, without its backslash.

    Raises
    ------
    UsageError
        Where an expression can't be evaluated; for a missing name it says which is the nearest. Where it begins with
        the name of a variable, and is no expression.
    """
    left: list[str] = []

    def value(braces: Braces) -> str:
        text = template[braces.start : braces.end]
        if braces.is_escaped:
            return text[1:]
        try:
            return _value(braces, namespace, template)
        # Only when it failed is the text around looked at: an expression that can be evaluated is always the
        # notebook's.
        except _UnknownFormatError:
            if not looks_foreign(template, braces.start, braces.end):
                raise
        except UsageError as error:
            if not isinstance(error.__cause__, NameError):
                raise
            if not looks_foreign(template, braces.start, braces.end):
                raise UsageError(f"{error}{_HINT}") from error.__cause__
        left.append(text)
        return text

    return Filled(_replaced(template, value), tuple(left))


def _replaced(template: str, change: Callable[[Braces], str]) -> str:
    parts: list[str] = []
    place = 0
    for braces in find(template):
        parts += template[place : braces.start], change(braces)
        place = braces.end
    return "".join((*parts, template[place:]))


def escaped(template: str) -> str:
    """Return `template` such that filling it in gives it back as it is."""
    return _replaced(template, lambda braces: f"\\{template[braces.start : braces.end]}")


class _UnknownFormatError(UsageError):
    """What stands behind the bar is neither a format nor Python."""


def _value(braces: Braces, namespace: Mapping[str, Any], template: str) -> str:
    reading = braces.reading
    if reading is None or not (reading.is_sure or _is_ours(reading, namespace)) or reading.is_shaped:
        return _shaped(braces, namespace, template)
    if reading.bar and (found := FORMATTED.fullmatch(braces.source)):
        name = found[2]
        if name in FORMATS:
            return formatted(name, evaluate(reading.expression, namespace, braces.shown), int(found[3] or 0))
        near = get_close_matches(name, FORMATS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(FORMATS)}"
        raise _UnknownFormatError(f"{braces.shown}: there is no format {name!r}; {hint}")
    return formatted("text", evaluate(reading.expression, namespace, braces.shown))


def _is_ours(reading: Reading, namespace: Mapping[str, Any]) -> bool:
    """Whether it names a variable of the notebook; what has no names at all is Python that needs none."""
    names = reading.names
    if reading.is_shaped:  # {"id": 1} of JSON, and {id: 1} of JavaScript
        return any(name in namespace for name in names)
    return not names or any(name in namespace or hasattr(builtins, name) for name in names)


def _shaped(braces: Braces, namespace: Mapping[str, Any], template: str) -> str:
    """The value as an f-string would show it; the text as it is where it is not the notebook's."""
    text = template[braces.start : braces.end]
    reading = braces.reading
    ours = _is_ours(reading, namespace) if reading else (head := _HEAD.match(braces.source)) and head[0] in namespace
    if not ours or _ALTERNATIVE.match(text) or looks_foreign(template, braces.start, braces.end):
        return text
    if reading is None:
        if template[: braces.start].endswith("="):  # style={{ … }}
            return text
        raise UsageError(f"{braces.shown}: this is no Python expression{_HINT}")
    value = evaluate(reading.expression, namespace, braces.shown)
    spec = reading.spec or ""
    inner = [str(evaluate(one.strip(), namespace, braces.shown)) for one in nested(spec)]
    as_text = _CONVERSIONS.get(reading.conversion or ("r" if reading.label and reading.spec is None else ""))
    try:
        shown = format(as_text(value) if as_text else value, with_nested(spec, inner))
    except Exception as error:  # a format is the object's own code
        raise UsageError(f"{braces.shown} failed: {type(error).__name__}: {error}{_HINT}") from error
    return reading.label + formatted("text", shown)


_CONVERSIONS: Mapping[str, Callable[[Any], str]] = {"r": repr, "s": str, "a": ascii}
_ALTERNATIVE = re.compile(r"(?<!\\)\{\{\s*alt(?:\s+(?P<name>\w+))?\s*:")


@dataclass(frozen=True)
class _Alternatives:
    """Texts that stand for one another, from `start` to `end`; `text` is all of it, `source` what stands in it."""

    start: int
    end: int
    text: str
    source: str


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
    for name, group in _named(template):
        values = tuple(dict.fromkeys(_values(group, namespace or {})))
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
    parts: list[str] = []
    place = 0
    for name, group in _named(template):
        parts += template[place : group.start], chosen[name]
        place = group.end
    return "".join((*parts, template[place:]))


def _named(template: str) -> list[tuple[str, _Alternatives]]:
    named: list[tuple[str, _Alternatives]] = []
    unnamed = place = 0
    while match := _ALTERNATIVE.search(template, place):
        inside = match.end()
        places = [end for end in ends(template, inside) if end > inside]
        if not places:
            break
        end = next((end for end in places if is_expression(template[inside:end].strip())), places[0])
        name, place = match["name"], end + 2
        if not name:
            unnamed += 1
            name = "alt" if unnamed == 1 else f"alt{unnamed}"
        source = template[inside:end].strip()
        named.append((name, _Alternatives(match.start(), place, template[match.start() : place], source)))
    return named


_WRITE = "write the texts as strings, or name variables that hold them, with | between them"


def _values(group: _Alternatives, namespace: Mapping[str, Any]) -> tuple[str, ...]:
    try:
        node: ast.expr = ast.parse(group.source, mode="eval").body
    except SyntaxError as error:
        raise UsageError(f"{group.text}: {_WRITE}") from error
    values: list[str] = []
    # `|` binds to the left, so the texts are unwound from the last.
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        values[:0] = _texts(node.right, group.text, namespace)
        node = node.left
    return (*_texts(node, group.text, namespace), *values)


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
    return bool(_named(template))
