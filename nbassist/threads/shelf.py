"""Threads on disk: a folder for each notebook, a file for each thread, and a lock while a run is under way.

A file is written whole or not at all. A lock is let go by the system when its holder dies.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from ..conversation import Conversation
from ..errors import ConversationError

if TYPE_CHECKING:
    from filelock import BaseFileLock

_ABOUT = "notebook.json"


class Shelf:
    """The threads of one notebook, as files.

    Parameters
    ----------
    root : Path
        Where the shelves of all notebooks stand.
    notebook : str
        The path of the notebook; what names its shelf.
    """

    def __init__(self, root: Path, notebook: str) -> None:
        self.root = root
        self.notebook = notebook
        stem = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(notebook).stem)[:40] or "notebook"
        self.folder = root / f"{stem}-{hashlib.sha256(notebook.encode()).hexdigest()[:10]}"

    def __repr__(self) -> str:
        return f"<Shelf of {self.notebook}>"

    def names(self) -> list[str]:
        """Return the names of the threads that are kept, oldest first."""
        files = list(self.folder.glob("*.thread.json"))
        return [unquote(file.name.removesuffix(".thread.json")) for file in sorted(files, key=_made)]

    def stamp(self, name: str) -> tuple[int, int]:
        """Return what changes whenever the thread's file does; zeros where there is none."""
        try:
            stat = self._file(name).stat()
        except OSError:
            return 0, 0
        return stat.st_mtime_ns, stat.st_ino

    def read(self, name: str) -> Conversation | None:
        """Return the thread as it was kept, mended where a run was left in the middle; None where there is none.

        Raises
        ------
        ConversationError
            Where its file is damaged: it is put aside under another name, and nothing is lost.
        """
        file = self._file(name)
        if not file.exists():
            return None
        try:
            return Conversation.load(file)
        except ConversationError as error:
            aside = file.with_name(f"{file.name}.damaged")
            os.replace(file, aside)
            raise ConversationError(f"the thread {name!r} can't be read and is put aside as {aside}: {error}") from None

    def write(self, name: str, conversation: Conversation) -> None:
        """Keep `conversation` under `name`.

        Raises
        ------
        OSError
            Where the disk is full, or not to be written to.
        """
        about = self.folder / _ABOUT
        if not about.exists():
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            about.write_text(json.dumps({"notebook": self.notebook}), encoding="utf-8")
        conversation.save(self._file(name))

    def delete(self, name: str) -> None:
        """Forget a thread; nothing happens where there is none."""
        self._file(name).unlink(missing_ok=True)

    def rename(self, name: str, new: str) -> None:
        """Keep the thread under another name."""
        if self._file(name).exists():
            os.replace(self._file(name), self._file(new))

    def lock(self, name: str) -> BaseFileLock:
        """Return the lock on a thread, not yet taken."""
        from filelock import FileLock

        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return FileLock(self.folder / f"{quote(name, safe='')}.lock", thread_local=False)

    def others(self) -> Iterator[Shelf]:
        """Yield the shelves of the other notebooks, in the order of their folders' names."""
        for about in sorted(self.root.glob(f"*/{_ABOUT}")):
            try:
                notebook = str(json.loads(about.read_text(encoding="utf-8"))["notebook"])
            except (OSError, ValueError, KeyError, TypeError):
                continue  # not a shelf of ours, or one that is damaged: its threads can't be named
            if notebook != self.notebook:
                yield Shelf(self.root, notebook)

    def _file(self, name: str) -> Path:
        return self.folder / f"{quote(name, safe='')}.thread.json"


def _made(file: Path) -> tuple[float, str]:
    try:
        return file.stat().st_mtime, file.name
    except OSError:  # deleted by another notebook meanwhile
        return 0.0, file.name
