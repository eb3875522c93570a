"""The house's rules: which room may import which, what is imported when, and that importing does nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "nbassist"
# Each room, and what it may import of ours: arrows point down only.
GROUND = {"errors", "events", "messages", "loading"}
ALLOWED = {
    "errors": set(),
    "loading": set(),
    "events": {"errors"},
    "messages": {"errors", "events"},
    "order": {"errors", "events"},
    "profiles": {"errors", "paths"},
    "settings": {"errors", "profiles"},
    "draft": GROUND,
    "conversation": GROUND | {"draft"},
    "tools": GROUND,
    "backends": GROUND,
    "display": GROUND,
    "paths": set(),
    "prices": {"errors", "events", "paths"},
    "redact": {"errors", "events"},
    "threads": GROUND | {"conversation", "reply"},
    "window": GROUND,
    "journal": GROUND | {"paths"},
    "run": GROUND | {"conversation", "window"},
    "context": GROUND | {"conversation", "tools"},
    "export": GROUND | {"conversation", "display"},
    "asking": GROUND | {"conversation", "context", "tools"},
    "reply": GROUND | {"display"},
    "leaving": GROUND | {"conversation", "run", "backends"},
    "unknownmodel": GROUND | {"backends"},
    "busy": GROUND | {"conversation"},
    "ending": GROUND | {"conversation", "run", "backends", "leaving", "unknownmodel"},
    "driver": GROUND
    | {"redact", "conversation", "run", "order", "reply", "tools", "backends", "leaving", "busy", "ending"},
    "local": GROUND | {"backends"},
    "launch": GROUND
    | {"asking", "conversation", "driver", "journal", "prices", "redact", "run", "settings", "threads", "window"}
    | {"tools", "backends"},
    "assistant": GROUND
    | {"launch", "asking", "conversation", "threads", "journal", "prices", "run"}
    | {"reply", "settings", "tools", "backends", "local"},
    "sweep": GROUND
    | {"asking", "assistant", "context", "conversation", "display", "journal", "prices", "reply", "tools"}
    | {"backends", "paths", "threads", "window"},
    "magics": GROUND
    | {"paths", "prices", "profiles", "redact", "settings", "conversation", "context", "export", "journal", "threads"}
    | {"run", "reply", "sweep", "doctor"}
    | {"tools", "backends", "display", "assistant", "local"},
    "testing": GROUND | {"tools"},
    "doctor": GROUND | {"paths", "profiles", "settings", "backends", "journal", "local"},
    "demo": GROUND | {"settings", "assistant", "display", "local"},
    "__main__": GROUND | {"journal", "local", "settings", "doctor", "demo", "__init__"},
    "__init__": {"assistant", "conversation", "journal", "magics", "sweep", "threads", "tools"},
}
HEAVY = ("openai", "anywidget", "ipywidgets", "pydantic", "sqlalchemy", "starlette", "markdown_it", "nh3", "pygments")
FOREIGN = {
    "IPython": {"magics", "display", "tools"},
    "ipywidgets": {"display"},
    "openai": {"backends", "local"},
    "starlette": {"local"},
    "xllamacpp": {"local"},
    "mcp": {"tools"},
}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> list[tuple[int, str]]:
    """Return (line, dotted name) of each import in `path`; ours begin with `nbassist`."""
    package = ["nbassist", *path.relative_to(PACKAGE).parts[:-1]]
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found += [(node.lineno, f"{module}.{alias.name}") for alias in node.names]
    return found


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_arrows_point_down_only(path: Path) -> None:
    here = room(path)
    for line, name in imports(path):
        parts = name.split(".")
        if parts[0] == "nbassist":
            is_room = (PACKAGE / f"{parts[1]}.py").exists() or (PACKAGE / parts[1]).is_dir()
            there = parts[1] if is_room else "__init__"
            assert there == here or there in ALLOWED[here] | {"__init__"}, f"line {line}: {here} imports {there}"
        elif parts[0] in FOREIGN:
            assert here in FOREIGN[parts[0]], f"line {line}: {here} imports {parts[0]}"


def test_one_module_of_tools_alone_knows_ipython() -> None:
    knowing = [p.name for p in (PACKAGE / "tools").glob("*.py") if any(n.startswith("IPython") for _, n in imports(p))]
    assert knowing == ["capture.py"]


def test_only_the_launcher_of_local_is_imported_in_the_kernel() -> None:
    for path in FILES:
        if room(path) in ("assistant", "magics"):
            for line, name in imports(path):
                if name.startswith("nbassist.local"):
                    assert name.startswith("nbassist.local.launcher"), f"{path.name}:{line}"


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_loading_the_extension_imports_nothing_heavy() -> None:
    loaded = python(
        "import sys; from IPython.testing.globalipapp import start_ipython; shell = start_ipython();"
        "before = set(sys.modules);"
        "shell.extension_manager.load_extension('nbassist');"
        f"print(sorted(m for m in set(sys.modules) - before if m.split('.')[0] in {HEAVY!r}))"
    )
    assert loaded.splitlines()[-1] == "[]"


def test_importing_the_package_imports_nothing_but_itself() -> None:
    assert python("import sys, nbassist; print([m for m in sys.modules if m.startswith('nbassist')])") == "['nbassist']"


@pytest.mark.parametrize("name", ["assistant", "tools", "display", "magics", "settings", "backends", "local.launcher"])
def test_importing_prints_nothing_and_opens_no_socket(name: str) -> None:
    said = python(
        "import socket, os\n"
        "def refuse(*a, **k): raise SystemExit('a socket at import')\n"
        f"socket.socket.connect = refuse; socket.socket.bind = refuse\nimport nbassist.{name}"
    )
    assert said == ""


def test_no_modules_import_each_other_in_a_circle_not_even_for_their_types() -> None:
    names = {".".join(["nbassist", *path.relative_to(PACKAGE).with_suffix("").parts]): path for path in FILES}
    names = {name: path for name, path in names.items() if path.name != "__init__.py"}
    graph: dict[str, set[str]] = {}
    for name, path in names.items():
        found = {imported for _, imported in imports(path)}
        above = {one.rpartition(".")[0] for one in found}  # a name in a module
        graph[name] = (names.keys() & (found | above)) - {name}
    list(TopologicalSorter(graph).static_order())  # raises CycleError, which names them
