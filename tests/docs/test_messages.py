"""The page of messages: every error is on it, in its own words."""

from __future__ import annotations

import re
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


@pytest.fixture(scope="module")
def page(messages: Any) -> str:
    return str(messages.page(ROOT / "nbassist"))


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
        "### `refused … by name: …`",
        "",
        "[more](troubleshooting.md#refused-by-name)",
        "",
        "### `what is written in one way`",
        "",
        "### `what is written or in …`",
    ]


def test_words_that_stand_elsewhere_than_in_the_raise_are_followed(messages: Any, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "troubleshooting.md").write_text("", encoding="utf-8")
    package = tmp_path / "package"
    package.mkdir()
    (package / "errors.py").write_text('class OddError(Exception):\n    """Something odd."""\n')
    (package / "words.py").write_text('HINT = "ask {who} about it"\n')
    (package / "code.py").write_text(
        "from .words import HINT\n"
        '_CUT = "it was cut in the middle"\n'
        "class _HeirError(OddError): ...\n"
        "def _chosen(x):\n"
        '    return "in the first way" if x else f"in that of {x}"\n'
        "def f(x):\n"
        "    if x:\n"
        '        words = "the words have a name"\n'
        "    raise OddError(words)\n"
        "def _g(what):\n"
        '    raise _HeirError(f"{what}: {_CUT}")\n'
        '_g("what a caller gives")\n'
        "error = OddError(HINT.format(who=1))\n"
        "error = OddError(f'it went {_chosen(error)}')\n"
        "def endless(x):\n"
        "    x = x + ' and so on'\n"
        "    raise OddError(x)\n"
    )
    assert [line for line in messages.page(package).splitlines() if line.startswith("### ")] == [
        "### `… and so on and so on and so on and so on and so on`",
        "### `ask … about it`",
        "### `it went in that of …`",
        "### `it went in the first way`",
        "### `the words have a name`",
        "### `what a caller gives: it was cut in the middle`",
    ]


WORDS_OF_OTHERS = {
    "backends/http/failures.py: message",  # of the endpoint
    "backends/http/failures.py: f'{base_url}: {message}'",
    "magics/line/flags.py: message",  # of argparse
    "sweep/remote/collecting.py: found",  # an error that was made elsewhere, and is told again
    "sweep/remote/dask.py: passed",
    "sweep/runner.py: passed[0]",
    "tools/schema/signature.py: f'{name}: {str(error).splitlines()[0]}'",  # of pydantic
}


def test_no_error_is_left_out_but_those_whose_words_are_all_of_others(messages: Any, page: str) -> None:
    package = ROOT / "nbassist"
    kinds = messages.classes(package)
    left_out = {place for place, _, said in messages.made(package, set(kinds)) if not said}
    assert left_out == WORDS_OF_OTHERS
    heads = [line.removeprefix("## ") for line in page.splitlines() if line.startswith("## ")]
    assert heads == [name for name in kinds if name != "NbassistError"], "each class of the tree has its part"


def test_the_page_has_the_errors_of_every_room(page: str) -> None:
    assert page.count("\n### `") > 250
    for said in (
        "the embedded server is not installed: pip install …",
        "the embedded server is not installed: there is no package of its engine for Linux with musl; name an endpoint",
        "code that the model runs can't ask or change the assistant",
        "the journal has no run …; %assistant log lists them, and so does nbassist log",
        "no answer from …: …; is it running, and is base_url right?",
        "the reply broke off (what came is in _",
        "… refused the key (…); check api_key",
    ):
        assert said in page


def test_the_links_to_more_lead_to_headings_that_are_there(messages: Any, page: str) -> None:
    anchors = set(re.findall(r"troubleshooting\.md#([\w-]+)", page))
    heads = re.findall(r"^### `(.+)`$", (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8"), re.M)
    assert anchors <= {messages._anchor(head) for head in heads}
    assert len(anchors) > 8
