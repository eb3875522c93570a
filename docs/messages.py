"""The messages of all errors, read from the code: what stands behind each `raise` of one of ours."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from message_texts import GAP, Module, Modules

_FEWEST = 6  # letters of a message, below which it is but the words of others


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
            # Each is a heading: the search of the site has a document for each, and finds it by its words.
            each = [f"### `{message}`{_link(message, more)}" for message in sorted(found[name], key=_order)]
            parts.append("\n\n".join([f"## {name}", words, *each]))
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
    for _, name, messages in made(package, kinds):
        for message in messages:
            yield name, message


def made(package: Path, kinds: set[str]) -> Iterator[tuple[str, str, list[str]]]:
    """Yield (place, class, messages) of each error that the code makes; none where all its words are of others."""
    modules = Modules(package)
    for path in sorted(package.rglob("*.py")):
        module = modules.at(path)
        heirs = {**dict.fromkeys(kinds, ""), **_heirs(module, kinds)}
        for node in module.nodes:
            if not (isinstance(node, ast.Call) and (name := _called(node.func)) in heirs):
                continue
            if not node.args or isinstance(node.args[0], ast.Starred):
                continue
            texts = (_plain(text) for text in modules.texts(node.args[0], module))
            said = [text for text in texts if len(re.sub(r"[^A-Za-z]", "", text)) >= _FEWEST]
            # A space before a comma is left where one of the choices is no word at all, as where a function returns "".
            whole = [text for text in said if not re.search(r" [,;:.)]|:$", text)]
            place = f"{path.relative_to(package).as_posix()}: {ast.unparse(node.args[0])}"
            yield place, heirs[name] or name, whole or said


def _heirs(module: Module, kinds: set[str]) -> dict[str, str]:
    """Return the classes of a module that are one of ours under another name, each with that one."""
    found: dict[str, str] = {}
    for node in module.nodes:
        if isinstance(node, ast.ClassDef):
            for base in map(_called, node.bases):
                if (above := found.get(base, base)) in kinds and node.name not in kinds:
                    found[node.name] = above
    return found


def _plain(text: str) -> str:
    return re.sub(rf"({GAP}\s*)+{GAP}", GAP, " ".join(text.split())).replace("`", "'")


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _order(message: str) -> tuple[str, str]:
    # By its letters; the whole of it keeps those with the same letters in one order, whenever the page is built.
    return re.sub(r"[^a-z ]", "", message.lower()).strip(), message


def _explained(troubleshooting: Path) -> list[tuple[str, list[str]]]:
    """Return the headings of the page that says more, each with the pieces of a message in it."""
    heads = re.findall(r"^### `(.+)`$", troubleshooting.read_text(encoding="utf-8"), re.MULTILINE)
    return [(head, [piece.strip() for piece in head.split(GAP)]) for head in heads]


def _link(message: str, more: list[tuple[str, list[str]]]) -> str:
    for head, pieces in more:
        if all(piece in message for piece in pieces):
            return f"\n\n[more](troubleshooting.md#{_anchor(head)})"
    return ""


def _anchor(head: str) -> str:
    """Return the id that the site gives to a heading."""
    from markdown.extensions.toc import slugify

    return str(slugify(head, "-"))
