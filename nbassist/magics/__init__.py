"""`%%assistant` and `%assistant`: from line and cell to options and a prompt, and to a view that shows the run."""

from __future__ import annotations

from typing import Any

__all__ = ["register"]


def register(shell: Any) -> None:
    """Register the magics and `%config NbAssist` with `shell`; a second call, by `%reload_ext`, replaces the first."""
    from .cell import NbAssist

    before = {id(one): one for one in shell.configurables if type(one).__name__ == "NbAssist"}
    for one in before.values():
        one.failures.forget()
    shell.configurables[:] = [one for one in shell.configurables if id(one) not in before]
    magics = NbAssist(shell=shell)  # which adds itself to the configurables
    shell.register_magics(magics)
    for name in ("%%assistant", "%assistant"):
        shell.set_hook("complete_command", _complete, str_key=name)


def _complete(shell: Any, event: Any) -> Any:
    """Complete a line by the magics that are registered now: a hook stays where the extension is loaded again."""
    return shell.magics_manager.registry["NbAssist"].complete(shell, event)
