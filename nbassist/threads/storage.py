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

from ..core.conversation import Conversation
from ..core.files import put_in_place
from ..errors import ConversationError, LaterVersionError, UnreadableError

if TYPE_CHECKING:
    from filelock import BaseFileLock

_ABOUT = "notebook.json"
_ENDING = ".thread.json"
_LONGEST = 160  # bytes of a quoted name; file systems allow about 255 for a file with its endings
_UPPER = re.compile(r"(%[0-9A-F]{2})|[A-Z]")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|\Z)")
_SHORTENED = "%_"  # which no quoted name begins with


class ThreadStorage:
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
        # The name is for people who look into the folder; the digest of the whole path tells notebooks of one name
        # apart.
        stem = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(notebook).stem)[:40] or "notebook"
        self.folder = root / f"{stem}-{hashlib.sha256(notebook.encode()).hexdigest()[:10]}"

    def __repr__(self) -> str:
        return f"<ThreadStorage of {self.notebook}>"

    def names(self) -> list[str]:
        """Return the names of the threads that are kept, oldest first."""
        try:
            files = sorted(self.folder.glob(f"*{_ENDING}"), key=_made)
        except OSError:
            return []
        return [name for name in map(_name_of, files) if name]

    def stamp(self, name: str) -> tuple[int, int]:
        """Return what changes whenever the thread's file does; zeros where there is none."""
        try:
            stat = self._file(name).stat()
        except OSError:
            return 0, 0
        # Each write is a new file under the old name, so its inode tells what a coarse clock does not.
        return stat.st_mtime_ns, stat.st_ino

    def read(self, name: str) -> Conversation | None:
        """Return the thread as it was kept, mended where a run was left in the middle; None where there is none.

        Raises
        ------
        UnreadableError, LaterVersionError
            Where its file can't be read just now, or is of a later version: it is left as it is.
        ConversationError
            Where its file is damaged: it is put aside under another name, and nothing is lost.
        """
        file = self._file(name)
        if not os.path.lexists(file):
            return None
        read = self.stamp(name)
        try:
            return Conversation.load(file)
        except (UnreadableError, LaterVersionError):
            raise
        except ConversationError as error:
            if self.stamp(name) != read:
                return self.read(name)  # another kernel has put it aside meanwhile, or begun it anew
            # Put aside before it is told: else each prompt would fail at it again.
            aside = _free(file.with_name(f"{file.name}.damaged"))
            try:
                os.rename(file, aside)
            except OSError as problem:
                words = f"the thread {name!r} is damaged, and can't be put aside: {problem.strerror or problem}"
                raise UnreadableError(words) from None
            raise ConversationError(f"the thread {name!r} can't be read and is put aside as {aside}: {error}") from None

    def write(self, name: str, conversation: Conversation) -> None:
        """Keep `conversation` under `name`.

        Raises
        ------
        OSError
            Where the disk is full, or not to be written to.
        """
        about = self.folder / _ABOUT
        # Written once: it names the notebook of a folder for `others`, which can't read it out of a digest.
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
            put_in_place(self._file(name), self._file(new))

    def lock(self, name: str) -> BaseFileLock:
        """Return the lock on a thread, not yet taken.

        Raises
        ------
        OSError
            Where its folder can't be made.
        """
        from filelock import FileLock

        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # By default filelock counts for each thread apart: a lock that one took could not be given back by another, as
        # in an async run.
        return FileLock(self.folder / f"{_file_name(name)}.lock", thread_local=False)

    def others(self) -> Iterator[ThreadStorage]:
        """Yield the shelves of the other notebooks, in the order of their folders' names."""
        for about in sorted(self.root.glob(f"*/{_ABOUT}")):
            try:
                notebook = str(json.loads(about.read_text(encoding="utf-8"))["notebook"])
            except (OSError, ValueError, KeyError, TypeError):
                continue  # not a shelf of ours, or one that is damaged: its threads can't be named
            if notebook != self.notebook:
                yield ThreadStorage(self.root, notebook)

    def _file(self, name: str) -> Path:
        # A name may hold what a file's name may not, a slash above all.
        file = self.folder / f"{_file_name(name)}{_ENDING}"
        older = f"{quote(name, safe='', errors='replace')}{_ENDING}"
        # A file of before may be called by the name as it is. It is looked for among the names that are there: where
        # case is not told apart, a file that is there by another name would seem to exist.
        if older != file.name and not file.exists() and older in _listed(self.folder):
            return self.folder / older
        return file


def _file_name(name: str) -> str:
    """Return how a thread's files are called: its name, quoted, or of a long one the beginning and a digest.

    Capitals are quoted, too, since Windows and macOS have one file for `Main` and `main`, and so is what begins a name
    that Windows keeps for its devices, with whatever ending.
    """
    quoted = _UPPER.sub(lambda found: found[1] or f"%{ord(found[0]):02X}", quote(name, safe="", errors="replace"))
    if _RESERVED.match(quoted):
        quoted = f"%{ord(quoted[0]):02X}{quoted[1:]}"
    if len(quoted) <= _LONGEST:
        return quoted
    return f"{_SHORTENED}{quoted[: _LONGEST // 2]}.{hashlib.sha256(quoted.encode()).hexdigest()[:32]}"


def _name_of(file: Path) -> str:
    """Return the name of the thread in a file; empty where only its content would tell, and can't be read."""
    name = file.name.removesuffix(_ENDING)
    if not name.startswith(_SHORTENED):
        return unquote(name)
    try:
        return str(json.loads(file.read_text(encoding="utf-8"))["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _listed(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _free(file: Path) -> Path:
    """Return `file`, or with a number after it where there is one of that name."""
    found, number = file, 1
    while os.path.lexists(found):
        number += 1
        found = file.with_name(f"{file.name}-{number}")
    return found


def _made(file: Path) -> tuple[float, str]:
    try:
        return file.stat().st_mtime, file.name
    except OSError:  # deleted by another notebook meanwhile
        return 0.0, file.name
