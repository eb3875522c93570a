"""Checks: tests that each reply is held against, which say true or false, or a number."""

from __future__ import annotations

import asyncio
import builtins
import dis
import inspect
import math
import re
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Number
from types import CodeType
from typing import Any

from ...context.namespace import evaluate, is_expression, nearest
from ...errors import UsageError
from ..run_list import SweepRun

NAMES = ("text", "reply", "value", "row", "run")
"""What a check can ask for by name."""
_NAMED = re.compile(r"\s*(?!lambda\b)(\w[\w -]*?)\s*:\s+(.+)", re.DOTALL)
_AT_ONCE = 32  # coroutines


@dataclass(frozen=True)
class Check:
    """A test, with what it is called, ready to be held against a run."""

    name: str
    ask: Callable[[SweepRun], Any]
    source: str = ""  # of an expression that can be kept


def make_check(test: Callable[..., Any] | str, name: str = "", namespace: Mapping[str, Any] | None = None) -> Check:
    """Return a check, its names looked up already.

    Parameters
    ----------
    test : callable or str
        A function, or coroutine function, of the text, or of any of `text`, `reply`, `value`, `row` and `run` by these
        names; or an expression over them, which may be the name of such a function, and may begin with what it is to be
        called: `short: len(text) < 80`.
    name : str
        What the check is called; the function's name, or the expression, by default.
    namespace : mapping, optional
        The notebook's names, for an expression.

    Raises
    ------
    UsageError
        Where an expression is none, or a name in it is not there.
    """
    names = namespace or {}
    if not isinstance(test, str):
        if not callable(test):
            raise UsageError(f"a check is a function or an expression, not a {type(test).__name__}")
        return Check(name or getattr(test, "__name__", "check").strip("<>"), _function(test))
    if not is_expression(test.strip()) and (said := _NAMED.fullmatch(test)):
        name, test = name or said[1], said[2]
    test = test.strip()
    if not is_expression(test):
        raise UsageError(f"the check {test} is no expression of Python")
    for missing in _globals_of(compile(test, "<check>", "eval")):
        if missing not in names and missing not in NAMES and not hasattr(builtins, missing):
            hint = nearest(missing, {**names, **dict.fromkeys(NAMES)})
            raise UsageError(f"the check {test}: {missing!r} is not defined in this notebook{hint}")
    if test.isidentifier() and test not in NAMES and callable(names.get(test)):
        return Check(name or test, _function(names[test]))
    return Check(name or test, lambda run: evaluate(test, {**names, **_offered(run)}, test), test)


def _globals_of(code: CodeType) -> Iterator[str]:
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_NAME", "LOAD_GLOBAL"):
            yield str(instruction.argval)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _globals_of(inner)


def hold(runs: Iterable[SweepRun], check: Check) -> None:
    """Hold a check against each run that was made, and keep what it says; of no usable answer nothing is true.

    A run on which the test raises has not passed. Where it gives numbers, what is not usable has the worst of them, or
    0 where that is worse.

    Raises
    ------
    UsageError
        Where it raises on each reply, or says something that is neither true nor false nor a number: a mistake in the
        test. Nothing is kept then.
    """
    made = [run for run in runs if run.done]
    whole = [run for run in made if run.ok]
    said = _all_said(check, whole)
    problems = [one for one in said if isinstance(one, Exception)]
    if whole and len(problems) == len(whole):
        first = problems[0]
        words = str(first) if isinstance(first, UsageError) else f"{type(first).__name__}: {first}"
        raise UsageError(f"the check {check.name} failed on every run: {words}") from first
    found = [
        False if isinstance(one, Exception) else _read(one, check, run) for run, one in zip(whole, said, strict=True)
    ]
    worst: bool | float = False
    if any(not isinstance(one, bool) for one in found):
        worst = min(0.0, *map(float, found))
    for run in made:
        run.checks[check.name] = worst
    for run, value, one in zip(whole, found, said, strict=True):
        run.checks[check.name] = worst if isinstance(one, Exception) else value


def _all_said(check: Check, runs: list[SweepRun]) -> list[Any]:
    said = [_ask(check, run) for run in runs]
    if any(inspect.isawaitable(one) for one in said):
        # On a thread of its own: a notebook's cell runs inside a loop already, which would wait for itself.
        answers: list[list[Any]] = []
        thread = threading.Thread(target=lambda: answers.append(asyncio.run(_awaited(said))), name="nbassist-checks")
        thread.start()
        thread.join()
        return answers[0]
    return said


def _ask(check: Check, run: SweepRun) -> Any:
    try:
        return check.ask(run)
    except Exception as error:  # noqa: BLE001 - the person's own test may raise anything
        return error


async def _awaited(said: list[Any]) -> list[Any]:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(value: Awaitable[Any]) -> Any:
        async with gate:
            try:
                return await value
            except Exception as error:  # noqa: BLE001 - the person's own test may raise anything
                return error

    async def plain(value: Any) -> Any:
        return value

    return await asyncio.gather(*(one(v) if inspect.isawaitable(v) else plain(v) for v in said))


def _read(said: Any, check: Check, run: SweepRun) -> bool | float:
    """Return what a test said as a truth value or a number.

    A match of a pattern, or None for none, is a usual way to say it; a text is not: "no" would be true.
    """
    shape = getattr(said, "shape", None)
    value = said.item() if shape == () and hasattr(said, "item") else said  # a scalar of numpy
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, str | bytes):
        words = f"text ({str(value)[:40]!r})"
    elif isinstance(value, Number):
        number = _number(value)
        if number is not None and math.isfinite(number):
            return number
        words = str(value)
    else:
        try:
            return bool(value)
        except Exception:  # noqa: BLE001 - the object's own code
            words = f"a {type(value).__name__}"
    raise UsageError(
        f"the check {check.name} gave {words} on run {run.task.number}: a check says True or False, or a finite number"
    )


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _offered(run: SweepRun) -> dict[str, Any]:
    assert run.reply is not None
    names = run.task.input.names
    return {"text": run.text, "reply": run.reply, "value": run.reply.value, "row": names.get("row"), "run": run}


def _function(test: Callable[..., Any]) -> Callable[[SweepRun], Any]:
    try:
        wanted = [p.name for p in inspect.signature(test).parameters.values() if p.default is p.empty]
    except (TypeError, ValueError):  # a builtin that does not tell
        wanted = []
    if wanted and all(name in NAMES for name in wanted):
        return lambda run: test(**{name: _offered(run)[name] for name in wanted})
    return lambda run: test(run.text)
