"""`{{ alt: "Be brief." | "Be kind." }}` in a prompt: texts that are tried in turn."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

from ..errors import UsageError

_FIELD = re.compile(r"\{\{\s*alt(?:\s+(?P<name>\w+))?\s*:(?P<values>.+?)\}\}", re.DOTALL)


def find_alternatives(template: str) -> dict[str, tuple[str, ...]]:
    """Return the texts that stand for one another, by name: `alt`, `alt2`, …, or the name that is given.

    Raises
    ------
    UsageError
        Where they are not strings with | between them, or a name is given to different ones.
    """
    found: dict[str, tuple[str, ...]] = {}
    for name, match in _named(template):
        values = _values(match)
        if found.setdefault(name, values) != values:
            raise UsageError(f"{{{{ alt {name}: … }}}} stands twice with different texts: give them different names")
    return found


def choose(template: str, chosen: Mapping[str, str]) -> str:
    """Return `template` with one text in the place of each group of alternatives."""
    names = iter([name for name, _ in _named(template)])
    return _FIELD.sub(lambda match: chosen[next(names)], template)


def _named(template: str) -> list[tuple[str, re.Match[str]]]:
    named = []
    unnamed = 0
    for match in _FIELD.finditer(template):
        name = match["name"]
        if not name:
            unnamed += 1
            name = "alt" if unnamed == 1 else f"alt{unnamed}"
        named.append((name, match))
    return named


def _values(match: re.Match[str]) -> tuple[str, ...]:
    source = match["values"].strip()
    try:
        node: ast.AST = ast.parse(source, mode="eval").body
    except SyntaxError as error:
        raise UsageError(f"{match[0]}: write the texts as strings with | between them") from error
    values: list[str] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        values.insert(0, _text(node.right, match[0]))
        node = node.left
    return (_text(node, match[0]), *values)


def _text(node: ast.AST, shown: str) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise UsageError(f"{shown}: write the texts as strings with | between them")


def has_alternatives(template: str) -> bool:
    """Whether the text has any."""
    return _FIELD.search(template) is not None
