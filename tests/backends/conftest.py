"""What the tests of the decoders share: the bytes of a Responses stream, and events held to their order."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from nbassist.backends.responses.decoder import ResponsesDecoder
from nbassist.core.event_order import EventOrder
from nbassist.core.events import Event, RunStarted


def completed(*output: Any, **named: Any) -> dict[str, Any]:
    response = {"id": "resp_1", "status": "completed", "output": list(output), "usage": None, **named}
    return {"type": "response.completed", "response": response}


class ResponsesWire:
    """Write a Responses stream by hand."""

    created: Any = {"type": "response.created", "response": {"id": "resp_1", "model": "m", "status": "in_progress"}}  # noqa: RUF012
    completed = staticmethod(completed)

    @staticmethod
    def event(name: str, **data: Any) -> dict[str, Any]:
        return {"type": f"response.{name}", **data}

    @staticmethod
    def added(item: Any, **data: Any) -> dict[str, Any]:
        return {"type": "response.output_item.added", "item": item, **data}

    @staticmethod
    def done(item: Any, **data: Any) -> dict[str, Any]:
        return {"type": "response.output_item.done", "item": item, **data}

    @staticmethod
    def bytes(*events: Any) -> list[bytes]:
        return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]

    @classmethod
    def decode(cls, *chunks: Any, decoder: ResponsesDecoder | None = None) -> list[Event]:
        """Decode `chunks` behind `response.created`; the events are held to their order."""
        decoder, order = decoder or ResponsesDecoder(), EventOrder()
        events: list[Event] = []

        def take(found: Iterable[Event]) -> None:
            for event in found:
                order.check(event)
                events.append(event)

        take([RunStarted()])
        for chunk in (cls.created, *chunks):
            take(decoder.feed(chunk))
        take(decoder.finish())
        return events[2:]  # without RunStarted and TurnStarted


@pytest.fixture
def responses() -> type[ResponsesWire]:
    return ResponsesWire
