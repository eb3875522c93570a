"""Whether what runs now is code that a model wrote: it does not ask the assistant in turn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import UsageError
from ..tools.guards import of_a_model


@contextmanager
def model_code() -> Iterator[None]:
    """Mark what runs here as a model's code."""
    token = of_a_model.set(True)
    try:
        yield
    finally:
        of_a_model.reset(token)


def check_not_inside() -> None:
    """Refuse to go on in a model's code.

    Raises
    ------
    UsageError
        Where it is one.
    """
    if of_a_model.get():
        raise UsageError("code that the model runs can't ask or change the assistant")
