"""A notebook's own files, to be searched by the model: kept in memory, read anew where one has changed."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from ..errors import UsageError
from .chunking import cut
from .embedding_cache import KeptVectors
from .embedding_index import Embed, Meanings
from .reader import UnreadableFileError, read_now
from .terms import Coverage, fused, terms

_SIZE, _OVERLAP = 400, 100
"""Tokens of a chunk: smaller than the server's, as the models of notebooks often read little."""
_CANDIDATES = 60
_LARGEST = 64 * 1024 * 1024
_MOST = 2_000
_BY_NUMBER = "SELECT path, page, position, text FROM chunks WHERE rowid = ?"
_ADD = "INSERT INTO chunks(rowid, text, path, page, position) VALUES (?, ?, ?, ?, ?)"
_SKIPPED = frozenset({".git", ".venv", "node_modules", "__pycache__", ".ipynb_checkpoints"})


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """A file that can be searched: its path, when it was changed, how many chunks it has, or why it has none."""

    path: Path
    changed: float
    chunks: int
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class FoundPassage:
    """A passage that was found: from which file, on which page (None where there are none), and its text.

    `name` is the file's, with as many of its folders as tell it from the others; `place` counts its passages, from 1.
    """

    path: Path
    page: int | None
    text: str
    name: str
    place: int


class FileIndex:
    """Files that are searched by their words and, as far as their passages have vectors, by meaning.

    Parameters
    ----------
    embed : callable, optional
        What gives vectors; without it words alone count.
    kept : KeptVectors, optional
        Where vectors are kept for the next kernel.

    >>> index = FileIndex()
    >>> index.add(["reports/*.pdf"])  # doctest: +SKIP
    >>> index.search("revenue in Spain")  # doctest: +SKIP
    """

    def __init__(self, embed: Embed | None = None, kept: KeptVectors | None = None) -> None:
        self.meanings = None if embed is None else Meanings(embed, kept)
        self._lock = threading.RLock()
        self._files: dict[Path, IndexedFile] = {}
        self._patterns: list[str] = []
        self._removed: set[Path] = set()
        self._next = 1
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        self._database.execute(
            "CREATE VIRTUAL TABLE chunks USING fts5(text, path UNINDEXED, page UNINDEXED, position UNINDEXED, "
            "tokenize='porter unicode61 remove_diacritics 2')"
        )

    def __len__(self) -> int:
        return len(self._files)

    @property
    def files(self) -> list[IndexedFile]:
        """The files, by path."""
        return [self._files[path] for path in sorted(self._files)]

    def names(self) -> dict[Path, str]:
        """Return the name of each file in the mark of its passages, which no other file has."""
        with self._lock:
            return distinct_names(self._files)

    def add(
        self, patterns: Iterable[str | Path], progress: Callable[[int, int, Path], None] | None = None
    ) -> list[IndexedFile]:
        """Add files, folders with all that is in them, and globs such as `notes/**/*.md`; return what was read.

        `progress` is told before each file how many are read, how many there are, and which is next.

        Raises
        ------
        UsageError
            Where one of them is not there, or there are too many files.
        """
        with self._lock:
            wanted = [str(pattern) for pattern in patterns]
            paths = [path for pattern in wanted for path in _matching(pattern)]
            if len(self._files.keys() | set(paths)) > _MOST:
                raise UsageError(f"{len(paths):,} files are more than the {_MOST:,} that can be searched here")
            self._removed -= set(paths)
            self._patterns += [pattern for pattern in wanted if pattern not in self._patterns]
            read = []
            for number, path in enumerate(distinct := list(dict.fromkeys(paths))):
                if progress is not None:
                    progress(number, len(distinct), path)
                read.append(self._read(path))
            return read

    def remove(self, patterns: Iterable[str]) -> list[Path]:
        """Remove files by path, name or glob; return which.

        Raises
        ------
        UsageError
            Where one matches nothing.
        """
        with self._lock:
            gone = []
            for pattern in patterns:
                absolute = str(Path(pattern).expanduser().absolute())
                matching = [
                    path
                    for path in self._files
                    if fnmatchcase(path.name, pattern)
                    or fnmatchcase(str(path), absolute)
                    or str(path).startswith(f"{absolute}/")
                ]
                if not matching:
                    raise UsageError(f"no file that is searched matches {pattern!r}")
                for path in matching:
                    self._forget(path)
                    gone.append(path)
                # Also where a folder that stays was added: what was taken out of it is not put back.
                self._removed.update(matching)
                self._patterns = [kept for kept in self._patterns if kept != pattern]
            return gone

    def refresh(self) -> list[IndexedFile]:
        """Read anew what has changed since, and what is new in the folders and globs that were added; return these."""
        with self._lock:
            found = set(self._files)
            for pattern in self._patterns:
                try:
                    found.update(_matching(pattern))
                except UsageError:
                    continue  # all of it is gone, which is seen below
            read = []
            for path in sorted(found - self._removed):
                try:
                    changed = path.stat().st_mtime
                except OSError:
                    self._forget(path)
                    continue
                known = self._files.get(path)
                if (known is None or known.changed != changed) and len(self._files) < _MOST:
                    read.append(self._read(path))
            return read

    def search(self, query: str, most: int = 6) -> list[FoundPassage]:
        """Return the passages that answer a question best, best first; what has changed is read before."""
        asked = terms(query)
        if not asked:
            return []
        with self._lock:
            self.refresh()
            wanted = " OR ".join(f'"{word}"' for word in asked)
            found = self._database.execute(
                "SELECT rowid, -bm25(chunks), text, path FROM chunks WHERE chunks MATCH ? ORDER BY 2 DESC LIMIT ?",
                (wanted, _CANDIDATES),
            ).fetchall()
        coverage = Coverage(asked)
        # As the server ranks: more of the words count more, and so does a name that has them.
        found.sort(key=lambda row: -(row[1] or 1e-6) * coverage.of(row[2]) ** 0.5 * (1 + 0.6 * coverage.of(row[3])))
        ranking = [row[0] for row in found]
        if self.meanings is not None and (near := self.meanings.nearest(query, _CANDIDATES)):
            ranking = [number for number, _ in fused([ranking, near])]
        with self._lock:
            rows = [row for number in ranking for row in self._database.execute(_BY_NUMBER, (number,))]
            names = self.names()
        return list(_apart(rows, most, names))

    def _read(self, path: Path) -> IndexedFile:
        self._forget(path)
        trouble, number, changed = "", 0, 0.0
        try:
            stat = path.stat()
            changed = stat.st_mtime
            if stat.st_size > _LARGEST:
                raise UnreadableFileError("invalid_file", f"{stat.st_size:,} bytes are too many")
            chunks = list(cut(read_now(path.name, path.read_bytes()), _SIZE, _OVERLAP))
            rows = [(chunk.text, str(path), chunk.page, place) for place, chunk in enumerate(chunks)]
            # Never a number twice: a vector that is being made for one that is gone must not become another's.
            numbers = range(self._next, self._next + len(rows))
            self._next += len(rows)
            self._database.executemany(_ADD, [(n, *row) for n, row in zip(numbers, rows, strict=True)])
            number = len(rows)
            if self.meanings is not None:
                self.meanings.add({n: row[0] for n, row in zip(numbers, rows, strict=True)})
        except (OSError, UnreadableFileError) as error:
            trouble = str(getattr(error, "strerror", None) or error)
        self._files[path] = found = IndexedFile(path, changed, number, trouble)
        return found

    def _forget(self, path: Path) -> None:
        if self._files.pop(path, None) is not None:
            gone = self._database.execute("SELECT rowid FROM chunks WHERE path = ?", (str(path),)).fetchall()
            self._database.execute("DELETE FROM chunks WHERE path = ?", (str(path),))
            if self.meanings is not None:
                self.meanings.forget([number for (number,) in gone])


