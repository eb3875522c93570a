"""The messages of all errors, read from the code: what stands behind each `raise` of one of ours."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

_GAP = "…"
_FEWEST = 12  # letters of a message, below which it says nothing by itself


def page(package: Path) -> str:
    """Return the messages as markdown: a part for each class of errors, in the order of their tree."""
    kinds = classes(package)
    found: dict[str, set[str]] = {name: set() for name in kinds}
    for name, message in raised(package, set(kinds)):
        found[name].add(message)
    more = _explained(package.parent / "docs" / "troubleshooting.md")
    parts = []
    for name, words in kinds.items():
        if found[name]:
            lines = [f"- `{message}`{_link(message, more)}" for message in sorted(found[name], key=_order)]
            parts.append(f"## {name}\n\n{words}\n\n" + "\n".join(lines))
    return "\n\n".join(parts)


def classes(package: Path) -> dict[str, str]:
    """Return the classes of `errors.py` in their order, each with the first line of its docstring."""
    tree = ast.parse((package / "errors.py").read_text(encoding="utf-8"))
    return {
        node.name: (ast.get_docstring(node) or "").partition("\n")[0]
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }


def raised(package: Path, kinds: set[str]) -> Iterator[tuple[str, str]]:
    """Yield (class, message) of each error that the code makes, with a mark in the place of what differs."""
    for path in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and (name := _called(node.func)) in kinds:
                for text in _texts(node.args[0]):
                    message = re.sub(rf"({_GAP}\s*)+{_GAP}", _GAP, " ".join(text.split())).replace("`", "'")
                    if len(re.sub(r"[^A-Za-z]", "", message)) >= _FEWEST:
                        yield name, message


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _texts(node: ast.expr) -> list[str]:
    """Return what an expression can come to, as far as it is written there; both sides of a choice."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else [_GAP]
    if isinstance(node, ast.JoinedStr):
        return ["".join(_texts(part)[0] if isinstance(part, ast.Constant) else _GAP for part in node.values)]
    if isinstance(node, ast.IfExp):
        return [*_texts(node.body), *_texts(node.orelse)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [left + right for left in _texts(node.left) for right in _texts(node.right)]
    return [_GAP]


def _order(message: str) -> str:
    return re.sub(r"[^a-z ]", "", message.lower()).strip()


def _explained(troubleshooting: Path) -> list[tuple[str, list[str]]]:
    """Return the headings of the page that says more, each with the pieces of a message in it."""
    heads = re.findall(r"^### `(.+)`$", troubleshooting.read_text(encoding="utf-8"), re.MULTILINE)
    return [(head, [piece.strip() for piece in head.split(_GAP)]) for head in heads]


def _link(message: str, more: list[tuple[str, list[str]]]) -> str:
    for head, pieces in more:
        if all(piece in message for piece in pieces):
            return f" ([more](troubleshooting.md#{_anchor(head)}))"
    return ""


def _anchor(head: str) -> str:
    """Return the id that the site gives to a heading."""
    from markdown.extensions.toc import slugify

    return str(slugify(head, "-"))
