"""The plan of a sweep: the inputs it goes over, and every run that it will make, before any is made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any

from ..context.namespace import Names
from ..context.prompt import Prompt, hash_of
from ..context.template import choose, fill, find_alternatives, place_prompt
from ..errors import UsageError
from .rows import Input, inputs_of

__all__ = ["OPTIONS", "Input", "Plan", "Task", "inputs_of", "make_plan"]

OPTIONS = ("model", "profile", "system", "reasoning")
"""What can be varied besides the wording and the parameters of the model."""
_SAME = 1_000_000  # more repeats than any sweep has
_HELD = 32_000_000  # characters of prompts that are held; the rest are filled in again when they are asked


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
    occurrence : int
        How many inputs before this one gave the same prompt.
    template : str
        What the prompt was filled into: the wording.
    """

    number: int
    variant: Mapping[str, Any]
    input: Input
    repeat: int
    prompt: str
    parameters: Mapping[str, Any]
    occurrence: int = 0
    template: str = ""

    @property
    def wording(self) -> str:
        """The hash of the wording; empty where there is none."""
        return hash_of(self.template) if self.template else ""

    def option(self, name: str) -> str:
        """Return `model`, `profile`, `system` or `reasoning` where it is varied; empty otherwise."""
        return str(self.variant.get(name, ""))

    @property
    def same(self) -> int:
        """What tells it from the other runs with the same prompt: for the cache."""
        return self.repeat + _SAME * self.occurrence


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
    tasks : sequence of Task
        The runs; each is made when it is looked at.
    over : bool
        Whether it goes over inputs at all.
    alternatives : tuple of str
        The names in `vary` that are wordings.
    """

    template: str
    vary: Mapping[str, tuple[Any, ...]]
    inputs: tuple[Input, ...]
    repeat: int
    tasks: Sequence[Task] = field(repr=False)
    over: bool = False
    alternatives: tuple[str, ...] = ()

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


class _Prompts:
    """The prompt of each input in each wording, all filled in once to see that they can be."""

    def __init__(self, inputs: tuple[Input, ...], wordings: list[str], namespace: Mapping[str, Any]) -> None:
        self._inputs = inputs
        self._wordings = wordings
        self._names = Names(namespace)
        self._held: list[str] = []
        self.occurrences: dict[tuple[int, int], int] = {}
        seen: Counter[tuple[int, int]] = Counter()
        room = _HELD
        for row, one in enumerate(inputs):
            self._names.update(one.names)
            for place, wording in enumerate(wordings):
                prompt = fill(wording, self._names)
                key = (place, hash(prompt))
                # Two rows that say the same are two samples: the cache is to hold a reply for each.
                if before := seen[key]:
                    self.occurrences[row, place] = before
                seen[key] += 1
                # All are filled in here, so that a mistake in row 900 is found before the first request is paid for.
                if room > 0:
                    room -= len(prompt)
                    self._held.append(prompt)

    def prompt(self, row: int, place: int) -> str:
        number = row * len(self._wordings) + place
        if number < len(self._held):
            return self._held[number]
        return fill(self._wordings[place], Names({**self._names, **self._inputs[row].names}))


@dataclass(frozen=True, slots=True)
class _Variant:
    values: Mapping[str, Any]
    parameters: Mapping[str, Any]
    place: int  # of its wording
    template: str


class _Tasks(Sequence[Task]):
    """The runs of a plan, made one by one: a plan of two million holds none of them."""

    def __init__(
        self, inputs: tuple[Input, ...], variants: list[_Variant], prompts: _Prompts | _Literal, repeat: int
    ) -> None:
        self._inputs = inputs
        self._variants = variants
        self._prompts = prompts
        self._repeat = repeat

    def __len__(self) -> int:
        return len(self._inputs) * len(self._variants) * self._repeat

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self._task(number) for number in range(*index.indices(len(self)))]
        number = range(len(self))[index]
        return self._task(number)

    def __iter__(self) -> Iterator[Task]:
        return map(self._task, range(len(self)))

    def _task(self, number: int) -> Task:
        cell, repeat = divmod(number, self._repeat)
        row, column = divmod(cell, len(self._variants))
        variant = self._variants[column]
        return Task(
            number,
            variant.values,
            self._inputs[row],
            repeat,
            self._prompts.prompt(row, variant.place),
            variant.parameters,
            self._prompts.occurrences.get((row, variant.place), 0),
            variant.template,
        )


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
        The prompt; `{{ row.column }}` or `{{ item }}` stand for the input, `{{ alt: "a" | b | prompts }}` for texts,
        and variables that hold them, that are tried in turn, and any other `{{ expression }}` is filled in from
        `namespace`.
    vary : mapping of str to sequence, optional
        Values of `model`, `profile`, `system`, `reasoning`, and of parameters of the model by their names on the wire;
        `prompt` is a wording, which stands in the place of `{{ prompt }}`, or before the template.
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
    alternatives = find_alternatives(template, namespace)
    if both := set(alternatives) & set(values):
        raise UsageError(f"{both.pop()!r} is varied twice: in the text and beside it")
    values |= alternatives
    inputs = inputs_of(over)
    wordings: dict[str, int] = {}
    variants = []
    for chosen in product(*values.values()):
        variant = dict(zip(values, chosen, strict=True))
        text = choose(template, {name: variant[name] for name in alternatives})
        if "prompt" in variant:
            text = place_prompt(text, variant["prompt"])
        place = wordings.setdefault(text, len(wordings))
        variants.append(_Variant(variant, _parameters(variant, alternatives), place, text))
    prompts = _Prompts(inputs, list(wordings), namespace or {})
    tasks = _Tasks(inputs, variants, prompts, repeat)
    words = tuple(name for name in values if name in alternatives or name == "prompt")
    return Plan(template, values, inputs, repeat, tasks, over is not None, words)


class _Literal:
    """Prompts that stand as they are, one for each input."""

    occurrences: Mapping[tuple[int, int], int] = {}

    def __init__(self, prompts: list[str]) -> None:
        self._prompts = prompts

    def prompt(self, row: int, place: int) -> str:
        return self._prompts[row]


def plan_of(prompts: list[str]) -> Plan:
    """Return the plan that asks each of `prompts` once, as it stands: nothing in it is filled in, or cut."""
    inputs = tuple(Input(number, prompt) for number, prompt in enumerate(prompts))
    tasks = _Tasks(inputs, [_Variant({}, {}, 0, "")], _Literal(prompts), 1)
    return Plan("", {}, inputs, 1, tasks, True)


def _parameters(variant: Mapping[str, Any], alternatives: Mapping[str, Any]) -> dict[str, Any]:
    kept = (*OPTIONS, "prompt")
    return {name: value for name, value in variant.items() if name not in kept and name not in alternatives}


def _distinct(options: Sequence[Any]) -> tuple[Any, ...]:
    found: list[Any] = []
    for option in options:
        if not any(option == other and (type(option) is type(other) or _texts(option, other)) for other in found):
            found.append(option)
    return tuple(found)


def _texts(first: Any, second: Any) -> bool:
    return isinstance(first, str) and isinstance(second, str)


def named(value: Any) -> str:
    """Return how a value of what is varied is shown: a wording by its name."""
    return value.name if isinstance(value, Prompt) else str(value)
