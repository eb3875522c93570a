"""The magics themselves, and what is done to a cell's text before IPython reads it, so that they are found."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from IPython.core.magic import cell_magic, line_magic, magics_class, no_var_expand

from ..core.interrupts import Interrupts
from ..errors import UsageError
from .config import Config
from .line.flags import parser
from .line.help import asked_for, print_asked
from .line.parsed_options import parse
from .line.tokenizer import expand, split
from .nesting import check_not_inside


@magics_class
class NbAssist(Config):
    """The assistant of this notebook."""

    # IPython would expand the line before it is split: a value with blanks in it would become several words.
    @no_var_expand
    @cell_magic
    def assistant(self, line: str, cell: str) -> Any:
        """Send the cell to a model; see `parser` for the flags."""
        check_not_inside()
        with interrupted_in_one_line(self.notebook_shell):
            self.settle()
            return self._answer(line, cell)

    def _answer(self, line: str, cell: str) -> Any:
        from ..context.template import has_alternatives
        from .run_cell import run_prompt

        words = expand(split(line), self.notebook_shell.user_ns)
        if asked_for(words):
            return print_asked(words)
        options = parse(words)
        prompt = cell.strip()
        if not prompt and "prompt" not in options.vary:
            raise UsageError("the cell is empty: write the prompt on the lines below %%assistant")
        if options.raw or not self.template:
            options = replace(options, raw=True)
        if options.is_sweep or (has_alternatives(prompt) and not options.raw):
            from .sweep_cell import run_sweep

            if options.prompt.get("leave"):
                raise UsageError("--leave is for one reply: it can't be used with many variants")
            return run_sweep(self, prompt, options)
        if options.of_many:
            raise UsageError(f"{options.of_many} is for many variants: say which with --vary, --over or --repeat")
        return run_prompt(self, prompt, options)

    @no_var_expand
    @line_magic("assistant")  # type: ignore[arg-type]  # its stub takes no method
    def command(self, line: str) -> Any:
        """Carry out a command, such as `%assistant tools`; without one, show where the assistant stands.

        `%assistant help` lists the commands, and `%assistant help NAME` explains one; `%%assistant?` shows the flags.
        """
        from .commands import run

        check_not_inside()
        with interrupted_in_one_line(self.notebook_shell):
            self.settle()
            return run(self, line)


@contextmanager
def interrupted_in_one_line(shell: Any) -> Iterator[None]:
    """Make every interrupt of a magic one line, from the first that is read of it to what it returns.

    Raises
    ------
    CellInterrupted
        Where it was interrupted.
    """
    with Interrupts():
        try:
            yield
        except KeyboardInterrupt as interrupt:
            from .run_cell import CellInterrupted

            if isinstance(interrupt, CellInterrupted):
                raise
            raise CellInterrupted(shell) from None


# What `%%assistant?` shows, made from the flags themselves.
NbAssist.assistant.__doc__ = parser().format_help()


_MAGIC = re.compile(r"%%assistant(?=\s|$)")
_ASKED = re.compile(r"^(?P<indent>[ \t]*)%assistant[ \t]+(?P<line>\S.*\?)[ \t]*$")


def install(shell: Any) -> None:
    """Put the rules in their place, where those of an earlier load may stand."""
    # By name, not by identity: a module that was loaded anew has another function.
    shell.input_transformers_cleanup[:] = [
        one for one in shell.input_transformers_cleanup if getattr(one, "__name__", "") != found_by_us.__name__
    ]
    shell.input_transformers_cleanup.append(found_by_us)


def found_by_us(lines: list[str]) -> list[str]:
    """Return the lines of a cell as IPython is to read them."""
    first = next((place for place, line in enumerate(lines) if not _is_passed_over(line)), len(lines))
    if first < len(lines) and _MAGIC.match(lines[first]):
        return _with_body(lines[first:])
    if not any(_ASKED.match(line) for line in lines):
        return lines
    begins = _beginnings(lines)
    return [_called(line) if number in begins else line for number, line in enumerate(lines)]


# Not while a terminal asks whether a cell is complete: `%%assistant` alone is the beginning of one.
found_by_us.has_side_effects = True  # type: ignore[attr-defined]


def _is_passed_over(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _with_body(lines: list[str]) -> list[str]:
    if "".join(lines[1:]).strip():
        return lines
    line = lines[0].removeprefix("%%assistant").strip()
    # What IPython makes of a cell magic itself; a body of one line break passes its check for an empty one.
    return [f"get_ipython().run_cell_magic('assistant', {line!r}, '\\n')\n"]


def _beginnings(lines: list[str]) -> set[int]:
    """The lines that begin a statement: none inside a string or brackets."""
    from IPython.core.inputtransformer2 import make_tokens_by_line

    # Tokens count lines from 1.
    return {tokens[0].start[0] - 1 for tokens in make_tokens_by_line(lines) if tokens}


def _called(line: str) -> str:
    match = _ASKED.match(line)
    if match is None or match["line"].strip() in ("?", "??"):
        return line
    return f"{match['indent']}get_ipython().run_line_magic('assistant', {match['line']!r})\n"
