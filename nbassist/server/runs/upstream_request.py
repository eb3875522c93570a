"""Asking the upstream for a turn, as it takes it: with another model where it has not this one, with less history."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any

from ...core.events import TextDelta, TurnEnded
from ..observe.metrics import Metrics
from ..observe.tracing import Span, chat_span
from ..store.leased_writes import Material
from ..store.prepared import Row
from .chat_request import chat_body, tool_names
from .event_translation import Turn
from .model_names import MODEL, ModelNames
from .upstream import ContextOverflowError, UnknownModelError, UpstreamError
from .upstream_client import UpstreamClient

# Each halves the history: a 64th of it is left after the last.
_TRIES_TO_FIT = 6


class Asking:
    """How turns are asked for.

    Parameters
    ----------
    client : UpstreamClient
        The model.
    names : ModelNames
        Which of its models answers.
    note : callable
        Writes notes into a run's metadata.
    metrics : Metrics, optional
        Where the time to the first word is counted.
    """

    def __init__(
        self,
        client: UpstreamClient,
        names: ModelNames,
        note: Callable[[Material, Mapping[str, str]], Awaitable[Material]],
        metrics: Metrics | None,
    ) -> None:
        self._client = client
        self._names = names
        self._note = note
        self._metrics = metrics

    async def ask(self, turn: Turn, material: Material, used: dict[str, Any], model: str) -> TurnEnded:
        """Give `turn` the events of a reply, and return its end.

        Raises
        ------
        UpstreamError
            Where there is no reply.
        """
        try:
            return await self._ask_model(turn, material, used, model)
        except UnknownModelError:
            instead = await self._names.after_refusal(model)
            if instead is None:
                raise
            material = await self._note(material, {MODEL: instead.note})
            return await self._ask_model(turn, material, used, instead.model)

    async def _ask_model(self, turn: Turn, material: Material, used: dict[str, Any], model: str) -> TurnEnded:
        run, upstream = material.run, self._client.upstream
        left = {name: run[f"max_{name}_tokens"] for name in ("prompt", "completion")}
        left = {name: most if most is None else most - used[f"{name}_tokens"] for name, most in left.items()}
        for shortened in range(_TRIES_TO_FIT + 1):
            body = chat_body(
                material,
                upstream,
                model=model,
                max_tokens=left["completion"],
                prompt_tokens=left["prompt"],
                shortened=shortened,
            )
            try:
                with chat_span(body.get("model", ""), getattr(upstream, "url", "")) as span:
                    return await self._read(turn, body, tool_names(material), span)
            # Raised before any output, so the history can be sent again, shorter, without anybody having seen anything.
            except ContextOverflowError:
                if shortened == _TRIES_TO_FIT or run["truncation_strategy"]["type"] != "auto":
                    raise
        raise AssertionError("the last try returns or raises")

    async def _read(self, turn: Turn, body: dict[str, Any], tools: tuple[str, ...], span: Span) -> TurnEnded:
        began, first = time.perf_counter(), True
        async with aclosing(self._client.events(body, tools)) as batches:
            async for events in batches:
                if first and events and self._metrics is not None:
                    self._metrics.first_event(time.perf_counter() - began)
                first = first and not events
                for event in events:
                    # Nearly all are, and what only goes on needs no store.
                    if isinstance(event, TextDelta) and turn.continue_text(event.text):
                        continue
                    if isinstance(event, TurnEnded):
                        _tell_end(span, event)
                        return event
                    await turn.take(event)
        raise UpstreamError("server_error", "The upstream ended without an end.")


def _tell_end(span: Span, ended: TurnEnded) -> None:
    span.set(gen_ai__response__finish_reasons=[ended.reason])
    if ended.usage.known:
        span.set(
            gen_ai__usage__input_tokens=ended.usage.input_tokens, gen_ai__usage__output_tokens=ended.usage.output_tokens
        )
    if ended.reason in ("failed", "cut"):
        span.fail(ended.reason)


def spent_limit(run: Row, used: dict[str, Any]) -> str | None:
    """Return which limit of tokens the run has reached, or None."""
    for name in ("completion", "prompt"):
        most = run[f"max_{name}_tokens"]
        if most is not None and used[f"{name}_tokens"] >= most:
            return f"max_{name}_tokens"
    return None
