"""The page on what notebooks hold: each of its lines names a test that is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
LINES = [
    line
    for line in (ROOT / "docs" / "notebooks.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| what the notebook holds")
]


@pytest.mark.parametrize("line", LINES)
def test_each_line_names_a_test_in_a_real_kernel_or_of_a_program(line: str) -> None:
    named = re.search(r"`(test_\w+\.py)::(test_\w+)` \|$", line)
    assert named is not None
    file, name = named.groups()
    places = [ROOT / "tests" / "kernel" / file, ROOT / "tests" / file]
    (found,) = [place for place in places if place.exists()]
    assert f"def {name}(" in found.read_text(encoding="utf-8")
