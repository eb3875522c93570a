"""What stands in the place of `sys.stdout`, `sys.stderr`, `input` and the shell's display publisher during a call.

Each looks, at each use, for the capture of the context in which it is used; where there is none, what is written,
shown or asked goes where it always went.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from typing import Any, Protocol

_MARK = "__nbassist_real__"


class Sink(Protocol):
    """Where the output of one call is kept."""

    def may_ask(self) -> bool: ...

    def write(self, text: str) -> None: ...

    def publish(self, data: Mapping[str, Any], display_id: str = "", *, update: bool = False) -> None: ...

    def clear(self, wait: bool) -> None: ...


Find = Callable[[], Sink | None]
"""Finds the sink of the context in which it is called; None outside of calls."""


def put(find: Find, outside: Callable[[], AbstractContextManager[None]], shell: Any) -> None:
    """Put the stand-ins in place, each where it does not stand yet: a call given up may have left its own.

    Parameters
    ----------
    find : callable
        Finds where the output of the context belongs.
    outside : callable
        A context in which nothing is captured: a question is for the person, and not for the call's panel.
    shell : InteractiveShell or None
        The running shell of IPython.
    """
    for name in ("stdout", "stderr"):
        if not isinstance(getattr(sys, name), _Stream):
            _hold(getattr(sys, name), find)
            setattr(sys, name, _Stream(getattr(sys, name), find))
    if not isinstance(builtins.input, _Input):
        builtins.input = _Input(builtins.input, find, outside)
    if shell is not None and not isinstance(shell.display_pub, _Publisher):
        shell.display_pub = _Publisher(shell.display_pub, find)


def take_away(shell: Any) -> None:
    """Take the stand-ins away; what a tool put in their place and left there stays."""
    for name in ("stdout", "stderr"):
        if isinstance(stand_in := getattr(sys, name), _Stream):
            setattr(sys, name, stand_in.stream)
            _let_go(stand_in.stream)
    if isinstance(builtins.input, _Input):
        builtins.input = builtins.input.real
    if shell is not None and isinstance(shell.display_pub, _Publisher):
        shell.display_pub = shell.display_pub.publisher


def _hold(stream: Any, find: Find) -> None:
    """Look at what is written to the stream itself, too: handlers of logging keep the one of when they were made."""
    real = getattr(stream, "write", None)
    if real is None or hasattr(real, _MARK):
        return

    def write(text: str) -> int:
        capture = find()
        if capture is None or not isinstance(text, str):
            return int(real(text) or 0)
        capture.write(text)
        return len(text)

    # IPython has a function of its own there while a cell runs, which is to be there again.
    setattr(write, _MARK, real if "write" in getattr(stream, "__dict__", ()) else None)
    # A terminal's stream takes no attributes; a kernel's does.
    with suppress(AttributeError):
        stream.write = write


def _let_go(stream: Any) -> None:
    real = getattr(getattr(stream, "write", None), _MARK, stream)
    if real is None:
        del stream.write  # the class's own is there again
    elif real is not stream:
        stream.write = real


class _Stream:
    """Stands in for `sys.stdout` or `sys.stderr`."""

    def __init__(self, stream: Any, find: Find) -> None:
        self.stream = stream
        self._find = find

    def write(self, text: str) -> int:
        capture = self._find()
        if capture is None:
            return int(self.stream.write(text) or 0)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        capture.write(text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def close(self) -> None:
        if self._find() is None and self.stream is not None:
            self.stream.close()  # a tool that closes it would close the kernel's own

    def flush(self) -> None:
        if self._find() is None and self.stream is not None:
            self.stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class _Publisher:
    """Stands in for the shell's display publisher."""

    def __init__(self, publisher: Any, find: Find) -> None:
        # Past `__setattr__`, which hands everything on to the real one.
        self.__dict__.update(publisher=publisher, _find=find)

    def publish(self, data: Any, metadata: Any = None, *args: Any, **kwargs: Any) -> None:
        capture = self._find()
        if capture is None:
            self.publisher.publish(data, metadata, *args, **kwargs)
            return
        display_id = str((kwargs.get("transient") or {}).get("display_id", ""))
        capture.publish(data, display_id, update=bool(kwargs.get("update")))

    @property
    def is_capturing(self) -> bool:
        """Whether what is displayed here goes to the panel of a call."""
        return self._find() is not None

    def clear_output(self, wait: bool = False) -> None:
        capture = self._find()
        if capture is None:
            self.publisher.clear_output(wait)
        else:
            capture.clear(wait)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.publisher, name)

    def __setattr__(self, name: str, value: Any) -> None:
        # Whoever sets something on the shell's publisher means the real one.
        setattr(self.publisher, name, value)


class _Input:
    """Stands in for `input`."""

    def __init__(self, real: Any, find: Find, outside: Callable[[], AbstractContextManager[None]]) -> None:
        self.real = real
        self._find = find
        self._outside = outside

    def __call__(self, prompt: object = "", /) -> str:
        capture = self._find()
        if capture is not None and not capture.may_ask():
            raise EOFError("no one can answer input() here")
        with self._outside():
            return str(self.real(prompt))
