"""What changed between two runs, word by word: prompts, what was set, and replies."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..core.html_allowlist import inert, seal
from ..core.text import clean
from .entry import Entry
from .word_diff import Piece, apart, diff_words


@dataclass(frozen=True, repr=False)
class Difference:
    """What changed between two runs.

    Parameters
    ----------
    heading : str
        Which runs.
    parts : tuple
        Pairs of what is compared and its pieces; what did not change at all is not in it.
    """

    heading: str
    parts: tuple[tuple[str, tuple[Piece, ...]], ...]

    def __repr__(self) -> str:
        return clean(self._plain())

    def _plain(self) -> str:
        marks = {"same": "{}", "gone": "[-{}-]", "new": "{{+{}+}}"}
        blocks = [
            f"{name}:\n" + "".join(marks[kind].format(text) for kind, text in pieces) for name, pieces in self.parts
        ]
        return "\n\n".join([self.heading, *blocks] if blocks else [self.heading, "nothing differs"])

    def _repr_html_(self) -> str:
        styles = {
            "gone": "background:rgba(220,60,60,.22);text-decoration:line-through",
            "new": "background:rgba(40,160,80,.25);text-decoration:none",
        }
        tags = {"gone": "del", "new": "ins"}
        text = "white-space:pre-wrap;margin:0 0 12px 0"

        def one(kind: str, text: str) -> str:
            if kind == "same":
                return inert(text)
            return f'<{tags[kind]} style="{styles[kind]}">{inert(text)}</{tags[kind]}>'

        blocks = "".join(
            f'<p style="margin:12px 0 2px 0"><strong>{inert(name)}</strong></p>'
            f'<div style="{text}">{"".join(one(*piece) for piece in apart(pieces))}</div>'
            for name, pieces in self.parts
        )
        return seal(f"<div><p>{inert(self.heading)}</p>{blocks or '<p>nothing differs</p>'}</div>")


def compare(before: Entry, after: Entry) -> Difference:
    """Return what changed from one run to another: prompt, settings, tools and reply."""
    parts = tuple(
        (name, tuple(diff_words(first, second)))
        for (name, first), (_, second) in zip(_texts(before), _texts(after), strict=True)
        if first != second
    )
    return Difference(f"run {before.number} → run {after.number}", parts)


@dataclass(frozen=True, repr=False)
class Versions:
    """The versions of one cell's prompt, oldest first: the first as it was, then what changed.

    Parameters
    ----------
    first : Entry, optional
        The run of the first version; None where there is none.
    changes : tuple of Difference
        From each version to the next.
    """

    first: Entry | None
    changes: tuple[Difference, ...]

    def __len__(self) -> int:
        return len(self.changes) + (self.first is not None)

    def __repr__(self) -> str:
        if self.first is None:
            return "no runs"
        return clean("\n\n".join([f"{self._heading}\n\n{self.first.prompt}", *map(repr, self.changes)]))

    def _repr_html_(self) -> str:
        if self.first is None:
            return "<p>no runs</p>"
        prompt = f'<div style="white-space:pre-wrap">{inert(self.first.prompt)}</div>'
        changes = "".join(change._repr_html_() for change in self.changes)
        return seal(f"<div><p>{inert(self._heading)}</p>{prompt}{changes}</div>")

    @property
    def _heading(self) -> str:
        assert self.first is not None
        return f"version 1, run {self.first.number}"


def versions(entries: Iterable[Entry]) -> Versions:
    """Return the versions that the runs of one cell, oldest first, show: a new one where prompt or settings changed."""
    first: Entry | None = None
    last: Entry | None = None
    changes: list[Difference] = []
    for entry in entries:
        if last is None:
            first = last = entry
            continue
        # A reply differs each time; a version is what the person changed.
        parts = tuple(part for part in compare(last, entry).parts if part[0] != "reply")
        if parts:
            number = len(changes) + 2
            changes.append(Difference(f"version {number}, run {last.number} → run {entry.number}", parts))
            last = entry
    return Versions(first, tuple(changes))


def _texts(entry: Entry) -> Iterator[tuple[str, str]]:
    yield "prompt", entry.prompt
    yield "model", entry.model
    yield "system prompt", entry.instructions
    yield "parameters", json.dumps(dict(entry.parameters), sort_keys=True, default=str)
    yield "tools", ", ".join(str(tool.get("name", "")) for tool in entry.tools)
    yield "shown along", ", ".join(entry.shown)
    yield "reply", entry.text
