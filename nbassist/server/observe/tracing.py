"""Spans of OpenTelemetry, named by its conventions for generative AI; nothing where the package is not installed.

The package alone does nothing, either: `opentelemetry-instrument nbassist serve …` sends them where its variables say.
Prompts and replies are in no span.

Source: OpenTelemetry's semantic conventions, "Generative AI", spans for inference and for agents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

try:
    from opentelemetry import trace
    from opentelemetry.trace import SpanKind, Status, StatusCode
except ImportError:
    trace = None  # type: ignore[assignment,unused-ignore]

_NAME = "nbassist.server"


class Span:
    """A span that may be none."""

    def __init__(self, span: Any = None) -> None:
        self._span = span

    def set(self, **attributes: Any) -> None:
        """Set attributes, whose dots are written as two underscores; None is left out."""
        if self._span is not None:
            for name, value in attributes.items():
                if value is not None:
                    self._span.set_attribute(name.replace("__", "."), value)

    def fail(self, code: str) -> None:
        """Mark it as failed."""
        if self._span is not None:
            self._span.set_attribute("error.type", code)
            self._span.set_status(Status(StatusCode.ERROR, code))


@contextmanager
def run_span(run: Mapping[Any, Any]) -> Iterator[Span]:
    """Open the span of a turn of a run, by an agent that is the assistant."""
    attributes = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.provider.name": "nbassist",
        "gen_ai.agent.id": run["assistant_id"],
        "gen_ai.conversation.id": run["thread_id"],
        "gen_ai.request.model": run["model"],
        "nbassist.run.id": run["id"],
    }
    with _span(f"invoke_agent {run['assistant_id']}", attributes, client=False) as span:
        yield span


@contextmanager
def chat_span(model: str, url: str) -> Iterator[Span]:
    """Open the span of one request to the upstream at `url`, which is empty for an engine of ours."""
    if trace is None:
        yield Span()
        return
    place = urlsplit(url)
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": model,
        "server.address": place.hostname,
        "server.port": place.port,
    }
    with _span(f"chat {model}".rstrip(), attributes, client=True) as span:
        yield span


@contextmanager
def _span(name: str, attributes: Mapping[str, Any], *, client: bool) -> Iterator[Span]:
    if trace is None:
        yield Span()
        return
    given = {key: value for key, value in attributes.items() if value is not None and value != ""}
    kind = SpanKind.CLIENT if client else SpanKind.INTERNAL
    with trace.get_tracer(_NAME).start_as_current_span(name, kind=kind, attributes=given) as span:
        yield Span(span)
