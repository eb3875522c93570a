"""Reads of a connection in steps, so that Stop need not wait for the endpoint's next bytes; see `core.interrupts`."""

from __future__ import annotations

import threading
import time
from importlib import import_module
from typing import Any

from ...core.interrupts import STEP
from .http_package import httpx


def read_in_steps(client: httpx.Client) -> None:
    """Have what `client` opens from now on read in steps where it is the main thread that waits.

    The package takes a network of one's own only below the client that we are given, so this is put in from outside;
    where it is built otherwise, as in a browser, it is left as it is.
    """
    mounts = getattr(client, "_mounts", {})
    for transport in (getattr(client, "_transport", None), *mounts.values()):
        pool = getattr(transport, "_pool", None)
        network = getattr(pool, "_network_backend", None)
        if pool is not None and network is not None:
            core = import_module(type(network).__module__.partition(".")[0])
            pool._network_backend = _Network(network, core.ReadTimeout)


class _Network:
    """A network whose connections are read in steps; all else is that of `network`."""

    def __init__(self, network: Any, time_is_up: type[Exception]) -> None:
        self._network, self._time_is_up = network, time_is_up

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def connect_tcp(self, *arguments: Any, **options: Any) -> _Connection:
        return _Connection(self._network.connect_tcp(*arguments, **options), self._time_is_up)

    def connect_unix_socket(self, *arguments: Any, **options: Any) -> _Connection:
        return _Connection(self._network.connect_unix_socket(*arguments, **options), self._time_is_up)


class _Connection:
    """A connection that is read in steps; all else is that of `stream`."""

    def __init__(self, stream: Any, time_is_up: type[Exception]) -> None:
        self._stream, self._time_is_up = stream, time_is_up

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def start_tls(self, *arguments: Any, **options: Any) -> _Connection:
        return _Connection(self._stream.start_tls(*arguments, **options), self._time_is_up)

    def read(self, max_bytes: int, timeout: float | None = None) -> Any:
        """Read what comes within `timeout` seconds."""
        if threading.current_thread() is not threading.main_thread():
            return self._stream.read(max_bytes, timeout)
        end = float("inf") if timeout is None else time.monotonic() + timeout
        while True:
            try:
                # A read that nothing came for took nothing, with TLS neither: it can be made again.
                return self._stream.read(max_bytes, max(0.001, min(STEP, end - time.monotonic())))
            except self._time_is_up:
                if time.monotonic() >= end:
                    raise
