"""Ids in the form of the hosted service: a prefix and 24 letters and digits."""

from __future__ import annotations

import secrets
import string

_LETTERS = string.ascii_letters + string.digits


def new_id(prefix: str) -> str:
    """Return a new id such as `run_oyfV44CrJXYJkvb2qsd80LvJ` for the prefix `run`."""
    return f"{prefix}_{''.join(secrets.choice(_LETTERS) for _ in range(24))}"
