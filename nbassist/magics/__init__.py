"""`%%assistant` and `%assistant`: from line and cell to options and a prompt, and to a view that shows the run."""

from __future__ import annotations

from typing import Any

__all__ = ["register"]


def register(shell: Any) -> None:
    """Register the magics and `%config NbAssist` with `shell`; a second call, by `%reload_ext`, replaces the first."""
    from .cell import NbAssist

    for before in [one for one in shell.configurables if type(one).__name__ == "NbAssist"]:
        before.failures.forget()
        shell.configurables.remove(before)
    magics = NbAssist(shell=shell)
    shell.register_magics(magics)
    for name in ("%%assistant", "%assistant"):
        shell.set_hook("complete_command", magics.complete, str_key=name)
    shell.configurables.append(magics)
