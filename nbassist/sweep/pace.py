"""How fast a sweep may go: runs at once, requests and tokens a minute, and one wait for all where it is too fast."""

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

    async def __aenter__(self) -> Pace:
        await self._slots.acquire()
        try:
            while (wait := self.seconds_to_wait()) > 0:
                await asyncio.sleep(wait)
        except BaseException:
            self._slots.release()
            raise
        self._begun.append(self._clock())
        return self

    async def __aexit__(self, *_: object) -> None:
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
            for at, tokens in self._spent:
                if total < self._tpm:
                    break
                wait = max(wait, at + _WINDOW - now)
                total -= tokens
        return max(wait, 0.0)
