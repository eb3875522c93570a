"""The play: one thread that goes through all providers and back to each, and each met for the first time.

Run it as a program for the table: `make providers`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from cast import PARTS
from stage import Part, Stage

from nbassist import Assistant, Threads
from nbassist.config.quirk_names import Access
from nbassist.config.settings import Settings
from nbassist.errors import NbassistError

RULES = (
    *("arguments", "answered", "no empty message", "ids", "own state back", "nothing foreign", "order"),
    *("tools named", "fields"),
)


def weather(city: str) -> str:
    """Tell the weather of one city."""
    return f"sunny in {city}"


def assistant_at(stage: Stage, threads: Threads, *, known: bool) -> Assistant:
    """Return an assistant at a stage, which knows its row of the table or nothing."""
    part = stage.part
    access = Access(entries={"provider": part.row} if known and part.row else {})
    settings = Settings(part.backend, stage.url, "k", part.model, access=access)
    return Assistant(settings=settings, threads=threads, tools=[weather])


def visit(stage: Stage, threads: Threads, *, known: bool = True) -> list[str]:
    """Play two cells of two rounds with parallel calls, one without tools, one stopped behind its calls and one without
    an answer, then one more; return what was not as it should be."""
    made = assistant_at(stage, threads, known=known)
    one_turn = Assistant(settings=made.settings, threads=threads, tools=[weather], max_turns=1)
    silent = "incomplete" if stage.part.backend == "chat" else "completed"
    return [
        *_cell(made, "What is the weather?", "completed", calls=2),
        *_cell(made, "And now?", "completed", calls=2),
        *_cell(made, "And without tools?", "completed", tools=[]),
        *_cell(one_turn, "Stop at the calls.", "stopped", calls=2),
        *_cell(made, "Now say nothing at all.", silent, tools=[]),
        *once_more(stage, threads, known=known),
    ]


def once_more(stage: Stage, threads: Threads, *, known: bool = True) -> list[str]:
    """Play one cell of two rounds."""
    return _cell(assistant_at(stage, threads, known=known), "And the weather again?", "completed", calls=2)


def _cell(made: Assistant, prompt: str, finish: str, *, calls: int = 0, **options: Any) -> list[str]:
    try:
        reply = made.ask(prompt, **options)
    except NbassistError as error:
        return [f"{prompt} {type(error).__name__}: {error}"]
    if reply.finish == finish and len(reply.tool_calls) == calls:
        return []
    return [f"{prompt} {reply.finish}, {len(reply.tool_calls)} calls, {reply.text!r} {reply.detail}"]


@contextmanager
def stages() -> Iterator[list[Stage]]:
    """Open a stage for each part."""
    made = [Stage(part) for part in PARTS]
    try:
        yield made
    finally:
        for stage in made:
            stage.close()


def tour() -> tuple[list[Stage], list[str]]:
    """Take one thread through all providers, whose rows are known, and once more to each; return what was wrong."""
    threads, wrong = Threads(), []
    with stages() as made:
        for go in (visit, once_more):
            for stage in made:
                wrong += [f"{stage.part.name}: {one}" for one in go(stage, threads)]
    return made, wrong


def meet(part: Part) -> tuple[Stage, list[str]]:
    """Bring a thread that began elsewhere to a provider of which nothing is known; return what was wrong."""
    threads = Threads()
    before, stage = Stage(PARTS[0] if part is PARTS[-2] else PARTS[-2]), Stage(part)
    try:
        once_more(before, threads)
        return stage, visit(stage, threads, known=False)
    finally:
        before.close()
        stage.close()


def table(played: list[Stage], met: dict[str, Stage]) -> str:
    """Return the table as markdown: which rule each provider looked at, and whether it was kept each time."""
    lines = [f"| provider | {' | '.join(RULES)} | nothing known of it |", "|---" * (len(RULES) + 2) + "|"]
    for stage in played:
        cells = []
        for rule in RULES:
            held, broken = stage.held[rule], stage.broken[rule]
            cells.append(f"broken {broken} times" if broken else "held" if held else "–")
        kinds = len({rule for rule, count in met[stage.part.name].broken.items() if count})
        cells.append("held" if not kinds else f"held, after {kinds} refusal{'s' if kinds > 1 else ''} of a kind")
        lines.append(f"| {' | '.join([stage.part.name, *cells])} |")
    return "\n".join(lines)


def really() -> list[str]:
    """Play real llama.cpp, too, where its model is there: print its row, and return what was wrong."""
    from real import NAME, real_stage, row, there_and_back

    from nbassist.server.engine.model import locate

    try:
        locate()
    except NbassistError as error:
        print(f"{NAME}: not played: {error}", file=sys.stderr)
        return []
    with real_stage() as stage:
        wrong = [*there_and_back(stage)[1], *stage.faults]
        print(row(stage))
    return [f"{NAME}: {one}" for one in wrong]


if __name__ == "__main__":
    everywhere, faults = tour()
    cold = {part.name: meet(part) for part in PARTS}
    print(table(everywhere, {name: stage for name, (stage, _) in cold.items()}))
    faults += [f"{name}, met cold: {one}" for name, (_, wrong) in cold.items() for one in wrong]
    faults += [f"{stage.part.name}: {one}" for stage in everywhere for one in stage.faults]
    faults += really()
    print("\n".join(faults))
    sys.exit(1 if faults else 0)
