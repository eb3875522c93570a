"""The magics themselves."""

from __future__ import annotations

from typing import Any

from IPython.core.magic import cell_magic, line_magic, magics_class, no_var_expand

from ..errors import UsageError
from .config import Config
from .flags import parser
from .guard import check_not_inside
from .options import parse


@magics_class
class NbAssist(Config):
    """The assistant of this notebook."""

    _completer: Any = None

    def complete(self, shell: Any, event: Any) -> list[str]:
        """Complete the first line of a cell; called by IPython on Tab."""
        from .completion import Completer

        if self._completer is None:
            self._completer = Completer(self)
        found: list[str] = self._completer(shell, event)
        return found

    @no_var_expand
    @cell_magic
    def assistant(self, line: str, cell: str) -> Any:
        """Send the cell to a model; see `parser` for the flags."""
        from ..context.alternatives import has_alternatives
        from .running import run_prompt

        check_not_inside()
        options = parse(line)
        prompt = cell.strip()
        if not prompt:
            raise UsageError("the cell is empty: write the prompt on the lines below %%assistant")
        if options.is_sweep or has_alternatives(prompt):
            from .sweeping import run_sweep

            if options.leave:
                raise UsageError("--leave is for one reply: it can't be used with many variants")
            return run_sweep(self, prompt, options)
        return run_prompt(self, prompt, options)

    @no_var_expand
    @line_magic("assistant")  # type: ignore[arg-type]  # its stub takes no method
    def command(self, line: str) -> Any:
        """Carry out a command, such as `%assistant tools`; without one, show where the assistant stands."""
        from .commands import run

        check_not_inside()
        return run(self, line)


NbAssist.assistant.__doc__ = parser().format_help()
