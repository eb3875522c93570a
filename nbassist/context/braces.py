"""Where `{{ … }}` begins and ends in a prompt, and how what stands in it reads as Python."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from .formats import FORMATS
from .namespace import is_expression

FORMATTED = re.compile(r"(.+)\|\s*([A-Za-z]+)(?:\s+(\d+))?\s*", re.DOTALL)
"""An expression, a bar, the name of a format, and perhaps a number."""
_OPEN = re.compile(r"\\?\{\{")
_ENDS, _LONGEST = 8, 2_000  # how many closing pairs are tried, and how many characters behind the opening one
# A sign of equality is looked for from the first of the blanks before it: from each of them it takes their square.
_SHAPED = re.compile(r"(?P<inner>.+?)(?P<equals>(?<!\s)\s*(?<![=!<>:])=\s*)?(?:!(?P<conversion>[rsa])\s*)?", re.DOTALL)
_QUOTE = re.compile("[\"'#]")
_NESTED = re.compile(r"\{([^{}]+)\}")
# `{{ width: 5 }}` is an object of JavaScript and no number with a sign before it; `{x: .2f}` is one.
_SIGNED = re.compile(r" #?0?\d*[,_]?(\.\d+)?[bcdeEfFgGnosxX%]")


@dataclass(frozen=True)
class Reading:
    """What stands between braces, as Python reads it.

    Parameters
    ----------
    expression : str
        Can be compiled; with a bar and a format behind it where `bar` is true.
    bar : bool
        Whether it has those.
    label, conversion, spec : str
        What an f-string may have behind an expression: `x = `, the letter behind `!`, and what stands behind `:`.
    is_sure : bool
        Whether it is the shortest text between two pairs, and reads so without more ado. Any other is taken for the
        notebook's only where it names something in it.
    """

    expression: str
    bar: bool = False
    label: str = ""
    conversion: str = ""
    spec: str | None = None
    is_sure: bool = True

    @property
    def is_shaped(self) -> bool:
        """Whether something of an f-string stands behind the expression."""
        return bool(self.label or self.conversion) or self.spec is not None

    @property
    def names(self) -> frozenset[str]:
        """The names in the expression."""
        tree = ast.parse(self.expression, mode="eval")
        return frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))


@dataclass(frozen=True)
class Braces:
    """One pair, from `start` to `end`; `reading` is None where no Python stands between them."""

    start: int
    end: int
    source: str
    is_escaped: bool
    reading: Reading | None

    @property
    def shown(self) -> str:
        """How it stands in an error, on one line."""
        source = " ".join(self.source.split())
        return f"{{{{ {source if len(source) <= 80 else source[:80] + '…'} }}}}"


def find(template: str) -> Iterator[Braces]:
    """Yield the braces of a prompt, in their order; none stand in others."""
    place, nearest = 0, -1
    while match := _OPEN.search(template, place):
        inside = match.end()
        if nearest < inside and (nearest := template.find("}}", inside)) < 0:
            return
        # A prompt may be thousands of pairs that open and one that closes, all of which would be read up to there.
        too_far = nearest - inside > _LONGEST and template.find("{{", inside, nearest) >= 0
        found = None if too_far else _closed(template, match)
        if found is None:
            # With all braces that follow: those of `{{{{ x }}}}` are one, and of another language.
            place = match.end()
            while template[place : place + 1] == "{":
                place += 1
        else:
            yield found
            place = found.end


def ends(template: str, start: int) -> Iterator[int]:
    """Yield where braces may end that were opened before `start`, the nearest first: Python may hold pairs itself."""
    end = template.find("}}", start)
    yield from islice(_further(template, start, end), _ENDS)


def _further(template: str, start: int, end: int) -> Iterator[int]:
    first = end
    while end != -1 and (end == first or end - start <= _LONGEST):
        yield end
        end = template.find("}}", end + 1)


def _closed(template: str, opened: re.Match[str]) -> Braces | None:
    """The braces that are opened there; None where they hold nothing, or others that can be read."""
    start, inside = opened.span()
    shortest = ""
    for end in ends(template, inside):
        source = template[inside:end]
        if not source.strip():
            return None
        first, shortest = not shortest, shortest or source
        if not first and source[0] == "{":  # {{{ x }}} is of another language
            break
        reading = None if _holds_other(source) else _read(source, is_sure=first)
        if reading is not None:
            return Braces(start, end + 2, source.strip(), opened[0][0] == "\\", reading)
    if not shortest or "{{" in shortest:
        return None
    return Braces(start, inside + len(shortest) + 2, shortest.strip(), opened[0][0] == "\\", None)


def _holds_other(source: str) -> bool:
    """Whether braces open within that are not closed there, so that they can't be Python."""
    return "{{" in source and not _QUOTE.search(source) and source.count("{") != source.count("}")


def _read(source: str, *, is_sure: bool = True) -> Reading | None:
    text = source.strip()
    found = FORMATTED.fullmatch(text)
    # `a | b` is also Python's own operator: the name of a format decides, and where it is none, valid Python goes
    # first.
    if is_expression(text) and not (found and found[2] in FORMATS and is_expression(found[1].strip())):
        return Reading(text, is_sure=is_sure)
    if found and is_expression(found[1].strip()):
        return Reading(found[1].strip(), bar=True, is_sure=is_sure)
    with warnings.catch_warnings():  # about strings and comparisons in what may be no Python at all
        warnings.simplefilter("ignore")
        if found and (inner := _whole(found[1].strip())):
            return Reading(inner, bar=True, is_sure=False)
        return Reading(whole, is_sure=False) if (whole := _whole(text)) else _shaped(text)


def _whole(text: str) -> str:
    """An expression, in brackets where it has several lines; empty where it is none."""
    if "\n" in text:
        text = f"({text}\n)"
    return text if is_expression(text) else ""


def _shaped(text: str) -> Reading | None:
    """An expression with what an f-string may have behind it: a slice has colons too, so each is tried."""
    colons = [place for place, letter in enumerate(text) if letter == ":"][:_ENDS]
    for place in (*colons, len(text)):
        spec = text[place + 1 :] if place < len(text) else None
        found = _SHAPED.fullmatch(text[:place])
        if found is None or not _is_spec(spec):
            continue
        equals = found["equals"]
        label = found["inner"] + (" = " if equals[0].isspace() else "=") if equals else ""
        if not label and not found["conversion"] and spec is None:
            continue
        if inner := _whole(found["inner"].strip()):
            return Reading(inner, False, label, found["conversion"] or "", spec, is_sure=False)
    return None


def _is_spec(spec: str | None) -> bool:
    if spec is None:
        return True
    rest = _NESTED.sub("", spec)
    if set(rest) & set("{}\n") or (spec[:1].isspace() and not _SIGNED.fullmatch(spec)):
        return False
    return all(is_expression(inner.strip()) for inner in nested(spec))


def nested(spec: str) -> list[str]:
    """Return the expressions in the format of an f-string, `>{width}`."""
    return _NESTED.findall(spec)


def with_nested(spec: str, values: list[str]) -> str:
    """Return the format with texts in the place of its expressions, in their order."""
    texts = iter(values)
    return _NESTED.sub(lambda match: next(texts), spec)
