"""Whether what runs now is code that a model wrote: it does not ask the assistant in turn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ..errors import UsageError

_inside: ContextVar[bool] = ContextVar("nbassist_model_code", default=False)


@contextmanager
def model_code() -> Iterator[None]:
    """Mark what runs here as a model's code."""
    token = _inside.set(True)
    try:
        yield
    finally:
        _inside.reset(token)


def check_not_inside() -> None:
    """Refuse to go on in a model's code.

    Raises
    ------
    UsageError
        Where it is one.
    """
    if _inside.get():
        raise UsageError("code that the model runs can't ask or change the assistant")
