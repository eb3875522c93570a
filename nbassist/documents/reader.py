"""Reading a file in a process of its own, within limits of time, memory and length."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core import runtime_environment
from .file_types import decoded, kind_of, tidied

_MEMORY = 1024 * 1024 * 1024
_CPU_SECONDS = 60
_SECONDS = 120.0
NO_TEXT = "there is no text in it"
MOST_CHARACTERS = 20_000_000
"""Characters that are kept of a file; the hosted service kept 5,000,000 tokens."""
_ROOT = str(Path(__file__).resolve().parents[2])


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a file; `number` is None where a file of its kind has no pages."""

    number: int | None
    text: str


class UnreadableFileError(Exception):
    """A file that has no text for us; `code` is that of the wire: unsupported_file, invalid_file or server_error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """What reading one file may take: bytes of memory, seconds of the processor and of the clock, characters of text.

    The memory is address space, of which Python and its libraries take some 200 MB by themselves.
    """

    memory: int = _MEMORY
    cpu_seconds: int = _CPU_SECONDS
    seconds: float = _SECONDS
    characters: int = MOST_CHARACTERS


async def read_file(name: str, content: bytes, limits: ReadingLimits | None = None) -> list[Page]:
    """Return the pages of a file, one without a number for a file that has none.

    Raises
    ------
    UnreadableFileError
        Where there is no text in it, its kind is not read, it is broken, or reading it takes more than the limits.
    """
    limits = limits or ReadingLimits()
    kind = _kind(name, content)
    lines, killed = await _run(kind, content, limits)
    return _pages(name, lines, killed, limits)


def read_now(name: str, content: bytes, limits: ReadingLimits | None = None) -> list[Page]:
    """Return the pages of a file, and wait for them; errors as in `read_file`. Plain text is read without a process."""
    limits = limits or ReadingLimits()
    kind = _kind(name, content)
    if kind == "text":
        text = tidied(decoded(content))[: limits.characters]
        return _pages(name, [{"page": None, "text": text}, {"end": "" if text else NO_TEXT}], False, limits)
    if not runtime_environment.THREADS:
        why = "what is no plain text is read in a process, and a browser has none"
        raise UnreadableFileError("unsupported_file", f"{name!r} can't be read: {why}")
    try:
        done = subprocess.run(
            _command(kind, limits),
            input=content,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            cwd=os.path.abspath(os.sep),
            timeout=limits.seconds,
            check=False,
        )
        return _pages(name, _lines(done.stdout), False, limits)
    except subprocess.TimeoutExpired:
        return _pages(name, [], True, limits)


def _kind(name: str, content: bytes) -> str:
    kind = kind_of(name, content)
    if kind is None:
        raise UnreadableFileError("unsupported_file", f"{name!r} is no file whose text can be read")
    return kind


def _pages(name: str, lines: list[dict[str, Any]], killed: bool, limits: ReadingLimits) -> list[Page]:
    end = lines.pop()["end"] if lines and "end" in lines[-1] else None
    if end is None:
        why = f"it takes longer than {limits.seconds:g} s" if killed else "its reader died, or it takes too much"
        raise UnreadableFileError("invalid_file", f"{name!r} can't be read: {why}")
    if end:
        code = "unsupported_file" if "pip install" in end else "invalid_file"
        raise UnreadableFileError(code, f"{name!r} can't be read: {end}")
    return [Page(line["page"], line["text"]) for line in lines]


async def _run(kind: str, content: bytes, limits: ReadingLimits) -> tuple[list[dict[str, Any]], bool]:
    """Run the child; return the lines it said, and whether it was ended for the time that it took."""
    child = await asyncio.create_subprocess_exec(
        *_command(kind, limits),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=_environment(),
        cwd=os.path.abspath(os.sep),
    )
    try:
        async with asyncio.timeout(limits.seconds):
            said, _ = await child.communicate(content)
        killed = False
    except TimeoutError:
        said, killed = b"", True
    finally:
        # Also where this task is cancelled: the child is not to outlive its server.
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()
    return _lines(said), killed


def _command(kind: str, limits: ReadingLimits) -> list[str]:
    numbers = (str(limits.memory), str(limits.cpu_seconds), str(limits.characters))
    return [sys.executable, "-P", "-m", f"{__package__}.reader_process", kind, *numbers]


def _lines(said: bytes) -> list[dict[str, Any]]:
    lines = []
    for line in said.splitlines():
        with contextlib.suppress(ValueError):
            lines.append(json.loads(line))
    return lines


def _environment() -> dict[str, str]:
    # Nothing of the server's: its keys stand there.
    kept = {name: os.environ[name] for name in ("SYSTEMROOT", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "PYTHONPATH": _ROOT, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8"}
