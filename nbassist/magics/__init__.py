"""`%%assistant` and `%assistant`: from line and cell to options and a prompt, and to a view that shows the run.

The top of the house: it may import every other room but `cli`, and of `server` the launcher alone. Begin with `magic`;
`run_cell` asks, `commands` and `batteries` have the commands and the tools that come along.
"""

from __future__ import annotations

from typing import Any

from ..core import runtime_environment
from ..display.output_place import note_client

__all__ = ["register"]


def register(shell: Any) -> None:
    """Register the magics and `%config NbAssist` with `shell`; a second call, by `%reload_ext`, replaces the first."""
    from .magic import NbAssist, install

    # By the class's name: after a reload it is another class.
    before = {id(one): one for one in shell.configurables if type(one).__name__ == "NbAssist"}
    for one in before.values():
        one.forget()
    shell.configurables[:] = [one for one in shell.configurables if id(one) not in before]
    magics = NbAssist(shell=shell)  # which adds itself to the configurables
    shell.register_magics(magics)
    install(shell)
    # A console may be opened beside the notebook before the first prompt of either.
    note_client(shell)
    matchers = shell.Completer.custom_matchers
    matchers[:] = [one for one in matchers if getattr(one, "matcher_identifier", "") != "nbassist"]
    matchers += _matchers_of(magics)
    if hasattr(shell, "kernel") and runtime_environment.THREADS:
        from .preload import Preload

        magics.preload = Preload(shell, lambda: magics.session.settings(magics.choices(), offline=True).backend)
        magics.preload.begin()


def _matchers_of(magics: Any) -> list[Any]:
    """Return the matcher of the magics, which is imported at the first Tab; see `nbassist.magics.completion`.

    None before IPython 8.6, whose matchers are given a word and not the cell.
    """
    try:
        from IPython.core.completer import context_matcher
    except ImportError:
        return []
    made: list[Any] = []

    # Before all others, which are then kept out: jedi would read the prompt as Python.
    @context_matcher(identifier="nbassist", priority=1_000)  # type: ignore[untyped-decorator]
    def match(context: Any) -> Any:
        if "assistant" not in context.full_text:
            return {"completions": [], "suppress": False}
        if not made:
            from .completion.matcher import Matcher

            made.append(Matcher(magics))
        return made[0](context)

    return [match]
