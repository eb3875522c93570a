"""The drawing of the house: which room imports which, read from the code and laid out in layers, as SVG.

The same code gives the same drawing, byte for byte.
"""

from __future__ import annotations

import ast
from html import escape
from pathlib import Path

GROUND = ("errors", "core")
"""Nearly all rooms import these, so they stand as one box without arrows."""
_HIDDEN = ("__init__", "__main__")
_WIDTH, _HEIGHT, _GAP_X, _GAP_Y = 118, 34, 22, 46


def room_of(path: Path, package: Path) -> str:
    """Return the room that a module belongs to."""
    return path.relative_to(package).parts[0].removesuffix(".py")


def imports(package: Path) -> dict[str, set[str]]:
    """Return, for each room, the rooms that it imports when it is loaded or used."""
    names = {room_of(path, package) for path in package.rglob("*.py")}
    found: dict[str, set[str]] = {name: set() for name in sorted(names)}
    for path in sorted(package.rglob("*.py")):
        here = room_of(path, package)
        parents = ["nbassist", *path.relative_to(package).parts[:-1]]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom) or not node.level:
                continue
            base = [*parents[: len(parents) - node.level + 1], *(node.module.split(".") if node.module else [])]
            for alias in node.names:
                there = [*base, alias.name][1]
                if there in names and there != here:
                    found[here].add(there)
    return found


def descriptions(package: Path) -> dict[str, str]:
    """Return the first line of each room's docstring, by the room's name."""
    found: dict[str, str] = {}
    for name in sorted(imports(package)):
        path = package / f"{name}.py"
        path = path if path.exists() else package / name / "__init__.py"
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) if path.exists() else None
        if text and name not in ("__init__", "__main__"):
            found[name] = text.splitlines()[0]
    return found


def layers(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the rooms from the top down: each stands above all that it imports."""
    depth: dict[str, int] = {}

    def of(name: str, above: tuple[str, ...]) -> int:
        if name not in depth:
            below = [of(one, (*above, name)) for one in sorted(graph[name]) if one not in above and one in graph]
            depth[name] = 1 + max(below, default=-1)
        return depth[name]

    for name in sorted(graph):
        of(name, ())
    rows: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
    for name in sorted(graph):
        rows[max(depth.values()) - depth[name]].append(name)
    return rows


def reduced(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """Leave out each arrow to a room that is reached by way of another as well."""

    def reach(name: str, seen: frozenset[str] = frozenset()) -> set[str]:
        found: set[str] = set()
        for one in graph[name] - seen:
            found |= {one} | reach(one, seen | {name, one})
        return found

    kept = {}
    for name, direct in graph.items():
        kept[name] = {one for one in direct if not any(one in reach(other) for other in direct if other != one)}
    return kept


def svg(package: Path) -> str:
    """Return the drawing."""
    graph = {name: below for name, below in imports(package).items() if name not in (*GROUND, *_HIDDEN)}
    graph = {name: {one for one in below if one in graph} for name, below in graph.items()}
    rows = layers(graph)
    across = max(len(row) for row in rows)
    width = across * (_WIDTH + _GAP_X) + _GAP_X
    place: dict[str, tuple[float, float]] = {}
    for y, row in enumerate(rows):
        left = (width - len(row) * (_WIDTH + _GAP_X) + _GAP_X) / 2
        for x, name in enumerate(row):
            place[name] = left + x * (_WIDTH + _GAP_X), 16 + y * (_HEIGHT + _GAP_Y)
    bottom = 16 + len(rows) * (_HEIGHT + _GAP_Y)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {bottom + _HEIGHT + 16}" role="img"'
        ' aria-label="The rooms of the package; an arrow goes from a room to one that it imports" font-size="13"'
        ' font-family="inherit" fill="none" stroke="currentColor">',
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="currentColor" stroke="none"/></marker></defs>',
    ]
    for name, below in sorted(reduced(graph).items()):
        for one in sorted(below):
            parts.append(_arrow(place[name], place[one]))
    parts += [_box(*place[name], _WIDTH, name) for name in sorted(place)]
    parts.append(_box(_GAP_X, bottom, width - 2 * _GAP_X, "the ground: " + ", ".join(GROUND)))
    return '<div class="architecture">' + "".join(parts) + "</svg></div>"


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    x1, y1 = start[0] + _WIDTH / 2, start[1] + _HEIGHT
    x2, y2 = end[0] + _WIDTH / 2, end[1]
    bend = (y2 - y1) / 2
    curve = f"M{x1:g} {y1:g}C{x1:g} {y1 + bend:g} {x2:g} {y2 - bend:g} {x2:g} {y2 - 2:g}"
    return f'<path d="{curve}" stroke-opacity=".45" marker-end="url(#head)"/>'


def _box(x: float, y: float, width: float, text: str) -> str:
    return (
        f'<g><rect x="{x:g}" y="{y:g}" width="{width:g}" height="{_HEIGHT}" rx="6"'
        ' style="fill:var(--md-default-bg-color,#fff)"/>'
        f'<text x="{x + width / 2:g}" y="{y + _HEIGHT / 2 + 4:g}" text-anchor="middle" fill="currentColor"'
        f' stroke="none">{escape(text)}</text></g>'
    )
