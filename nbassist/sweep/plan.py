"""The plan of a sweep: every run that it will make, before any is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any

from ..context.alternatives import choose, find_alternatives
from ..context.template import fill
from ..errors import UsageError
from .inputs import Input, inputs_of

OPTIONS = ("model", "profile", "system", "reasoning")
"""What can be varied besides the parameters of the model."""


@dataclass(frozen=True, slots=True)
class Task:
    """One run of a sweep.

    Parameters
    ----------
    number : int
        Its place in the plan, from 0.
    variant : mapping of str to object
        What it has of what is varied, by name, in the order in which it was given.
    input : Input
        What it goes over.
    repeat : int
        From 0.
    prompt : str
        As it is sent.
    parameters : mapping of str to object
        Those of what is varied that are parameters of the model.
    """

    number: int
    variant: Mapping[str, Any]
    input: Input
    repeat: int
    prompt: str
    parameters: Mapping[str, Any]

    def option(self, name: str) -> str:
        """Return `model`, `profile`, `system` or `reasoning` where it is varied; empty otherwise."""
        return str(self.variant.get(name, ""))


@dataclass(frozen=True)
class Plan:
    """All runs of a sweep, in the order in which they begin: input by input, variant by variant, repeat by repeat.

    Parameters
    ----------
    template : str
        The prompt as it was written.
    vary : mapping of str to tuple
        What is varied, alternatives of the text included, with its values.
    inputs : tuple of Input
        What it goes over; one without a name where it goes over nothing.
    repeat : int
        How often each is asked.
    tasks : tuple of Task
        The runs.
    over : bool
        Whether it goes over inputs at all.
    """

    template: str
    vary: Mapping[str, tuple[Any, ...]]
    inputs: tuple[Input, ...]
    repeat: int
    tasks: tuple[Task, ...] = field(repr=False)
    over: bool = False

    def __len__(self) -> int:
        return len(self.tasks)

    @cached_property
    def variants(self) -> tuple[Mapping[str, Any], ...]:
        """The variants, in order: the columns of the grid."""
        return tuple(dict(zip(self.vary, values, strict=True)) for values in product(*self.vary.values()))

    @property
    def formula(self) -> str:
        """How many runs there are and why, such as `2×2×3×20 = 240 calls`."""
        sizes = [len(values) for values in self.vary.values()]
        sizes += [self.repeat] if self.repeat > 1 else []
        sizes += [len(self.inputs)] if self.over else []
        total = f"{len(self):,} {'call' if len(self) == 1 else 'calls'}"
        return f"{'×'.join(map(str, sizes))} = {total}" if len(sizes) > 1 else total


def make_plan(
    template: str,
    *,
    vary: Mapping[str, Sequence[Any]] | None = None,
    over: Any = None,
    repeat: int = 1,
    namespace: Mapping[str, Any] | None = None,
) -> Plan:
    """Return the plan of a sweep.

    Parameters
    ----------
    template : str
        The prompt; `{{ row.column }}` or `{{ item }}` stand for the input, `{{ alt: "a" | "b" }}` for texts that are
        tried in turn, and any other `{{ expression }}` is filled in from `namespace`.
    vary : mapping of str to sequence, optional
        Values of `model`, `profile`, `system`, `reasoning`, and of parameters of the model by their names on the wire.
    over : table or collection, optional
        The inputs.
    repeat : int
        How often each is asked.
    namespace : mapping of str to object, optional
        The notebook's.

    Raises
    ------
    UsageError
        Where something has no values, or the prompt can't be filled in for an input.
    """
    if repeat < 1:
        raise UsageError(f"a sweep asks at least once, not {repeat} times")
    values = {name: _distinct(options) for name, options in (vary or {}).items()}
    for name, options in values.items():
        if not options:
            raise UsageError(f"nothing is given to vary {name} by")
    alternatives = find_alternatives(template)
    if both := set(alternatives) & set(values):
        raise UsageError(f"{both.pop()!r} is varied twice: in the text and beside it")
    values |= alternatives
    inputs = inputs_of(over)
    base = dict(namespace or {})
    combinations = [dict(zip(values, chosen, strict=True)) for chosen in product(*values.values())]
    tasks: list[Task] = []
    for one in inputs:
        names = {**base, **one.names}
        prompts: dict[str, str] = {}
        for variant in combinations:
            text = choose(template, {name: variant[name] for name in alternatives})
            if text not in prompts:
                prompts[text] = fill(text, names)
            for number in range(repeat):
                tasks.append(Task(len(tasks), variant, one, number, prompts[text], _parameters(variant, alternatives)))
    return Plan(template, values, inputs, repeat, tuple(tasks), over is not None)


def _parameters(variant: Mapping[str, Any], alternatives: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in variant.items() if name not in OPTIONS and name not in alternatives}


def _distinct(options: Sequence[Any]) -> tuple[Any, ...]:
    found: list[Any] = []
    for option in options:
        if not any(option == other and type(option) is type(other) for other in found):
            found.append(option)
    return tuple(found)
