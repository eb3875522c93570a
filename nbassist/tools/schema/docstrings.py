"""What a docstring says about a function and each of its parameters: numpy, Google and reST styles."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

# Without one of these a docstring is prose, and griffe need not be imported for it.
_STRUCTURED = re.compile(r"^\s*(:\w|-{3,}\s*$|\w+:\s*$)", re.MULTILINE)
_FIELDS = "param parameter arg argument key keyword type var ivar cvar vartype returns? rtype yields? ytype raises?"
_FIELD = re.compile(rf"^:({'|'.join(_FIELDS.split())}|except|exception|meta)\b[^:\n]*:", re.MULTILINE)
# Google's word for warnings that Python gives, but what stands below it is most often for whoever calls.
_WARNINGS = re.compile(r"^Warnings:[ \t]*$", re.MULTILINE)
_NOT_TOLD = frozenset(("example", "examples", "see also", "references", "reference", "todo"))


@dataclass(frozen=True)
class Documentation:
    """A docstring, read.

    Parameters
    ----------
    description : str
        The summary, the text after it, and notes and warnings; without what a call gives or raises, and examples. May
        be empty.
    parameters : dict of str to str
        What it says about each parameter that it names.
    """

    description: str = ""
    parameters: dict[str, str] = field(default_factory=dict)


def read(function: Callable[..., Any]) -> Documentation:
    """Read a function's own docstring; the style is guessed."""
    raw = getattr(function, "__doc__", None)
    if not isinstance(raw, str):
        return Documentation()
    text = inspect.cleandoc(raw)
    return _parse(text) if _STRUCTURED.search(text) else Documentation(text)


def _parse(text: str) -> Documentation:
    from griffe import (
        Docstring,
        DocstringSectionAdmonition,
        DocstringSectionDeprecated,
        DocstringSectionOtherParameters,
        DocstringSectionParameters,
        DocstringSectionText,
        parse_auto,
    )

    quiet: Any = {"warnings": False}
    paragraphs, fields = _divided(text)
    # A paragraph behind a field would be taken for the end of its description.
    source = f"{paragraphs}\n\n{fields}" if fields else _WARNINGS.sub("Warning:", text)
    sections = parse_auto(Docstring(source), per_style_options={"google": quiet, "numpy": quiet, "sphinx": quiet})
    parameters: dict[str, str] = {}
    prose: list[str] = []
    for section in sections:
        if isinstance(section, DocstringSectionText):
            prose.append(section.value.strip())
        elif isinstance(section, DocstringSectionAdmonition):
            if (section.title or "").lower() not in _NOT_TOLD:
                prose.append(f"{section.title}: {section.value.description.strip()}")
        elif isinstance(section, DocstringSectionDeprecated):
            prose.append(f"Deprecated since {section.value.version}: {section.value.description.strip()}")
        elif isinstance(section, DocstringSectionParameters | DocstringSectionOtherParameters):
            for parameter in section.value:
                name = parameter.name.lstrip("*")
                parameters[name] = " ".join(parameter.description.split())
    if fields:  # griffe keeps only the first paragraph of a reST docstring
        return Documentation(paragraphs, parameters)
    return Documentation("\n\n".join(part for part in prose if part), parameters)


def _divided(text: str) -> tuple[str, str]:
    """The paragraphs of a reST docstring before, between and behind its fields, and the fields."""
    kept: list[str] = []
    fields: list[str] = []
    in_field = after_blank = False
    for line in text.splitlines():
        if _FIELD.match(line):
            in_field, after_blank = True, False
        elif not in_field:
            kept.append(line)
        elif not line.strip():
            after_blank = True
        elif after_blank and not line[0].isspace():
            in_field = False
            kept += ["", line]
        if in_field:
            fields.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip(), "\n".join(fields)
