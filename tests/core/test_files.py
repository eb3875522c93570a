"""Files that are put into the place of others."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from nbassist.core import files
from nbassist.core.files import put_in_place


def test_a_file_takes_the_place_of_another(tmp_path: Path) -> None:
    (tmp_path / "draft").write_text("new", encoding="utf-8")
    (tmp_path / "kept").write_text("old", encoding="utf-8")
    put_in_place(tmp_path / "draft", tmp_path / "kept")
    assert [file.name for file in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept").read_text(encoding="utf-8") == "new"


def test_a_target_that_is_open_elsewhere_for_a_moment_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, refusals = os.replace, [PermissionError(13, "in use"), PermissionError(13, "in use")]

    def of_windows(*names: Any) -> None:
        if refusals:
            raise refusals.pop()
        replace(*names)

    monkeypatch.setattr(os, "replace", of_windows)
    (tmp_path / "draft").write_text("new", encoding="utf-8")
    put_in_place(tmp_path / "draft", tmp_path / "kept", busy=PermissionError)
    assert (tmp_path / "kept").read_text(encoding="utf-8") == "new"


@pytest.mark.parametrize("busy", [PermissionError, None])
def test_one_that_stays_so_is_an_error_and_the_draft_is_kept(
    busy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*names: Any) -> None:
        raise PermissionError(13, "in use")

    monkeypatch.setattr(os, "replace", refused)
    monkeypatch.setattr(files, "_PATIENCE", 0.05)
    (tmp_path / "draft").write_text("new", encoding="utf-8")
    with pytest.raises(PermissionError):
        put_in_place(tmp_path / "draft", tmp_path / "kept", busy=busy)
    assert (tmp_path / "draft").exists()
