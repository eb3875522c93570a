"""Which notebook the kernel serves, and which cell runs; both empty where the frontend does not say."""

from __future__ import annotations

import os
from typing import Any


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
        found = kernel.get_parent("shell")["metadata"].get("cellId", "")
    except (AttributeError, KeyError, TypeError):
        return ""
    return found if isinstance(found, str) else ""