def distinct_names(paths: Iterable[Path]) -> dict[Path, str]:
    """Return a name for each path: its last part, with as many of its folders as tell it from all others."""
    names: dict[Path, str] = {}
    alike: list[list[Path]] = [list(paths)]
    parts = 1
    while alike:
        groups: dict[str, list[Path]] = {}
        for path in (path for group in alike for path in group):
            groups.setdefault("/".join(path.parts[-parts:]), []).append(path)
        names |= {group[0]: name for name, group in groups.items() if len(group) == 1}
        alike = [group for group in groups.values() if len(group) > 1]
        parts += 1
    return names


def _matching(pattern: str) -> list[Path]:
    """Return the files that a path, a folder or a glob names."""
    path = Path(pattern).expanduser()
    if path.is_dir():
        found = [inner for inner in sorted(path.rglob("*")) if inner.is_file()]
    elif path.is_file():
        found = [path]
    else:
        base = Path(path.anchor) if path.is_absolute() else Path()
        found = sorted(inner for inner in base.glob(str(path.relative_to(base))) if inner.is_file())
    found = [one.absolute() for one in found if not _SKIPPED & set(one.parts)]
    if not found:
        raise UsageError(f"there is no file {pattern}")
    return found


def _apart(
    rows: Sequence[tuple[str, int | None, int, str]], most: int, names: Mapping[Path, str]
) -> Iterator[FoundPassage]:
    """Yield the best of passages that do not overlap a better one."""
    taken: set[tuple[str, int]] = set()
    for path, page, position, text in rows:
        if {(path, position - 1), (path, position + 1)} & taken:
            continue
        taken.add((path, position))
        found = Path(path)
        yield FoundPassage(found, page, text, names.get(found, found.name), position + 1)
        if len(taken) == most:
            return
