"""`%assistant doctor`: the report of `nbassist doctor`, and what this frontend can do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...doctor import Finding, examine
from ...doctor.checks import report
from ...doctor.installed import fits
from ...errors import SettingsError
from ..table import Table
from . import nothing_more

if TYPE_CHECKING:
    from ..config import Config

_NO_BUTTONS = "approval is asked with input(), and the frontend's own button stops a run"


def doctor(magics: Config, words: list[str]) -> Table:
    """Say what is installed and reached, what works in this frontend, what is wrong, and what mends it."""
    nothing_more("doctor", words)
    try:
        found = report(magics.session.settings(magics.choices()))
    except SettingsError as error:
        found = report(error)

    def frontend() -> Iterator[Finding]:
        return in_frontend(magics.notebook_shell)

    found += examine(frontend)
    wrong = sum(one.state == "wrong" for one in found)
    rows = tuple((one.what, "" if one.state == "ok" else one.state, one.line) for one in found)
    return Table(("", "", ""), rows, note=f"{wrong} wrong" if wrong else "all is well")


def in_frontend(shell: Any) -> Iterator[Finding]:
    """Say whether input, widgets and clicks work where this cell runs."""
    from ...tools.capture import someone_is_there

    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        yield Finding("frontend", "a terminal: replies are written as text")
        yield _input(someone_is_there())
        return
    from importlib.metadata import version

    there = someone_is_there()
    yield _kernel(version("ipykernel"))
    yield _input(there)
    if not there:
        yield Finding("widgets", "not needed: replies are shown once they are whole, as plain HTML")
        return
    from ...display.live.frontend_check import answered
    from ...display.output_place import note_echo, place_of

    # Asked before the answer: an answer makes it known.
    known = place_of(shell) != "whole"
    # None where the tap on the shell channel can't be installed: then nothing is heard until the cell has ended.
    heard = answered(kernel)
    if heard:
        note_echo(shell)
        yield Finding("widgets", "work")
        yield Finding("clicks", "are heard while a cell runs")
    elif not known:
        text = "this frontend is not known to show what is live: each reply comes once, when it is whole"
        yield Finding("widgets", text, "note", "NBASSIST_DISPLAY=live where it does")
    elif heard is None:
        yield Finding("clicks", "not heard while a cell runs", "note", _NO_BUTTONS)
    else:
        mend = "in JupyterLab: pip install ipywidgets anywidget, then reload the page; or NBASSIST_DISPLAY=static"
        yield Finding("widgets", "no browser answered: replies may not be seen while they stream", "wrong", mend)


def _kernel(version: str) -> Finding:
    if fits(version, ">=7,<7.4"):  # a reply sent past the stream that reads requests (ipython/ipykernel#1554)
        text = f"a kernel, ipykernel {version}: it may miss a cell, which then waits until the kernel is restarted"
        return Finding("frontend", text, "note", "pip install -U ipykernel: 7.4 mends it")
    return Finding("frontend", f"a kernel, ipykernel {version}")


def _input(there: bool) -> Finding:
    if there:
        return Finding("input", "works: a person can be asked")
    return Finding("input", "no one is here to be asked", "note", "calls that need approval are denied")
