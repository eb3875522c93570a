"""`%assistant files` in a real kernel: the model searches the notebook's files over Chat Completions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.kernel
CHAT = "/chat/completions"


@pytest.fixture
def notes(kernel: Any) -> Iterator[Path]:
    folder = Path(kernel.run("import os\nos.getcwd()").result.strip("'")) / "notes"
    folder.mkdir(exist_ok=True)
    (folder / "bees.md").write_text("Bees make honey in summer.")
    (folder / "cows.txt").write_text("Cows give milk.")
    yield folder
    kernel.run("%assistant files remove *")


def test_files_are_added_searched_by_the_model_and_removed(kernel: Any, endpoint: Any, model: Any, notes: Path) -> None:
    shown = kernel.run("%assistant files add notes").result
    assert "bees.md" in shown
    assert "the model searches 2 files" in shown
    model([("search_files", {"query": "who makes honey"})], "Bees.【1†bees.md】")
    answer = kernel.run("%%assistant\nWho makes honey?")
    assert "<summary>bees.md</summary>" in answer.html
    assert "【" not in answer.plain.rpartition("Bees.")[2]
    first, second = endpoint.bodies(CHAT)[-2:]
    assert "search_files" in [tool["function"]["name"] for tool in first["tools"]]
    assert "Bees make honey in summer." in str(second["messages"][-1]["content"])
    assert "cows" not in str(second["messages"][-1]["content"])
    assert "cows.txt" in kernel.run("%assistant files remove *.md").result
    kernel.run("%assistant files remove *.txt")
    assert "search_files" not in str(kernel.run("%assistant tools").result)
    kernel.run("%assistant files add notes")


def test_a_mistake_in_files_is_one_line(kernel: Any, notes: Path) -> None:
    kernel.run("%assistant files add notes")
    for line, said in (
        ("add nothing.pdf", "there is no file nothing.pdf"),
        ("ad notes", "did you mean add?"),
        ("add", "add what?"),
        ("remove nothing", "matches 'nothing'"),
    ):
        ran = kernel.run(f"%assistant files {line}")
        assert ran.error is not None
        assert said in ran.error["evalue"]


def test_a_long_file_of_a_prompt_is_searched_and_a_short_one_sent(
    kernel: Any, endpoint: Any, model: Any, notes: Path
) -> None:
    (notes / "long.txt").write_text("grass\n" * 30_000 + "The zeppelin lands at noon.\n" + "hay\n" * 30_000)
    model([("search_attached_files", {"query": "zeppelin"})], "At noon.")
    kernel.run(f"%%assistant --file {notes / 'long.txt'} --file {notes / 'bees.md'}\nWhen does it land?")
    first, second = endpoint.bodies(CHAT)[-2:]
    prompt = str(first["messages"][-1]["content"])
    assert "long.txt is long" in prompt
    assert "Bees make honey" in prompt
    assert "grass\ngrass" not in prompt
    assert "The zeppelin lands at noon." in str(second["messages"][-1]["content"])
    model("Whole.")
    kernel.run(f"%%assistant --no-tools --file {notes / 'long.txt'}\nAnd now?")
    assert "grass\ngrass" in str(endpoint.bodies(CHAT)[-1]["messages"][-1]["content"])


@pytest.mark.model
def test_files_of_a_notebook_are_found_by_meaning_with_the_local_engine(kernel: Any, notes: Path) -> None:
    kernel.run("%assistant files add notes")
    code = (
        "import time\nfrom nbassist.magics.batteries import search_files\nindex = search_files.index()\n"
        "while not index.meanings.trouble and index.meanings.progress[0] < 2: time.sleep(0.1)\n"
        "index.meanings.trouble, [passage.path.name for passage in index.search('insects and flowers')]"
    )
    assert kernel.run(code).result == "('', ['bees.md', 'cows.txt'])"
    assert "all 2 passages can be found by meaning, too" in kernel.run("%assistant files").result
