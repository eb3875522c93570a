"""What an expression of the code can come to as a text, as far as that is written anywhere in the package.

Much of a message stands elsewhere than in its `raise`: under a name, in a function that chooses the words, or in a
constant of another module. They are followed; what only the run knows becomes a mark.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cached_property
from itertools import product
from pathlib import Path
from string import Formatter

GAP = "…"
_DEEPEST = 5  # names and calls that are followed, one within the other
_MOST = 12  # texts of one expression; where there are more, the part that differs becomes a mark

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Module:
    """A module: the values of its names, its functions, and where each expression stands.

    Parameters
    ----------
    path : Path
        Of its file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.nodes = list(ast.walk(self.tree))
        self._locals: dict[Function, dict[str, list[ast.expr]]] = {}

    @cached_property
    def functions(self) -> dict[str, Function]:
        """Every function, methods among them, by its name."""
        return {node.name: node for node in self.nodes if isinstance(node, Function)}

    @cached_property
    def names(self) -> dict[str, list[ast.expr]]:
        """What each name of the module itself is given."""
        return _values(self.tree)

    @cached_property
    def imports(self) -> dict[str, tuple[int, str, str]]:
        """Of each name that another module of ours has: how far up, the module, and its name there."""
        return {
            one.asname or one.name: (node.level, node.module or "", one.name)
            for node in self.nodes
            if isinstance(node, ast.ImportFrom) and node.level
            for one in node.names
        }

    @cached_property
    def _homes(self) -> dict[ast.AST, Function]:
        """The function that each expression stands in; the innermost, which is met last."""
        return {inner: node for node in self.nodes if isinstance(node, Function) for inner in ast.walk(node)}

    def values(self, node: ast.Name) -> list[ast.expr] | None:
        """Return what a name is given where it stands; None where that is not written in this module."""
        home = self._homes.get(node)
        if home is not None:
            if home not in self._locals:
                self._locals[home] = _values(home)
            if (found := self._locals[home].get(node.id)) is not None:
                return found
            names = [one.arg for one in (*home.args.posonlyargs, *home.args.args, *home.args.kwonlyargs)]
            if node.id in names:
                return self._given(home, node.id, names.index(node.id))
        return self.names.get(node.id)

    def _given(self, function: Function, name: str, place: int) -> list[ast.expr]:
        """Return what the calls give to a parameter, where the function is the module's own, and no method."""
        if not function.name.startswith("_") or function not in self.tree.body:
            return []
        found = []
        for node in self.nodes:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == function.name:
                found += node.args[place : place + 1]
                found += [word.value for word in node.keywords if word.arg == name]
        return found


class Modules:
    """The modules of a package, each read once.

    Parameters
    ----------
    package : Path
        Its folder.
    """

    def __init__(self, package: Path) -> None:
        self._package = package
        self._read: dict[Path, Module] = {}

    def at(self, path: Path) -> Module:
        """Return the module of a file."""
        if path not in self._read:
            self._read[path] = Module(path)
        return self._read[path]

    def texts(self, node: ast.expr, module: Module, depth: int = 0) -> list[str]:
        """Return what an expression can come to, with a mark in the place of what differs."""
        found = list(dict.fromkeys(self._texts(node, module, depth)))
        return found if found and len(found) <= _MOST else [GAP]

    def _texts(self, node: ast.expr, module: Module, depth: int) -> Iterator[str]:
        match node:
            case ast.Constant(value=str(text)):
                yield text
            case ast.JoinedStr(values=parts):
                yield from self._joined(parts, module, depth)
            case ast.FormattedValue(value=value, conversion=-1, format_spec=None):
                yield from self.texts(value, module, depth)
            case ast.IfExp(body=one, orelse=other):
                yield from self.texts(one, module, depth)
                yield from self.texts(other, module, depth)
            case ast.BoolOp(values=values):
                for value in values:
                    yield from self.texts(value, module, depth)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                yield from self._joined([left, right], module, depth)
            case ast.Name() if depth < _DEEPEST:
                yield from self._named(node, module, depth + 1)
            case ast.Call() if depth < _DEEPEST:
                yield from self._called(node, module, depth + 1)
            case _:
                yield GAP

    def _joined(self, parts: list[ast.expr], module: Module, depth: int) -> Iterator[str]:
        each = [self.texts(part, module, depth) for part in parts]
        # Too many together: what is chosen among the most becomes a mark, and so on.
        while (many := max(each, key=len, default=[])) and _count(each) > _MOST:
            each[each.index(many)] = [GAP]
        yield from map("".join, product(*each))

    def _named(self, node: ast.Name, module: Module, depth: int) -> Iterator[str]:
        values = module.values(node)
        if values:
            for value in values:
                yield from self.texts(value, module, depth)
        elif values is None and (there := self._imported(node.id, module)) and node.id in module.imports:
            for value in there.names.get(module.imports[node.id][2], []):
                yield from self.texts(value, there, depth)
        else:
            yield GAP

    def _called(self, node: ast.Call, module: Module, depth: int) -> Iterator[str]:
        match node:
            case ast.Call(func=ast.Attribute(value=text, attr="format")):
                for one in self.texts(text, module, depth):
                    yield _filled(one)
            case ast.Call(
                func=ast.Attribute(value=text, attr="replace"),
                args=[ast.Constant(value=str(old)), ast.Constant(value=str(new))],
            ):
                for one in self.texts(text, module, depth):
                    yield one.replace(old, new)
            case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=name)):
                there, function = module, module.functions.get(name)
                if function is None and (other := self._imported(name, module)) is not None:
                    there, function = other, other.functions.get(module.imports[name][2])
                yield from self._returned(function, there, depth)
            case _:
                yield GAP

    def _returned(self, function: Function | None, module: Module, depth: int) -> Iterator[str]:
        returns = [one.value for one in ast.walk(function) if isinstance(one, ast.Return)] if function else []
        for value in returns:
            yield from [GAP] if value is None else self.texts(value, module, depth)

    def _imported(self, name: str, module: Module) -> Module | None:
        if name not in module.imports:
            return None
        level, dotted, _ = module.imports[name]
        folder = module.path.parents[level - 1]
        path = folder.joinpath(*dotted.split(".")) if dotted else folder
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file() and file.is_relative_to(self._package):
                return self.at(file)
        return None


def _values(scope: ast.AST) -> dict[str, list[ast.expr]]:
    """Return what each name is given in a module or a function, not in those within it."""
    found: dict[str, list[ast.expr]] = {}
    for node in _own(scope):
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    for name, part in _pairs(target, value):
                        found.setdefault(name, []).append(part)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                found.setdefault(name, []).append(value)
            case ast.NamedExpr(target=ast.Name(id=name), value=value):
                found.setdefault(name, []).append(value)
    return found


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        for one, part in zip(target.elts, value.elts, strict=True):
            yield from _pairs(one, part)


def _own(scope: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(scope):
        yield node
        if not isinstance(node, (*Function.__args__, ast.ClassDef, ast.Lambda)):
            yield from _own(node)


def _count(each: list[list[str]]) -> int:
    count = 1
    for texts in each:
        count *= len(texts)
    return count


def _filled(template: str) -> str:
    """Return a template of `format` with a mark for each of its fields."""
    return "".join(text + (GAP if field is not None else "") for text, field, _, _ in Formatter().parse(template))
