"""Marks of sources in a model's markdown, such as 【4:0†source】, and what stands in their place in the text."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from ..segments import Citation
from .renderer import SOURCE, block_parser

_CODE_BEGINS = re.compile(r"[`~\t]| {4}")
_RUN = re.compile(r"\\[^\n]|`+")  # an escaped backtick begins nothing
_TICKS = re.compile(r"`+")


def with_references(text: str, citations: Sequence[Citation], form: str = SOURCE) -> str:
    """Put a reference to the list of sources in the place of each marker, but in code, which stays as it is written.

    `form` is what stands there; `{}` in it is the number. The default is one that the renderer tells from a footnote.
    """
    numbers: dict[str, int] = {}
    for number, citation in enumerate(citations, 1):
        if citation.marker:
            numbers.setdefault(citation.marker, number)
    if not any(marker in text for marker in numbers):
        return text
    # In one go, the longest first: a reference may look like another one's marker.
    longest_first = sorted(numbers, key=len, reverse=True)
    pattern = "|".join(map(re.escape, longest_first))
    if any(marker.startswith("sandbox:") for marker in numbers):
        # A link to a file that lies at the endpoint leads nowhere here: its words stay, with a reference.
        files = "|".join(re.escape(marker) for marker in longest_first if marker.startswith("sandbox:"))
        pattern = rf"!?\[(?P<words>[^\[\]]*)\]\((?P<file>{files})\)|{pattern}"
    code = list(_code(text))
    begins = [start for start, _ in code]

    def put(found: re.Match[str]) -> str:
        before = bisect_right(begins, found.start()) - 1
        if before >= 0 and found.start() < code[before][1]:
            return found[0]
        groups = found.groupdict()
        if groups.get("file"):
            return f"{groups['words']}{form.format(numbers[groups['file']])}"
        # A backslash before a marker is text, and must not become the escape of what stands there now.
        return ("\\" if form == SOURCE and _odd(text, found.start()) else "") + form.format(numbers[found[0]])

    return re.sub(pattern, put, text)


def _odd(text: str, end: int) -> bool:
    """Return whether an odd number of backslashes ends before `end`."""
    start = end
    while start and text[start - 1] == "\\":
        start -= 1
    return (end - start) % 2 == 1


def _code(text: str) -> Iterator[tuple[int, int]]:
    """Yield where code begins and ends in markdown, in order: fences, what is indented, and spans between backticks."""
    if not _CODE_BEGINS.search(text):
        return
    starts = [0]
    for content in text.split("\n"):
        starts.append(starts[-1] + len(content) + 1)
    blocks: list[tuple[int, int]] = []
    stretches: dict[int, int] = {}
    for token in block_parser().parse(text, {}):
        if token.map is None:
            continue
        begin, end = token.map[0], min(token.map[1], len(starts) - 1)
        if token.type in ("fence", "code_block"):
            blocks.append((begin, end))
        elif token.type == "inline":
            stretches[begin] = max(stretches.get(begin, 0), end)
    line, last = 0, len(starts) - 1
    ends = dict(blocks)
    while line < last:
        if line in ends:
            yield starts[line], min(starts[ends[line]], len(text))
            line = max(ends[line], line + 1)
            continue
        # What is in no paragraph, such as a row of a table, is looked at line by line.
        end = max(stretches.get(line, 0), line + 1)
        yield from _spans(text, starts[line], min(starts[end], len(text)))
        line = end


def _spans(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while found := _RUN.search(text, start, end):
        start = found.end()
        if found[0][0] == "\\":
            continue
        for closing in _TICKS.finditer(text, start, end):
            if len(closing[0]) == len(found[0]):
                yield found.start(), closing.end()
                start = closing.end()
                break
