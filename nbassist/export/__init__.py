"""A thread as a file to hand on: a notebook that can be run, a page, or markdown.

Imports the ground (`errors`, `core`) and `display`, whose static reply it shows. Begin with `export` below; `turns`
makes events of a thread again, `formats` writes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ..core.conversation import Conversation
from ..core.files import put_in_place
from ..errors import UsageError

__all__ = ["FORMATS", "export"]


def _notebook(conversation: Conversation) -> str:
    from .formats import as_notebook

    return as_notebook(conversation)


def _page(conversation: Conversation) -> str:
    from .formats import as_page

    return as_page(conversation)


def _markdown(conversation: Conversation) -> str:
    from .formats import as_markdown

    return as_markdown(conversation)


FORMATS: Mapping[str, Callable[[Conversation], str]] = {".ipynb": _notebook, ".html": _page, ".md": _markdown}
"""What can be written, by the ending of the file's name."""


def export(conversation: Conversation, path: str | Path) -> Path:
    """Write a thread to `path`, in the format that its ending names; whole or not at all.

    Raises
    ------
    UsageError
        Where the ending is none of `FORMATS`, or the file can't be written.
    """
    target = Path(path).expanduser()
    write = FORMATS.get(target.suffix.lower())
    if write is None:
        raise UsageError(f"a thread is exported to a file that ends in {', '.join(FORMATS)}, not to {target.name!r}")
    draft = target.with_name(target.name + ".new")
    try:
        draft.write_text(write(conversation), encoding="utf-8")
        put_in_place(draft, target)
    except OSError as error:
        raise UsageError(f"{target} can't be written: {error.strerror or error}") from error
    return target
