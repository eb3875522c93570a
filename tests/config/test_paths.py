"""Where files lie: on this machine or on another."""

from __future__ import annotations

from pathlib import Path

import pytest

from nbassist.config.paths import is_remote

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
