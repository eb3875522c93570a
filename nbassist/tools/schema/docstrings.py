"""What a docstring says about a function and each of its parameters: numpy, Google and reST styles."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

# Without one of these a docstring is prose, and griffe need not be imported for it.
_STRUCTURED = re.compile(r"^\s*(:\w|-{3,}\s*$|\w+:\s*$)", re.MULTILINE)
_FIELD = re.compile(r"^:\w+[^:\n]*:", re.MULTILINE)


@dataclass(frozen=True)
class Documentation:
    """A docstring, read.

    Parameters
    ----------
    description : str
        The summary and the text after it, without the sections; may be empty.
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
    from griffe import Docstring, DocstringSectionParameters, DocstringSectionText, parse_auto

    quiet: Any = {"warnings": False}
    sections = parse_auto(Docstring(text), per_style_options={"google": quiet, "numpy": quiet, "sphinx": quiet})
    parameters: dict[str, str] = {}
    prose: list[str] = []
    for section in sections:
        if isinstance(section, DocstringSectionText):
            prose.append(section.value.strip())
        elif isinstance(section, DocstringSectionParameters):
            for parameter in section.value:
                name = parameter.name.lstrip("*")
                parameters[name] = " ".join(parameter.description.split())
    start = _FIELD.search(text)
    if start:  # griffe keeps only the first paragraph of a reST docstring
        return Documentation(text[: start.start()].strip(), parameters)
    return Documentation("\n\n".join(part for part in prose if part), parameters)
