"""What the launcher does on Windows, as far as it can be seen elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from nbassist.server.process import lives_on_windows


class Kernel32:
    """The functions of Windows' library, as they are documented: a handle of 0 is none, and `code` is filled in."""

    def __init__(self, handle: int, code: int = 0, error: int = 0) -> None:
        self._handle, self._code, self._error = handle, code, error
        self.closed: list[int] = []

    def OpenProcess(self, access: int, inherit: bool, pid: int) -> int:  # noqa: N802
        return self._handle

    def GetLastError(self) -> int:  # noqa: N802
        return self._error

    def GetExitCodeProcess(self, handle: int, code: Any) -> int:  # noqa: N802
        code[0] = self._code
        return 1

    def CloseHandle(self, handle: int) -> int:  # noqa: N802
        self.closed.append(handle)
        return 1


@pytest.mark.parametrize(
    ("library", "lives"),
    [
        (Kernel32(7, code=259), True),
        (Kernel32(7, code=0), False),
        (Kernel32(0, error=87), False),
        (Kernel32(0, error=5), True),
    ],
    ids=["runs", "has ended", "never was", "is another person's"],
)
def test_whether_a_process_lives_is_asked_of_the_system(library: Kernel32, lives: bool) -> None:
    assert lives_on_windows(123, library) is lives
    assert library.closed == ([7] if library._handle else [])
