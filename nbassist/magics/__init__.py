"""`%%assistant` and `%assistant`: from line and cell to options and a prompt, and to a view that shows the run."""

from __future__ import annotations

from typing import Any

__all__ = ["register"]


def register(shell: Any) -> None:
    """Register the magics and `%config NbAssist` with `shell`; a second call, by `%reload_ext`, replaces the first."""
    from .cell import NbAssist

    magics = NbAssist(shell=shell)
    shell.register_magics(magics)
    shell.configurables[:] = [c for c in shell.configurables if type(c).__name__ != "NbAssist"]
    shell.configurables.append(magics)
