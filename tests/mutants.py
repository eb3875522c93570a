"""Changes the code of the core rooms, one place at a time, and lists the changes that no test noticed.

`python tests/mutants.py` tries a sample of all that can be changed; `--all` every one; `--quick` a dozen. Each runs
on a copy of the package, with the tests that belong to it, and is noticed where one of them fails. What is listed at
the end is a missing test, or code that could as well be left out.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS: dict[str, tuple[str, ...]] = {
    "core/conversation.py": ("core", "run", "test_assistant.py"),
    "core/event_order.py": ("core", "test_assistant.py"),
    "core/redaction.py": ("core",),
    "core/text.py": ("core", "display"),
    "run/flow.py": ("run", "test_assistant.py"),
    "run/driver.py": ("run", "test_assistant.py"),
    "run/endings.py": ("run", "test_assistant.py"),
    "run/context_window.py": ("run",),
    "backends/chat/calls.py": ("backends",),
    "backends/chat/decoder.py": ("backends",),
    "display/markdown/sanitiser.py": ("display",),
    "display/markdown/blocks.py": ("display",),
    "display/transcript.py": ("display",),
    "sweep/runner.py": ("sweep",),
    "sweep/evaluation/judge.py": ("sweep",),
    "sweep/evaluation/summary_statistics.py": ("sweep",),
    "server/store/leases.py": ("server/test_leases.py", "server/test_sharing.py"),
    "threads/placement.py": ("threads",),
    "tools/schema/validate.py": ("tools",),
}
"""The files that are changed, and the tests that belong to each."""
COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}


def changes(node: ast.AST) -> Iterator[Callable[[], None]]:
    """Yield each change that can be made at one node of a tree."""
    if isinstance(node, ast.Compare):
        for at, operator in enumerate(node.ops):
            yield lambda at=at, operator=operator: node.ops.__setitem__(at, COMPARED[type(operator)]())
    elif isinstance(node, ast.BoolOp):
        yield lambda: setattr(node, "op", ast.Or() if isinstance(node.op, ast.And) else ast.And())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield lambda: setattr(node, "operand", ast.UnaryOp(ast.Not(), node.operand))
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield lambda: setattr(node, "value", not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield lambda: setattr(node, "value", node.value + 1)
    elif isinstance(node, ast.Return) and node.value is not None:
        yield lambda: setattr(node, "value", ast.Constant(None))
    elif isinstance(node, ast.If):
        yield lambda: setattr(node, "test", ast.Constant(False))


def mutants(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield (line, the line as it was, the changed source) for each change of a file that a test could notice."""
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines()
    count = sum(1 for node in ast.walk(ast.parse(source)) for _ in changes(node))
    for number in range(count):
        tree = ast.parse(source)
        [(node, change)] = [
            found
            for position, found in enumerate((node, one) for node in ast.walk(tree) for one in changes(node))
            if position == number
        ]
        change()
        line = getattr(node, "lineno", 1)
        # Neither texts nor decorators: whether a class is frozen is for the type checker to say.
        if '"""' not in lines[line - 1] and not lines[line - 1].lstrip().startswith("@dataclass"):
            yield line, lines[line - 1].strip(), ast.unparse(ast.fix_missing_locations(tree))


def failure(name: str, changed: str, seconds: float) -> str:
    """Return what the tests say that fail, or hang, on a copy of the package with the changed file; empty else."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "nbassist", Path(folder) / "nbassist", ignore=shutil.ignore_patterns("__pycache__"))
        (Path(folder) / "nbassist" / name).write_text(changed, encoding="utf-8")
        tests = [str(ROOT / "tests" / one) for one in ROOMS[name]]
        apart = "not (kernel or browser or model or notebooks or referee or postgres)"
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", apart, *tests]
        environ = {**os.environ, "PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            done = subprocess.run(
                command, cwd=folder, env=environ, capture_output=True, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired:
            return f"no end in {seconds:g} s"
        return f"{done.stdout}{done.stderr}" if done.returncode else ""


def main() -> int:
    """Try a sample, and return 1 where one was not noticed."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="a dozen")
    options.add_argument("--all", action="store_true", help="every one")
    options.add_argument("--seed", type=int, default=1, help="which sample")
    options.add_argument("--only", default="", metavar="PART", help="files whose name holds this")
    said = options.parse_args()
    rooms = [name for name in ROOMS if said.only in name]
    found = [(name, *one) for name in rooms for one in mutants(ROOT / "nbassist" / name)]
    count = len(found) if said.all else min(12 if said.quick else 84, len(found))
    sample = sorted(random.Random(said.seed).sample(found, count))
    for name in {name for name, *_ in sample}:
        if said_now := failure(name, (ROOT / "nbassist" / name).read_text(encoding="utf-8"), 600):
            sys.exit(f"{said_now}\nthe tests of {name} fail before anything is changed")
    missed = 0
    with ThreadPoolExecutor(2) as pool:
        verdicts = pool.map(lambda one: failure(one[0], one[3], 600), sample)
        for (name, line, text, _), seen in zip(sample, verdicts, strict=True):
            if not seen:
                missed += 1
                print(f"nbassist/{name}:{line}: no test noticed a change of `{text}`", flush=True)
    print(f"{count} of {len(found)} changes tried: {count - missed} noticed, {missed} not")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
