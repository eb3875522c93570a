"""OpenAI's Batch API: many requests as one file, answered within a day for half the price; a flow of steps, no IO.

Requests and answers are lines of JSON with a `custom_id`; answers come in any order, errors in a file of their own.
Source: platform.openai.com/docs/api-reference/batch.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..core.events import Event, TurnStarted
from ..core.messages import Request
from ..errors import BackendError
from . import loose_json
from .chat.backend import ChatDecoder, build_chat_request
from .http.requests import Fetch, JsonRequest, Pause, Step, Upload
from .responses.decoder import ResponsesDecoder
from .responses.request import build_responses_request

PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses"}
"""The protocols that take batches, and where their requests go."""
_MOST = 512 * 1024 * 1024  # bytes of a file of answers
_RUNNING = ("validating", "in_progress", "finalizing", "cancelling")


@dataclass(frozen=True, slots=True)
class BatchState:
    """How far a batch is: `status` as the endpoint calls it, and how many of `total` requests are done or failed."""

    id: str
    status: str
    done: int = 0
    failed: int = 0
    total: int = 0

    @property
    def running(self) -> bool:
        """Whether there is more to come."""
        return self.status in _RUNNING


def batch_line(name: str, request: Request, wire: str) -> str:
    """Return one request as a line of the file; `wire` is one of `PATHS`."""
    body = build_chat_request(request) if wire == "chat" else build_responses_request(request)
    # A batch refuses requests for a stream.
    body = {key: value for key, value in body.items() if key not in ("stream", "stream_options")}
    line = {"custom_id": name, "method": "POST", "url": PATHS[wire], "body": body}
    return json.dumps(line, ensure_ascii=False)


def submit(lines: list[str], wire: str) -> Generator[Step, Any, str]:
    """Send a file of requests and begin its batch; return the batch's id."""
    data = ("\n".join(lines) + "\n").encode()
    upload = Upload("/files", "requests.jsonl", "application/jsonl", data, {"purpose": "batch"})
    file = loose_json.mapping((yield upload))
    body = {"input_file_id": file.get("id"), "endpoint": PATHS[wire], "completion_window": "24h"}
    batch = loose_json.mapping((yield JsonRequest("POST", "/batches", body)))
    if not loose_json.text(batch.get("id")):
        raise BackendError("the endpoint did not say which batch it began: does it have the Batch API?")
    return loose_json.text(batch.get("id"))


def follow(batch_id: str, wire: str, told: Any, wait: float) -> Generator[Step, Any, dict[str, list[Event] | str]]:
    """Look at a batch until it has ended, and return what came: events by name, or why there are none.

    Parameters
    ----------
    batch_id, wire : str
        The batch, and the protocol of its requests.
    told : callable
        Takes a `BatchState` at each look.
    wait : float
        Seconds between looks; they grow to ten times that.
    """
    pause = wait
    while True:
        batch = loose_json.mapping((yield JsonRequest("GET", f"/batches/{batch_id}")))
        state = _state(batch_id, batch)
        told(state)
        if not state.running:
            break
        yield Pause(pause)
        pause = min(pause * 1.5, 10 * wait)
    found: dict[str, list[Event] | str] = {}
    for name in ("output_file_id", "error_file_id"):
        if file_id := loose_json.text(batch.get(name)):
            data: bytes | None = yield Fetch(f"/files/{file_id}/content", _MOST)
            found.update(_answers(data or b"", wire))
    # A batch that expired or was cancelled still has files, of what was done by then.
    if not found and state.status != "completed":
        errors = loose_json.listing(loose_json.mapping(batch.get("errors")).get("data"))
        why = "; ".join(loose_json.text(loose_json.mapping(error).get("message")) for error in errors)
        raise BackendError(f"the batch {batch_id} {state.status}" + (f": {why}" if why else ""))
    return found


def _state(batch_id: str, batch: Mapping[str, Any]) -> BatchState:
    counts = loose_json.mapping(batch.get("request_counts"))
    done, failed, total = (loose_json.count(counts.get(name)) for name in ("completed", "failed", "total"))
    return BatchState(batch_id, loose_json.text(batch.get("status")), done, failed, total)


def _answers(data: bytes, wire: str) -> Iterator[tuple[str, list[Event] | str]]:
    for line in data.decode("utf-8", "replace").splitlines():
        try:
            item = loose_json.mapping(json.loads(line or "{}"))
        except ValueError:
            continue
        name, response = loose_json.text(item.get("custom_id")), loose_json.mapping(item.get("response"))
        body = loose_json.mapping(response.get("body"))
        error = loose_json.mapping(item.get("error")) or loose_json.mapping(body.get("error"))
        if error or response.get("status_code") != 200:
            yield name, loose_json.text(error.get("message")) or "the endpoint gave no answer in the batch"
        elif name:
            yield name, _events(body, wire)


def _events(body: Mapping[str, Any], wire: str) -> list[Event]:
    """Return the events of an answer that came whole."""
    if wire == "responses":
        decoder: Any = ResponsesDecoder("ours")
        status = loose_json.text(body.get("status")) or "completed"
        events = decoder.feed({"type": f"response.{status}", "response": dict(body)})
        events += [] if decoder.ended else decoder.finish()
    else:
        decoder = ChatDecoder([])
        # A whole message is fed as one delta, so that both ways share the decoder and its habits.
        choices = [
            {"index": 0, "delta": choice.get("message"), "finish_reason": choice.get("finish_reason")}
            for choice in map(loose_json.mapping, loose_json.listing(body.get("choices"))[:1])
        ]
        events = [*decoder.feed({**body, "object": "chat.completion.chunk", "choices": choices}), *decoder.finish()]
    if not any(isinstance(event, TurnStarted) for event in events):
        events.insert(0, TurnStarted(model=loose_json.text(body.get("model"))))
    return list(events)
