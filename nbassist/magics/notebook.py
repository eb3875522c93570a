"""The notebook that the kernel serves: its path, the cell that runs, the last that failed, and what a reader saw."""

from __future__ import annotations

import os
import re
import sys
from collections import defaultdict
from html import unescape
from typing import Any

from ..context import Cell
from ..errors import NbassistError


def notebook_path(shell: Any) -> str:
    """Return the path of the notebook.

    Jupyter's server names it in the kernel's environment (`JPY_SESSION_NAME`), VS Code in the namespace.
    """
    if getattr(shell, "kernel", None) is None:
        return ""
    named = shell.user_ns.get("__vsc_ipynb_file__")
    return named if isinstance(named, str) else os.environ.get("JPY_SESSION_NAME", "")


def cell_id(shell: Any) -> str:
    """Return the id of the cell that runs; JupyterLab, Notebook 7 and VS Code send it with each request."""
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return ""
    try:
        # Not in the messaging protocol: frontends that have a `cellId` put it into the metadata of the request.
        found = kernel.get_parent("shell")["metadata"].get("cellId", "")
    except (AttributeError, KeyError, TypeError):
        return ""
    return found if isinstance(found, str) else ""


def put_below(shell: Any, source: str) -> None:
    """Put a cell with `source` below the one that runs, for the person to run.

    JupyterLab, Notebook, nbclassic and VS Code do it when the cell ends; a terminal has it as its next input. Other
    frontends pass it over.
    """
    shell.set_next_input(source, replace=False)


class LastFailure:
    """Keeps the last error of a cell of the person's, and that cell.

    Attributes
    ----------
    error : BaseException or None
        None where nothing failed since the extension was loaded.
    source : str
        The cell as it was written.
    """

    def __init__(self, shell: Any) -> None:
        self.error: BaseException | None = None
        self.source = ""
        self._events = shell.events
        self._events.register("post_run_cell", self._ended)

    def forget(self) -> None:
        """Watch no longer."""
        self._events.unregister("post_run_cell", self._ended)

    def last(self) -> tuple[BaseException | None, str]:
        """Return the error and its cell; what Python itself keeps where the error came before this was loaded."""
        if self.error is None:
            # Where Python keeps the error for a debugger; its cell is not known then.
            kept = getattr(sys, "last_value", None)
            return None if isinstance(kept, NbassistError) else kept, ""
        return self.error, self.source

    def _ended(self, result: Any) -> None:
        error = result.error_before_exec or result.error_in_exec
        source = getattr(result.info, "raw_cell", "") or ""
        if error is None:
            return
        from ..context.introspection import is_ours

        # What failed in a cell of ours is no error of the person's code.
        if not is_ours(source):
            self.error, self.source = error, source


_KEPT = 100  # cells whose displays are kept
_LONGEST = 4_000  # characters of one display that are kept
_TAG = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_OBJECT = re.compile(r"<[\w.]+ object( at 0x[0-9a-f]+)?>\Z")
_EACH = 50  # displays of one cell


class CellLog:
    """The cells of one shell, from its history.

    IPython keeps what cells print and give. What they display it does not keep in a kernel: that is noted here, as
    text, from the moment on that this is made.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._displays: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)
        self._publisher = shell.display_pub
        # Only the kernel's publisher has it; in a terminal, IPython itself keeps displays in the history.
        if hasattr(self._publisher, "register_hook"):
            self._publisher.register_hook(self._displayed)

    def forget(self) -> None:
        """Note nothing more."""
        if hasattr(self._publisher, "unregister_hook"):
            self._publisher.unregister_hook(self._displayed)

    def cells(self) -> list[Cell]:
        """Return the cells that ran before the one that runs now, oldest first."""
        history = self._shell.history_manager
        if history is None:
            return []
        typed = list(enumerate(history.input_hist_raw))[1:-1]  # the first is empty, the last is the cell that runs
        return [Cell(number, source, self._shown(history, number)) for number, source in typed]

    def _shown(self, history: Any, number: int) -> tuple[str, ...]:
        """What stands below a cell, in its order as far as that is known."""
        found: list[str] = []
        bundles = _bundles(history, number)
        displays = list(self._displays.get(number, ()))
        for place, bundle in enumerate(bundles):
            while displays and displays[0][0] <= place:
                found.append(displays.pop(0)[1])
            found.append(_text_of(bundle))
        found += [text for _, text in displays]
        # IPython keeps the errors of cells from 9.1 on.
        if error := getattr(history, "exceptions", {}).get(number):
            found.append(f"{error.get('ename', '')}: {error.get('evalue', '')}")
        return tuple(text for text in found if text.strip())

    def _displayed(self, message: Any) -> Any:
        """Note a display; it goes on as it is."""
        if message["msg_type"] in ("display_data", "update_display_data"):
            history = self._shell.history_manager
            number = len(history.input_hist_raw) - 1
            noted = self._displays[number]
            if len(noted) < _EACH and (text := _text_of(message["content"]["data"])):
                # With how many outputs were there before, so that it can be put between them again.
                noted.append((len(_bundles(history, number)), text[:_LONGEST]))
            while len(self._displays) > _KEPT:
                del self._displays[min(self._displays)]
        return message


def _bundles(history: Any, number: int) -> list[dict[str, Any]]:
    """What a cell printed and gave; before IPython 9 the history has what it gave, as text, and no more."""
    if hasattr(history, "outputs"):
        return [output.bundle for output in history.outputs.get(number, ())]
    given = history.output_hist_reprs.get(number)
    return [] if given is None else [{"text/plain": given}]


def _text_of(bundle: Any) -> str:
    """What a reader sees of an output, as text."""
    if "stream" in bundle:
        return "".join(bundle["stream"])
    plain = str(bundle.get("text/plain", ""))
    if isinstance(markdown := bundle.get("text/markdown"), str):
        return markdown
    kinds = [kind for kind in bundle if kind.startswith(("image/", "audio/", "video/", "application/"))]
    if kinds:
        return f"[{', '.join(kinds)}] {plain}".strip()
    html = bundle.get("text/html")
    return _of_html(html) if isinstance(html, str) and _OBJECT.match(plain) else plain


def _of_html(html: str) -> str:
    """The text of HTML whose object has nothing else to say of itself."""
    return unescape(" ".join(_TAG.sub(" ", html[: _LONGEST * 5]).split()))
