"""Where the output of what runs now goes: what can be shown there, and how, and what needs a page below the reply."""

from __future__ import annotations

import os
import sys
import weakref
from typing import Any, Literal, TypeAlias

from ..core import runtime_environment
from ..core.events import Event, MimeBundle, ToolFinished
from ..core.mime import needs_page

Place: TypeAlias = Literal["cell", "after", "whole", "terminal"]


def place_of(shell: Any, *, someone: bool = False) -> Place:
    """Return where the output goes now.

    Parameters
    ----------
    shell : InteractiveShell
        Whose cell runs.
    someone : bool
        Whether a person is known to be there who wants it live, although the request does not say so.

    Returns
    -------
    {"cell", "after", "whole", "terminal"}
        A cell that takes updates; a place that takes none, where what comes last stands after what was live; one that
        is to get the reply once, when it is whole; or no kernel.
    """
    kernel = getattr(shell, "kernel", None)
    if kernel is None or not hasattr(kernel, "comm_manager"):
        return "terminal"
    request = _request(kernel)
    if is_captured(shell) or not (someone or _answers(request)):
        return "whole"
    if in_output_widget(request):
        return "after"
    if _header(request).get("msg_type", "execute_request") != "execute_request":
        return "whole"
    if _is_known(shell, request):
        return "cell"
    return "after" if someone else "whole"


def is_captured(shell: Any) -> bool:
    """Whether `%%capture`, or a tool's panel, takes what is displayed now."""
    publisher = getattr(shell, "display_pub", None)
    taken_by_a_tool = bool(getattr(publisher, "is_capturing", False))  # the stand-in of `nbassist.tools.capture`
    return taken_by_a_tool or type(publisher).__name__ == "CapturingDisplayPublisher"


def in_output_widget(request: Any) -> bool:
    """Whether an `Output` widget takes the output of a request, or of the one that runs now."""
    # Without ipywidgets there can be no such widget, and it is not imported to find that out.
    module = sys.modules.get("ipywidgets.widgets.widget")
    parent = _header(request).get("msg_id")
    if module is None or not parent:
        return False
    # An `Output` that takes what a request displays has the id of that request.
    made = getattr(module, "_instances", None)
    if made is None:  # ipywidgets 7 keeps them elsewhere
        made = module.Widget.widgets
    widgets = list(made.values())
    return any(getattr(widget, "msg_id", "") == parent for widget in widgets)


def _request(kernel: Any) -> Any:
    try:
        return kernel.get_parent("shell")
    except (AttributeError, KeyError, TypeError, LookupError):
        return {}


def _header(request: Any) -> dict[str, Any]:
    header = request.get("header") if isinstance(request, dict) else None
    return header if isinstance(header, dict) else {}


def _answers(request: Any) -> bool:
    """Whether someone can answer `input()`: nbclient, nbval and papermill say that no one can."""
    content = request.get("content") if isinstance(request, dict) else None
    return not isinstance(content, dict) or bool(content.get("allow_stdin", True))


_SAID_OF_CELLS = ("cellId", "cell_id", "deletedCells")
_Clients: TypeAlias = weakref.WeakKeyDictionary[Any, set[str]]
"""Of a shell, the clients of its kernel, each by the session that its requests have."""
_ECHOED: _Clients = weakref.WeakKeyDictionary()
"""Those that have answered a widget."""
_NAMING: _Clients = weakref.WeakKeyDictionary()
"""Those that say something of the cell with a request."""


def note_echo(shell: Any) -> None:
    """Note that the frontend whose request runs makes widgets and answers: what is live is seen there."""
    _ECHOED.setdefault(shell, set()).add(_client(_request(getattr(shell, "kernel", None))))


def note_client(shell: Any) -> None:
    """Note whether the frontend whose request runs names its cells: others of this kernel are told from it by that."""
    request = _request(getattr(shell, "kernel", None))
    if _names_its_cell(request):
        _NAMING.setdefault(shell, set()).add(_client(request))


def _names_its_cell(request: Any) -> bool:
    metadata = request.get("metadata") if isinstance(request, dict) else None
    return isinstance(metadata, dict) and any(name in metadata for name in _SAID_OF_CELLS)


def _is_known(shell: Any, request: Any) -> bool:
    """Whether the frontend takes updates of a display.

    Consoles pass over them (jupyter_console, qtconsole and Spyder have no handler of `update_display_data`), and show
    of a widget at most that there is one. Notebooks take them: Jupyter's server names the notebook, and VS Code, Colab
    and the messages of most others have marks of their own.
    """
    note_client(shell)
    client = _client(request)
    if _names_its_cell(request) or client in _ECHOED.get(shell, ()):
        return True
    if not runtime_environment.THREADS:  # a kernel in a browser is JupyterLite's, whose page is JupyterLab
        return True
    # The marks are those of the kernel. Where they are of a notebook that names its cells, what names none is another:
    # a console that was opened beside it, as by `jupyter console --existing`.
    if _NAMING.get(shell, set()) - {client}:
        return False
    return bool(
        os.environ.get("JPY_SESSION_NAME")
        or "google.colab" in sys.modules
        or "__vsc_ipynb_file__" in (getattr(shell, "user_ns", None) or {})
    )


def _client(request: Any) -> str:
    return str(_header(request).get("session", ""))


def for_the_page(event: Event) -> tuple[MimeBundle, ...]:
    """Return the displays of an event that need a page; their panel has a picture of them, or words."""
    return tuple(filter(needs_page, event.display)) if isinstance(event, ToolFinished) else ()


def put_below(bundles: tuple[MimeBundle, ...]) -> None:
    """Display them in the cell that runs."""
    from IPython.display import publish_display_data

    for bundle in bundles:
        publish_display_data(dict(bundle))  # type: ignore[no-untyped-call]
