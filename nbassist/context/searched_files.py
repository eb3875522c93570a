"""Files that are too long to go with a prompt whole: the model is given a tool that searches them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..core.messages import Part, Text
from ..documents.file_index import FileIndex, FoundPassage
from ..tools import Tool
from ..tools.citation_marks import SEARCH_TOOLS, MarkedPassage, plain_name, told
from .attachments import attach_files

NAME = SEARCH_TOOLS[1]
_LONG_TEXT = 100_000
"""Bytes of a text file from which on it is searched in place of sent."""
_LONG_DOCUMENT = 1_000_000
"""Bytes of a PDF or an office document from which on it is: some twenty pages with pictures."""
_DOCUMENTS = (".pdf", ".docx", ".pptx")
_LONGEST = 1_600
"""Characters of one passage that the model is told."""


def attach_or_search(paths: Sequence[str | Path]) -> tuple[tuple[Part, ...], Tool | None]:
    """Return files as parts of a prompt, and a tool that searches those that are long; None where none is.

    Of a long file the prompt has the name alone. One whose text can't be read goes whole, as a short one does.

    Raises
    ------
    UsageError
        Where one is missing, or too large.
    """
    parts: list[Part] = []
    index = FileIndex()
    whole = [Path(given).expanduser() for given in paths]
    searched = [_is_long(path) and bool(index.add([path])[0].chunks) for path in whole]
    names = index.names()  # as the marks of its passages have it
    for path, given, search in zip(whole, paths, searched, strict=True):
        if not search:
            parts += attach_files([given])
            continue
        name = plain_name(names[path.absolute()])
        parts.append(Text(f"The file {name} is long: search it with the tool {NAME}.\n\n", f"file {name}, searched"))
    return tuple(parts), search_tool(index) if any(file.chunks for file in index.files) else None


def _is_long(path: Path) -> bool:
    try:
        size = path.stat().st_size if path.is_file() else 0
        if path.suffix.lower() in _DOCUMENTS:
            return size > _LONG_DOCUMENT
        with path.open("rb") as file:
            return size > _LONG_TEXT and b"\x00" not in file.read(8192)
    except OSError:
        return False  # what is wrong with it is told where it is attached


def search_tool(index: FileIndex) -> Tool:
    """Return a tool by which the model searches those files."""

    def search_attached_files(query: str) -> str:
        """Search the files that came with the prompt and return the passages that answer best, with file and page.

        Put the mark of a passage right behind what you take from it.

        Parameters
        ----------
        query
            What to look for: a question, or the words of the answer.
        """
        found = index.search(query)
        return shown(found) if found else "nothing was found"

    return Tool.from_function(search_attached_files)


def shown(found: Sequence[FoundPassage]) -> str:
    """Return passages as the model is told them, each under its mark, which names its file, bounded; one at least."""
    return told([MarkedPassage(plain_name(one.name), one.place, one.page, _bounded(one.text)) for one in found])


def _bounded(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
