"""The page of messages: every error is on it, in its own words."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent


pytest.importorskip("markdown", reason="the extra docs is not installed")


@pytest.fixture(scope="module")
def messages() -> Any:
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        import messages as module
    finally:
        sys.path.remove(str(ROOT / "docs"))
    return module


def test_each_way_of_raising_one_of_ours_is_read(messages: Any, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "troubleshooting.md").write_text("### `refused … by name`\n", encoding="utf-8")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "errors.py").write_text('class OddError(Exception):\n    """Something odd."""\n')
    (tmp_path / "package" / "code.py").write_text(
        'def f(x, e):\n    raise OddError(f"refused {x!r} by name: {e}") from e\n'
        'error = errors.OddError("what is written " + ("in one way" if x else f"or in {x}"))\n'
        'raise ValueError("what is not ours at all")\n'
    )
    assert messages.page(tmp_path / "package").splitlines() == [
        "## OddError",
        "",
        "Something odd.",
        "",
        "- `refused … by name: …` ([more](troubleshooting.md#refused-by-name))",
        "- `what is written in one way`",
        "- `what is written or in …`",
    ]


def test_the_page_has_the_errors_of_every_room(messages: Any) -> None:
    page = messages.page(ROOT / "nbassist")
    assert page.count("\n- `") > 250
    for said in (
        "the embedded server is not installed: …",
        "code that the model runs can't ask or change the assistant",
        "the journal has no run …; %assistant log lists them, and so does nbassist log",
    ):
        assert said in page


def test_the_links_to_more_lead_to_headings_that_are_there(messages: Any) -> None:
    import re

    page = messages.page(ROOT / "nbassist")
    anchors = set(re.findall(r"troubleshooting\.md#([\w-]+)", page))
    heads = re.findall(r"^### `(.+)`$", (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8"), re.M)
    assert anchors <= {messages._anchor(head) for head in heads}
    assert len(anchors) > 8
