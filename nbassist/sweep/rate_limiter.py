"""`Pace`: how fast a sweep may go: runs at once, requests and tokens a minute, one wait for all when it is too fast."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

_WINDOW = 60.0  # seconds


class Pace:
    """Lets runs begin.

    Parameters
    ----------
    jobs : int
        Runs at once.
    rpm, tpm : int
        Requests, and tokens, in any minute; 0 for no limit.
    clock : callable
        Seconds; for tests.
    """

    def __init__(self, jobs: int, *, rpm: int = 0, tpm: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self.jobs = jobs
        self._rpm = rpm
        self._tpm = tpm
        self._clock = clock
        self._slots = asyncio.Semaphore(jobs)
        self._begun: list[float] = []
        self._spent: list[tuple[float, int]] = []
        self._closed_until = 0.0
        self.lent = 0

    async def begin(self) -> PaceSlot:
        """Wait until the next run may begin, and return its place among those that run."""
        await self._slots.acquire()
        try:
            # Asked again after each sleep: others may have begun meanwhile, and the endpoint may have said to wait.
            while (wait := self.seconds_to_wait()) > 0:
                await asyncio.sleep(wait)
        except BaseException:
            self._slots.release()
            raise
        self._begun.append(self._clock())
        return PaceSlot(self)

    def release(self) -> None:
        """Let another run begin."""
        self._slots.release()

    def hold(self, seconds: float) -> None:
        """Let nothing begin for so long: the endpoint said that it is too fast."""
        self._closed_until = max(self._closed_until, self._clock() + seconds)

    def spend(self, tokens: int) -> None:
        """Count the tokens of a run that ended."""
        if self._tpm:
            self._spent.append((self._clock(), tokens))

    def seconds_to_wait(self) -> float:
        """Return how long the next run has to wait; 0 where it may begin."""
        now = self._clock()
        wait = self._closed_until - now
        if self._rpm:
            self._begun = [at for at in self._begun if at > now - _WINDOW]
            if len(self._begun) >= self._rpm:
                wait = max(wait, self._begun[-self._rpm] + _WINDOW - now)
        if self._tpm:
            self._spent = [(at, tokens) for at, tokens in self._spent if at > now - _WINDOW]
            total = sum(tokens for _, tokens in self._spent)
            # Until so many of the oldest have left the window that what is left is below the limit.
            for at, tokens in self._spent:
                if total < self._tpm:
                    break
                wait = max(wait, at + _WINDOW - now)
                total -= tokens
        return max(wait, 0.0)


class PaceSlot:
    """The place of one run among those that run at once.

    A run that only waits to ask again lends its place to another, so that what fails by itself holds up nobody; no more
    places are lent than there are, or an endpoint that is down would have all runs on it.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._lent = False

    def lend(self) -> None:
        """Let another run begin while this one waits."""
        if not self._lent and self._pace.lent < self._pace.jobs:
            self._lent = True
            self._pace.lent += 1
            self._pace.release()

    def __enter__(self) -> PaceSlot:
        return self

    def __exit__(self, *_: object) -> None:
        if self._lent:
            self._pace.lent -= 1
        else:
            self._pace.release()
