"""Figures for Prometheus, by its own client; several processes of one server write theirs to a folder and are summed.

Names follow Prometheus' conventions: a unit at the end, `_total` for what only grows.
"""

from __future__ import annotations

import os

from ...core.events import Usage

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600)


class Metrics:
    """The figures of one process.

    Raises
    ------
    ImportError
        Where the package prometheus-client is not installed.
    """

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self._registry = registry = CollectorRegistry()
        of_request = ("operation", "method", "status")
        self._requests = Counter("nbassist_requests", "Requests answered", of_request, registry=registry)
        self._seconds = Histogram(
            "nbassist_request_seconds",
            "Time to the end of an answer",
            ("operation",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._runs = Counter("nbassist_runs", "Turns of runs that ended, by status", ("status",), registry=registry)
        self._active = Gauge(
            "nbassist_runs_active", "Runs being worked on", registry=registry, multiprocess_mode="livesum"
        )
        self._tokens = Counter("nbassist_tokens", "Tokens as the upstream counts them", ("kind",), registry=registry)
        self._first = Histogram(
            "nbassist_first_event_seconds",
            "Time from a turn's begin to the model's first word",
            buckets=_SECONDS,
            registry=registry,
        )
        self._upstream_errors = Counter(
            "nbassist_upstream_errors", "Turns that the upstream refused or broke", ("code",), registry=registry
        )

    def request(self, operation: str, method: str, status: int, seconds: float) -> None:
        """Count an answer; status 0 is a client that left before it."""
        self._requests.labels(operation, method if method in _METHODS else "other", str(status)).inc()
        self._seconds.labels(operation).observe(seconds)

    def active(self, runs: int) -> None:
        """Tell how many runs are being worked on."""
        self._active.set(runs)

    def first_event(self, seconds: float) -> None:
        """Tell how long the model took to its first word."""
        self._first.observe(seconds)

    def turn(self, status: str, usage: Usage | None, error: str = "") -> None:
        """Count a turn: the status its run has now, the tokens it took, and the code of its error."""
        self._runs.labels(status).inc()
        if usage:
            self._tokens.labels("prompt").inc(usage.input_tokens)
            self._tokens.labels("completion").inc(usage.output_tokens)
        if error:
            self._upstream_errors.labels(error).inc()

    def render(self) -> tuple[bytes, str]:
        """Return the figures of all processes in Prometheus' text form, and its content type."""
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = self._registry
        if os.environ.get(_FOLDER):
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST


_METHODS = ("GET", "POST", "DELETE", "OPTIONS", "HEAD", "PUT", "PATCH")
