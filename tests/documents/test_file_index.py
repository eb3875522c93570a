"""The files of a notebook: added by path, folder and glob, searched, and read anew once they change."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbassist.documents import embedding_cache
from nbassist.documents.embedding_cache import KeptVectors
from nbassist.documents.file_index import FileIndex, distinct_names
from nbassist.errors import ModelFileError, UsageError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/bees.md").write_text("# Bees\n\nBees make honey in summer.")
    (tmp_path / "notes/cows.txt").write_text("Cows give milk and eat grass.")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/config").write_text("honey")
    return tmp_path


def names(index: FileIndex, query: str) -> list[str]:
    return [passage.path.name for passage in index.search(query)]


def change(path: Path, text: str) -> None:
    later = path.stat().st_mtime + 5
    path.write_text(text)
    os.utime(path, (later, later))


def test_files_folders_and_globs_are_added_and_found_by_their_words(folder: Path) -> None:
    index = FileIndex()
    assert [file.path.name for file in index.add(["notes"])] == ["bees.md", "cows.txt"]
    assert [file.path.name for file in FileIndex().add(["notes/*.md"])] == ["bees.md"]
    assert [file.path.name for file in FileIndex().add([folder / "notes/cows.txt"])] == ["cows.txt"]
    assert names(index, "Who makes honey?") == ["bees.md"]
    assert names(index, "grass for a cow") == ["cows.txt"]
    assert names(index, "quantum mechanics") == names(index, "") == []


def test_files_of_one_name_in_folders_of_one_name_have_names_of_their_own(tmp_path: Path) -> None:
    for year in ("2025", "2026"):
        (tmp_path / year / "notes").mkdir(parents=True)
        (tmp_path / year / "notes/bees.md").write_text(f"Bees of {year} make honey.")
    (tmp_path / "bees.md").write_text("Bees make honey.")
    (tmp_path / "ants.md").write_text("Ants eat honey.")
    index = FileIndex()
    index.add([tmp_path])
    found = {passage.name for passage in index.search("honey")}
    assert found == {"2025/notes/bees.md", "2026/notes/bees.md", f"{tmp_path.name}/bees.md", "ants.md"}


@given(
    st.sets(st.lists(st.sampled_from("ab"), min_size=1, max_size=4).map(lambda parts: Path("/", *parts)), max_size=8)
)
def test_names_are_distinct_and_say_where_each_path_ends(paths: set[Path]) -> None:
    found = distinct_names(sorted(paths))
    assert set(found) == paths
    assert len(set(found.values())) == len(paths)
    assert all(f"/{path}".endswith(f"/{name.lstrip('/')}") for path, name in found.items())


def test_what_can_not_be_read_is_listed_with_its_reason_and_the_others_are_found(folder: Path) -> None:
    index = FileIndex()
    index.add(["."])
    assert {file.path.name: bool(file.trouble) for file in index.files} == {
        "bees.md": False,
        "cows.txt": False,
        "picture.png": True,
    }
    assert names(index, "honey") == ["bees.md"]


def test_what_changed_is_read_anew_and_what_is_new_in_a_folder_is_found(folder: Path) -> None:
    index = FileIndex()
    index.add(["notes"])
    change(folder / "notes/bees.md", "Wasps sting.")
    (folder / "notes/pigs.txt").write_text("Pigs find truffles.")
    (folder / "notes/cows.txt").unlink()
    assert names(index, "honey") == []
    assert names(index, "wasps") == ["bees.md"]
    assert names(index, "truffles") == ["pigs.txt"]
    assert names(index, "milk") == []
    assert [file.path.name for file in index.files] == ["bees.md", "pigs.txt"]


def test_files_are_removed_by_name_glob_and_folder(folder: Path) -> None:
    index = FileIndex()
    index.add(["notes"])
    assert [path.name for path in index.remove(["*.md"])] == ["bees.md"]
    assert names(index, "honey") == []
    index.remove(["notes"])
    assert len(index) == 0
    with pytest.raises(UsageError, match="matches"):
        index.remove(["nothing"])


def test_a_file_that_is_not_there_is_one_line(folder: Path) -> None:
    for pattern in ("nothing.txt", "*.pdf"):
        with pytest.raises(UsageError, match="there is no file"):
            FileIndex().add([pattern])


def test_passages_that_overlap_stand_once(folder: Path) -> None:
    text = "\n".join(f"Line {number} of the long report about honey and hives." for number in range(300))
    (folder / "long.txt").write_text(text)
    index = FileIndex()
    index.add(["long.txt"])
    found = index.search("honey", most=50)
    assert 1 < len(found) < index.files[0].chunks
    positions = [text.index(passage.text) for passage in found]
    ends = sorted((start, start + len(passage.text)) for start, passage in zip(positions, found, strict=True))
    assert all(end <= start for (_, end), (start, _) in pairwise(ends))


# --- by meaning


def of_animals(texts: Sequence[str]) -> list[list[float]]:
    """A model of two numbers: how much a text is of animals that fly, and how much it is not."""
    flying = [any(word in text.lower() for word in ("bee", "insect", "wasp")) for text in texts]
    return [[float(flies), 1 - flies] for flies in flying]


def made(index: FileIndex, number: int) -> bool:
    assert index.meanings is not None
    deadline = time.monotonic() + 60
    while index.meanings.progress != (number, number):
        assert time.monotonic() < deadline, index.meanings.trouble
        time.sleep(0.01)
    return True


def test_a_passage_is_found_by_its_meaning_without_a_word_in_common(folder: Path) -> None:
    index = FileIndex(of_animals)
    index.add(["notes"])
    assert made(index, 2)
    assert names(index, "insects")[0] == "bees.md"
    assert names(index, "grass for a cow")[0] == "cows.txt"
    change(folder / "notes/bees.md", "Pigs find truffles.")
    change(folder / "notes/cows.txt", "Wasps sting.")
    index.refresh()
    assert made(index, 2)
    assert names(index, "insects")[0] == "cows.txt"
    index.remove(["cows.txt"])
    assert names(index, "insects") == ["bees.md"]
    assert made(index, 1)


def test_vectors_are_kept_for_the_next_kernel_by_what_the_passages_say(folder: Path) -> None:
    path = folder / "kept/vectors.db"
    asked: list[str] = []

    def embed(texts: Sequence[str]) -> list[list[float]]:
        asked.extend(texts)
        return of_animals(texts)

    for model, new in (("m", 2), ("m", 0), ("other", 2)):
        asked.clear()
        index = FileIndex(embed, KeptVectors(lambda: path, model))
        index.add(["notes"])
        assert made(index, 2)
        assert len(asked) == new
        assert names(index, "insects")[0] == "bees.md"


def test_vectors_that_were_unused_for_longest_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_cache, "_DAY", 0.0)  # a use is written down once a day
    kept = KeptVectors(lambda: tmp_path / "v.db", "m", most=100)
    for text in ("a", "b"):
        kept.keep(text, np.ones((1, 20), dtype=np.float32))
    other = KeptVectors(lambda: tmp_path / "v.db", "m", most=100)
    assert other.find("a") is not None
    other.keep("c", np.ones((1, 5), dtype=np.float32))
    assert [other.find(text) is not None for text in "abc"] == [True, False, True]


def test_a_damaged_file_of_vectors_is_begun_anew_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "data" / "vectors.db"
    kept = KeptVectors(lambda: path, "m")
    kept.keep("a", np.ones((1, 5), dtype=np.float32))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.write_bytes(b"no database" * 100)
    kept.keep("b", np.ones((1, 5), dtype=np.float32))
    assert kept.trouble == ""
    assert [KeptVectors(lambda: path, "m").find(text) is not None for text in "ab"] == [False, True]


def test_another_kernel_that_holds_the_file_of_vectors_costs_one_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding_cache, "_PATIENCE", 0.05)
    kept = KeptVectors(lambda: tmp_path / "v.db", "m")
    kept.keep("a", np.ones((1, 5), dtype=np.float32))
    other = sqlite3.connect(tmp_path / "v.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert kept.find("a") is None
    other.execute("ROLLBACK")
    other.close()
    assert kept.find("a") is not None


def test_where_nothing_can_be_kept_vectors_are_made_all_the_same(folder: Path) -> None:
    path = folder / "vectors.db"
    path.mkdir()
    kept = KeptVectors(lambda: path, "m")
    index = FileIndex(of_animals, kept)
    index.add(["notes"])
    assert made(index, 2)
    assert kept.trouble


def test_where_nothing_gives_vectors_words_alone_count_and_the_reason_is_kept(folder: Path) -> None:
    def refuse(texts: Sequence[str]) -> list[list[float]]:
        raise ModelFileError("the model is not on this machine")

    index = FileIndex(refuse)
    index.add(["notes"])
    assert index.meanings is not None
    deadline = time.monotonic() + 60
    while not index.meanings.trouble and time.monotonic() < deadline:
        time.sleep(0.01)
    assert names(index, "Who makes honey?") == ["bees.md"]
    assert names(index, "insects") == []
    assert "not on this machine" in index.meanings.trouble
    assert index.meanings.progress == (0, 2)
