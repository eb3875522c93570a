"""Ids in the form of the hosted service: a prefix and 24 letters and digits."""

from __future__ import annotations

import secrets
import string

_LETTERS = string.ascii_letters + string.digits
_LENGTH = 24


def new_id(prefix: str) -> str:
    """Return a new id such as `run_oyfV44CrJXYJkvb2qsd80LvJ` for the prefix `run`."""
    number, letters = secrets.randbits(6 * _LENGTH), []
    for _ in range(_LENGTH):
        number, digit = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[digit])
    return f"{prefix}_{''.join(letters)}"
