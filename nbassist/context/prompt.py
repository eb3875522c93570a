"""`Prompt`: a wording with a name, a hash, and the wording that it came from."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import UsageError


class Prompt(str):
    """A text to ask, as an object: wherever a string goes, it goes too.

    Made of a text, in which `{{ row.column }}` is filled in for each row of a sweep; of a name, which is what grids and
    trees call it, by default its hash; and of the `Prompt`, or its hash, that it came from, empty for none.
    """

    name: str
    parent: str

    def __new__(cls, text: str, name: str = "", parent: str = "") -> Prompt:
        made = super().__new__(cls, text)
        made.parent = parent.hash if isinstance(parent, Prompt) else parent
        made.name = name or made.hash
        return made

    @classmethod
    def read(cls, path: str | Path, parent: str = "") -> Prompt:
        """Return the wording in a file of UTF-8, named after it.

        Raises
        ------
        UsageError
            Where it can't be read.
        """
        try:
            return cls(Path(path).read_text(encoding="utf-8").strip(), Path(path).stem, parent)
        except (OSError, UnicodeDecodeError) as error:
            words = getattr(error, "strerror", None) or error
            raise UsageError(f"the prompt in {path} can't be read: {words}") from error

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that stand for the text alone."""
        return hash_of(self)

    def child(self, text: str, name: str = "") -> Prompt:
        """Return another wording that came from this one."""
        return Prompt(text, name, self.hash)

    def __getnewargs__(self) -> tuple[Any, ...]:
        return (str(self), self.name, self.parent)

    def __repr__(self) -> str:
        came = f", from {self.parent}" if self.parent else ""
        return f"<Prompt {self.name} ({self.hash}{came}): {' '.join(self.split())[:60]!r}>"


@lru_cache(maxsize=1_000)
def hash_of(text: str) -> str:
    """Return what stands for a wording, whatever it is called: twelve hexadecimal digits."""
    return hashlib.sha256(str(text).encode("utf-8", "surrogatepass")).hexdigest()[:12]
