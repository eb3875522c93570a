"""Where files lie: on this machine or on another."""

from __future__ import annotations

import sqlite3
from pathlib import Path, PurePath, PureWindowsPath

import pytest

from nbassist.config.paths import is_remote, on_network_drive, read_only_uri

MOUNTS = r"""
/dev/sda1 / ext4 rw 0 0
server:/data /data nfs4 rw,vers=4.2 0 0
tmpfs /data/tmp tmpfs rw 0 0
//nas/share /mnt/my\040share cifs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "remote"),
    [
        ("/var/lib/journal.db", False),
        ("/data/nbassist/journal.db", True),
        ("/data/tmp/journal.db", False),
        ("/database/journal.db", False),
        ("/mnt/my share/journal.db", True),
    ],
)
def test_the_nearest_mount_says_where_a_file_is(path: str, remote: bool, tmp_path: Path) -> None:
    (tmp_path / "mounts").write_text(MOUNTS, encoding="utf-8")
    assert is_remote(Path(path), tmp_path / "mounts") is remote


def test_where_nothing_is_told_of_mounts_a_file_is_here(tmp_path: Path) -> None:
    assert not is_remote(Path("/data/journal.db"), tmp_path / "none")


def test_a_share_of_windows_is_elsewhere(tmp_path: Path) -> None:
    assert is_remote(Path(r"\\nas\share\journal.db"), tmp_path / "none")


class Kernel32:
    """Windows' library, which knows drives by their roots: 3 is a disk of this machine, 4 one of another."""

    def GetDriveTypeW(self, root: str) -> int:  # noqa: N802
        return {"C:\\": 3, "H:\\": 4}[root]


@pytest.mark.parametrize(("path", "remote"), [(r"C:\data\j.db", False), (r"H:\nbassist\journal.db", True)])
def test_a_share_that_windows_gave_a_letter_is_elsewhere_too(path: str, remote: bool) -> None:
    assert on_network_drive(PureWindowsPath(path), Kernel32()) is remote


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        (PureWindowsPath(r"\\nas\share\my journal.db"), "file:////nas/share/my%20journal.db?mode=ro"),
        (PureWindowsPath(r"C:\data\j.db"), "file:///C:/data/j.db?mode=ro"),
    ],
)
def test_sqlite_gets_no_name_of_another_machine_in_an_address(path: PurePath, uri: str) -> None:
    assert read_only_uri(path) == uri


def test_a_file_is_opened_to_be_read_by_its_address(tmp_path: Path) -> None:
    file = tmp_path / "a?b #c.db"
    with sqlite3.connect(file) as made:
        made.execute("PRAGMA user_version = 7")
    made.close()
    opened = sqlite3.connect(read_only_uri(file), uri=True)
    assert opened.execute("PRAGMA user_version").fetchone() == (7,)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        opened.execute("CREATE TABLE t (a)")
    opened.close()
