"""The pytest plugin: runs the suites that were kept from work, `*.suite.json`, and fails only where a prompt got worse.

    pytest                                            # recorded replies, held against the checks: asks nothing
    pytest --nbassist-live                            # asks the prompts anew
    pytest --nbassist-live --nbassist-prompt new.md   # asks another wording of the same rows

A suite fails where the paired interval over its cases shows that the replies are worth less than those that were kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of a suite."""
    group = parser.getgroup("nbassist", "prompts kept as tests")
    group.addoption("--nbassist-live", action="store_true", help="ask the prompts of *.suite.json anew")
    group.addoption("--nbassist-prompt", default="", metavar="FILE", help="a wording to ask in place of those kept")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Take files of suites."""
    if file_path.name.endswith(".suite.json"):
        found: pytest.Collector = SuiteFile.from_parent(parent, path=file_path)
        return found
    return None


class SuiteFile(pytest.File):
    """A file of cases: a test for each wording in it."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield a test for each wording."""
        from .sweep.prompts.suite import Suite

        suite = Suite.load(self.path)
        for wording in dict.fromkeys(case.wording for case in suite.cases):
            yield WordingItem.from_parent(self, name=wording, suite=suite.of_wording(wording))


class GotWorseError(Exception):
    """A prompt got worse."""


class WordingItem(pytest.Item):
    """The cases of one wording."""

    def __init__(self, *, suite: Any, **said: Any) -> None:
        super().__init__(**said)
        self.suite = suite

    def runtest(self) -> None:
        """Hold the replies against those that were kept."""
        from .sweep.prompts.suite import got_worse

        found = self.suite.compare(self._answers())
        if got_worse(found):
            gap = found.interval
            half = "" if gap.half == float("inf") else f" ±{100 * gap.half:.0f}"
            line = f"worse by {-100 * gap.value:.0f}{half} points on {gap.n} cases (p = {found.p:.3f}, paired)"
            raise GotWorseError(line.replace("  ", " "))

    def _answers(self) -> Any:
        if not self.config.getoption("--nbassist-live"):
            return lambda case: [case.reply]
        from .sweep.prompts.ask_suite import ask_suite

        return ask_suite(self.suite, self.config.getoption("--nbassist-prompt"))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return one line for a prompt that got worse."""
        if isinstance(excinfo.value, GotWorseError):
            return f"{self.path.name}: wording {self.name} is {excinfo.value}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Say what is tested."""
        return self.path, 0, f"wording {self.name}, {len(self.suite)} cases"
