"""What is kept on disk: the journal and the threads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ..errors import JournalError
from ..paths import data_file
from .finding import Finding


def journal() -> Iterator[Finding]:
    """Open the journal and count its runs."""
    path = data_file("journal.db")
    if not path.exists():
        yield _folder("journal", path.parent, "none yet, it begins with the first prompt")
        return
    from ..journal import Journal

    opened = Journal(path)
    try:
        count = len(opened.entries())
    except JournalError as error:
        yield Finding.of_error("journal", error)
        return
    finally:
        opened.close()
    size = path.stat().st_size / 1e6
    runs = "1 run" if count == 1 else f"{count:,} runs"
    if not os.access(path, os.W_OK):
        yield Finding("journal", f"{path} can't be written", "wrong", f"run: chmod u+w '{path}'")
    else:
        yield Finding("journal", f"{runs}, {size:.1f} MB, {path}")


def threads() -> Iterator[Finding]:
    """Count the threads that are kept, and name those that were put aside as damaged."""
    folder = data_file("threads")
    if not folder.exists():
        yield _folder("threads", folder.parent, "none yet")
        return
    kept = list(folder.glob("*/*.thread.json"))
    damaged = list(folder.glob("*/*.damaged"))
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Finding("threads", f"{folder} can't be written", "wrong", f"run: chmod u+rwx '{folder}'")
        return
    notebooks = len({file.parent for file in kept})
    text = f"{len(kept)} of {notebooks} {'notebook' if notebooks == 1 else 'notebooks'}, {folder}"
    if damaged:
        text += f"; {len(damaged)} put aside as damaged, such as {damaged[0]}"
    yield Finding("threads", text, "note" if damaged else "ok")


def _folder(what: str, folder: Path, text: str) -> Finding:
    """Whether files could be made in a folder that need not exist yet."""
    there = folder
    while not there.exists():
        there = there.parent
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return Finding(what, f"{text}: {folder}")
    return Finding(what, f"{there} can't be written", "wrong", "set NBASSIST_DATA_DIR to a folder that can be")
