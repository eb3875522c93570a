"""Whose token it is, the server's own or a named one of the store, and how often one may ask."""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..store.database import Database
from . import stored_tokens

MAIN = ""
"""The owner whose token is the server's own; what was there before there were names is theirs."""
_REMEMBERED_SECONDS = 2.0
"""How long a token that was revoked may still be taken."""
_MOST = 4096


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks: `owner` has assistants, threads and files of its own; `per_minute` is 0 where there is no limit."""

    owner: str
    per_minute: int = 0


class Tokens:
    """The tokens of one server.

    Parameters
    ----------
    main : str
        The server's own.
    per_minute : int
        How many requests a token may make where its own limit says nothing; 0 for any number.
    """

    def __init__(self, main: str, per_minute: int = 0) -> None:
        self._main = main.encode()
        self._per_minute = per_minute
        self._known: dict[str, tuple[float, Identity | None]] = {}

    async def find(self, token: str, database: Database) -> Identity | None:
        """Return whose token it is; None where it is nobody's.

        Raises
        ------
        sqlalchemy.exc.SQLAlchemyError
            Where the store can't be asked.
        """
        # In constant time, and as bytes: of strings it takes ASCII alone.
        if hmac.compare_digest(token.encode(), self._main):
            return Identity(MAIN, self._per_minute)
        key, now = digest(token), time.monotonic()
        held = self._known.get(key)
        if held is None or now - held[0] > _REMEMBERED_SECONDS:
            row = await database.read(stored_tokens.find, key)
            found = row and Identity(row["name"], self._per_minute if row["per_minute"] is None else row["per_minute"])
            if len(self._known) >= _MOST:
                self._known.clear()
            held = self._known[key] = (now, found or None)
        return held[1]


def new_token() -> str:
    """Return a new token; it is shown once and kept nowhere."""
    return f"nba_{secrets.token_urlsafe(32)}"


def digest(token: str) -> str:
    """Return what is kept of a token. It has 256 random bits, so a plain digest is as good as a slow one."""
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Rates:
    """The requests of each token in one process.

    A bucket holds a minute's requests and fills evenly, so a burst of that many passes, and after it the rate holds.

    Parameters
    ----------
    share : int
        Among how many processes the requests are divided.
    clock : callable
        Gives seconds.
    """

    def __init__(self, share: int = 1, clock: Callable[[], float] = time.monotonic) -> None:
        self._share = share
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def take(self, owner: str, per_minute: int) -> tuple[int, float]:
        """Count one request.

        Returns
        -------
        (left, wait) : (int, float)
            How many more may come at once, and where there was none left, the seconds until the next may; else 0.
        """
        most = max(1.0, per_minute / self._share)
        now = self._clock()
        bucket = self._buckets.setdefault(owner, _Bucket(most, now))
        bucket.left = min(most, bucket.left + (now - bucket.at) * most / 60)
        bucket.at = now
        if bucket.left < 1:
            return 0, (1 - bucket.left) * 60 / most
        bucket.left -= 1
        return math.floor(bucket.left), 0.0
