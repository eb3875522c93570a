"""A large file while it is written: under a temporary name, hashed as it grows, taken up again after a break."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import IO, Protocol

from ...core.files import put_in_place

_BLOCK = 1024 * 1024


class DownloadProgress(Protocol):
    """Told of what is being done, in words, and how many bytes of how many (0: not known) stand on disk."""

    def __call__(self, words: str, done: int, total: int, /) -> None: ...


class Readable(Protocol):
    """What bytes are copied from."""

    def read(self, size: int, /) -> bytes: ...


class TooLongError(Exception):
    """More came than the file is to have."""


class Partial:
    """The beginning of a file, from one source, with its digest.

    Beside it lies a note of the source and of how many whole pieces of it stand in the file, so that a later try
    goes on where this one stopped.

    Parameters
    ----------
    path : Path
        The temporary name.
    total : int
        Bytes that the file is to have; 0 where not known.
    progress : DownloadProgress
        Told after each block.
    """

    def __init__(self, path: Path, total: int, progress: DownloadProgress) -> None:
        self.path = path
        self.total = total
        self.size = 0
        self._progress = progress
        self._source = ""
        self._digest = hashlib.sha256()
        self._file: IO[bytes] | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the file so far, in hexadecimal."""
        return self._digest.hexdigest()

    def kept(self, source: str) -> tuple[int, int]:
        """Return how many pieces, and how many bytes, of this source an earlier try left here."""
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            size = self.path.stat().st_size
            # Another source is cut into other pieces; and a file that is shorter than its note was changed by someone
            # else.
            if note["source"] != source or size < int(note["size"]):
                return 0, 0
            # Of a source in pieces only whole ones count; a single one goes on from whatever stands on disk.
            return int(note["pieces"]), int(note["size"]) if note["pieces"] else size
        except (OSError, ValueError, KeyError, TypeError):
            return 0, 0

    def begin(self, source: str, size: int = 0, pieces: int = 0) -> None:
        """Open the file to go on after its first `size` bytes, which are hashed; what lies behind them is cut off."""
        self.close()
        self._source, self.size, self._digest = source, 0, hashlib.sha256()
        self._file = self.path.open("r+b" if self.path.exists() else "w+b")
        # Hashed anew: the state of a digest can't be kept in a file.
        while self.size < size and (block := self._file.read(min(_BLOCK, size - self.size))):
            self._digest.update(block)
            self.size += len(block)
        self._file.truncate(self.size)
        self._file.seek(self.size)
        self.mark(pieces)
        self._progress(source, self.size, self.total)

    def append(self, stream: Readable) -> None:
        """Copy all of a stream to the end of the file.

        Raises
        ------
        TooLongError
            Where the file gets longer than its total.
        """
        assert self._file is not None
        while block := stream.read(_BLOCK):
            self._file.write(block)
            self._digest.update(block)
            self.size += len(block)
            if self.total and self.size > self.total:
                raise TooLongError
            self._progress(self._source, self.size, self.total)

    def mark(self, pieces: int) -> None:
        """Note that so many pieces stand whole on disk."""
        assert self._file is not None
        # On disk before the note says so, or a power cut would leave a note of bytes that are not there.
        self._file.flush()
        os.fsync(self._file.fileno())
        note = {"source": self._source, "pieces": pieces, "size": self.size}
        self._note.write_text(json.dumps(note), encoding="utf-8")

    def close(self) -> None:
        """Close the file; it stays."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def finish(self, target: Path) -> None:
        """Give the file its name."""
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())
        self.close()
        # A reader finds the whole file under its name, or none.
        put_in_place(self.path, target)
        self._note.unlink(missing_ok=True)

    def discard(self) -> None:
        """Delete the file and its note."""
        self.close()
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    @property
    def _note(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")
