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
GROUND = {"errors", "core"}
ALLOWED = {
    "errors": set(),
    "core": {"errors"},
    "config": GROUND,
    "tools": GROUND,
    "backends": GROUND | {"config"},
    "display": GROUND | {"config"},
    "reply": GROUND | {"display"},
    "documents": GROUND,
    "context": GROUND | {"documents", "tools"},
    "threads": GROUND,
    "journal": GROUND | {"config", "run"},
    "export": GROUND | {"display"},
    "run": GROUND | {"context", "tools"},
    "server": GROUND | {"backends", "config", "documents"},
    "testing": GROUND | {"tools"},
    "assistant": GROUND | {"backends", "config", "context", "journal", "reply", "run", "server", "threads", "tools"},
    "sweep": GROUND
    | {"assistant", "backends", "config", "context", "display", "journal", "reply", "run", "threads", "tools"},
    "doctor": GROUND | {"backends", "config", "journal", "server", "threads"},
    "cli": GROUND | {"assistant", "config", "display", "doctor", "journal", "server"},
    "magics": GROUND
    | {"assistant", "backends", "config", "context", "display", "doctor", "export", "journal", "reply", "run", "server"}
    | {"documents", "sweep", "threads", "tools"},
    "__main__": {"cli"},
    "pytest_plugin": {"sweep"},
    "__init__": {"assistant", "core", "errors", "journal", "magics", "reply", "sweep", "threads", "tools"},
}
HEAVY = ("openai", "anywidget", "ipywidgets", "pydantic", "sqlalchemy", "starlette", "markdown_it", "nh3", "pygments")
FOREIGN = {
    "IPython": {"magics", "display", "tools"},
    "ipywidgets": {"display"},
    "openai": {"backends", "server"},
    "sqlalchemy": {"cli", "server"},
    "starlette": {"server"},
    "xllamacpp": {"server"},
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


def test_only_the_launcher_of_the_server_is_imported_in_the_kernel() -> None:
    for path in FILES:
        if room(path) in ("assistant", "magics"):
            for line, name in imports(path):
                if name.startswith("nbassist.server"):
                    assert name.startswith("nbassist.server.launcher"), f"{path.name}:{line}"


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
    assert loaded.splitlines()[-1].endswith("[]")  # IPython 7 writes the window's title before it


def test_importing_the_package_imports_nothing_but_itself() -> None:
    assert python("import sys, nbassist; print([m for m in sys.modules if m.startswith('nbassist')])") == "['nbassist']"


@pytest.mark.parametrize(
    "name", ["assistant", "tools", "display", "magics", "config.settings", "backends", "server.launcher"]
)
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


def test_no_folder_has_more_than_fifteen_modules_and_no_module_more_than_four_hundred_lines() -> None:
    folders: dict[Path, int] = {}
    for path in FILES:
        if path.name != "__init__.py":
            folders[path.parent] = folders.get(path.parent, 0) + 1
    assert {str(folder): size for folder, size in folders.items() if size > 15} == {}
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {str(path): length for path, length in lines.items() if length > 400} == {}


def test_no_two_public_classes_have_one_name() -> None:
    # Both are in programs that people wrote: what a scripted prompt has to be, and a wording with its history.
    kept = {"Prompt": {"testing.py", "context/prompt.py"}}
    homes: dict[str, set[str]] = {}
    for path in FILES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, set()).add(str(path.relative_to(PACKAGE)))
    assert {name: found for name, found in homes.items() if len(found) > 1} == kept


def test_each_room_says_what_it_is_for_and_where_to_begin() -> None:
    for path in PACKAGE.rglob("__init__.py"):
        if path.parent != PACKAGE:
            said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            assert said, path
            assert "Begin with" in said or "begin with" in said, path


def test_what_mutants_change_is_there() -> None:
    rooms = next(
        node.value
        for node in ast.parse((PACKAGE.parent / "tests/mutants.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "ROOMS"
    )
    assert rooms is not None
    for name, tests in ast.literal_eval(rooms).items():
        assert (PACKAGE / name).is_file(), name
        for test in tests:
            assert (PACKAGE.parent / "tests" / test).exists(), test
