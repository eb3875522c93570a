"""The scripts and styles of a widget, as a browser gets them."""

from __future__ import annotations

import re
from pathlib import Path

_COMMENT = re.compile(r"^\s*/\*.*?\*/|(?<=[;{}]) /\*.*?\*/$", re.DOTALL | re.MULTILINE)


def page_source(folder: Path, *names: str) -> str:
    """Return what a browser needs of our files: each widget sends it anew, so comments and indents stay here.

    Parameters
    ----------
    folder : Path
        Where the files lie.
    *names : str
        The files, in the order in which they are put together.
    """
    text = "\n".join((folder / name).read_text(encoding="utf-8") for name in names)
    lines = (line.strip() for line in _COMMENT.sub("", text).splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))
