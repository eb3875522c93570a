"""`%assistant files`: the files that the model can search, `%assistant files add …`, `%assistant files remove …`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import UsageError
from ..table import Table
from .index_bar import IndexBar, in_words

if TYPE_CHECKING:
    from ...documents.file_index import IndexedFile
    from ..config import Config

_NONE = "no files: %assistant files add PATH …, a folder, or a glob such as notes/*.md"


def files(magics: Config, words: list[str]) -> Table:
    """List the files that the model can search, `add` some, or `remove` some.

    `add` takes files, folders and globs, and gives the model the tool search_files: text, HTML, PDF, Word, PowerPoint
    and notebooks are read, and read anew once they change; a bar shows how far that is. `remove` takes names, paths
    and globs. With the model of `nbassist model get embeddings` passages are found by their meaning, too.
    """
    from ...tools import registry
    from ..batteries import search_files

    index = search_files.index()
    verb, *names = words or ["list"]
    if verb == "list" and not names:
        index.refresh()
    elif verb == "add":
        if not names:
            raise UsageError("add what? %assistant files add PATH …")
        shown = IndexBar(magics.shell)
        added = index.add(names, shown.reading)
        registry().setdefault(search_files.NAME, search_files.make(magics.shell))
        if index.meanings is not None:
            shown.vectors(index.meanings)
        return _table(added, f"the model searches {len(index)} files with search_files")
    elif verb == "remove":
        if not names:
            raise UsageError("remove what? %assistant files remove NAME …; a glob such as * is allowed")
        index.remove(names)
        if not len(index):
            registry().pop(search_files.NAME, None)
    else:
        near = get_close_matches(verb, ["add", "list", "remove"], n=1)
        hint = f"did you mean {near[0]}?" if near else "there are: add PATH …, list, remove NAME …"
        raise UsageError(f"%assistant files has no {' '.join(words)!r}; {hint}")
    return _table(index.files, in_words(index.meanings) if len(index) else _NONE)


def _table(found: Iterable[IndexedFile], note: str) -> Table:
    rows = tuple((_short(file.path), str(file.chunks), file.trouble) for file in found)
    return Table(("file", "passages", ""), rows, note) if rows else Table((), (), note or _NONE)


def _short(path: Path) -> str:
    """Return a path as a person would write it here."""
    try:
        return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
    except OSError:  # the folder of the kernel is gone
        return str(path)
