"""The recordings of the hosted service, sent to our server in its place; what it answers is compared, event for event.

Ids are compared by the order in which they first appear, times by where they are and where they are null.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

RECORDED = Path(__file__).resolve().parents[3] / "shared/data/assistants/recorded"
pytestmark = pytest.mark.skipif(not RECORDED.is_dir(), reason=f"the recordings are not there: {RECORDED}")

ID = re.compile(r"^(asst|thread|run|step|msg|call)_\w+$")


class Names:
    """Names for ids, given in the order in which they appear."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def normalise(self, value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: self.normalise(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [self.normalise(item) for item in value]
        if isinstance(value, str) and (found := ID.match(value)):
            return self._names.setdefault(value, f"{found[1]}#{len(self._names)}")
        return "TIME" if key.endswith("_at") and isinstance(value, int) else value


def entries(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((RECORDED / f"{name}.json").read_text())["Entries"]
    return found


def events(stream: str) -> list[tuple[str, Any]]:
    found = []
    for block in filter(None, stream.split("\n\n")):
        event, data = block.split("\n", 1)
        text = data.removeprefix("data: ")
        found.append((event.removeprefix("event: "), text if text == "[DONE]" else json.loads(text)))
    return found


def script(upstream: Any, recorded: list[tuple[str, Any]], usage: tuple[int, int]) -> None:
    """Have the upstream say what the model said in a recorded stream."""
    pieces, calls = [], {}
    for name, data in recorded:
        if name == "thread.message.delta":
            pieces.append(data["delta"]["content"][0]["text"]["value"])
        elif name == "thread.run.step.delta":
            call = data["delta"]["step_details"]["tool_calls"][0]
            if "id" in call:
                calls[call["index"]] = [call["id"], call["function"]["name"], ""]
            else:
                calls[call["index"]][2] += call["function"]["arguments"]
    if calls:
        upstream.calls(*(tuple(call) for call in calls.values()), usage=usage, whole=True)
    else:
        upstream.says(*pieces, usage=usage)


def usages(recorded: list[Any]) -> Iterator[tuple[int, int]]:
    """The usage of each turn, as its step showed it."""
    for name, data in recorded:
        if name == "thread.run.step.completed":
            yield data["usage"]["prompt_tokens"], data["usage"]["completion_tokens"]


class Replay:
    """A client that sends what was recorded, with the ids of our server."""

    def __init__(self, http: httpx2.Client) -> None:
        self.http = http
        self.ids: dict[str, str] = {}

    def send(self, entry: dict[str, Any]) -> httpx2.Response:
        target = urlsplit(entry["RequestUri"])
        path = f"{target.path.removeprefix('/v1')}{'?' if target.query else ''}{target.query}"
        body = entry.get("RequestBody")
        response = self.http.request(
            entry["RequestMethod"],
            self.ours(path),
            content=self.ours(json.dumps(body)) if body is not None else None,
            headers={"Content-Type": "application/json"},
        )
        assert response.status_code == entry["StatusCode"], response.text
        return response

    def ours(self, text: str) -> str:
        for theirs, ours in self.ids.items():
            text = text.replace(theirs, ours)
        return text

    def learn(self, theirs: Any, ours: Any) -> None:
        if isinstance(theirs, dict) and isinstance(ours, dict):
            for key in theirs.keys() & ours.keys():
                self.learn(theirs[key], ours[key])
        elif isinstance(theirs, list) and isinstance(ours, list):
            for one, other in zip(theirs, ours, strict=False):
                self.learn(one, other)
        elif isinstance(theirs, str) and ID.match(theirs) and isinstance(ours, str):
            self.ids[theirs] = ours


@pytest.mark.parametrize("name", ["StreamingRunWorks", "StreamingToolCall"])
def test_streams_are_those_recorded_event_for_event(
    name: str, http: httpx2.Client, upstream: Any, description: Any
) -> None:
    replay, theirs, ours = Replay(http), Names(), Names()
    recorded = entries(name)
    streams = [events("".join(entry["ResponseBody"])) for entry in recorded if isinstance(entry["ResponseBody"], list)]
    turns = list(usages([event for stream in streams for event in stream]))
    for stream, usage in zip(streams, turns, strict=True):
        script(upstream, stream, usage)
    for entry in recorded:
        response = replay.send(entry)
        if not isinstance(entry["ResponseBody"], list):
            body = response.json()
            assert list(body) == list(entry["ResponseBody"])
            assert ours.normalise(body) == theirs.normalise(entry["ResponseBody"])
            replay.learn(entry["ResponseBody"], body)
            continue
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        description.check_stream(response.text)
        expected, found = events("".join(entry["ResponseBody"])), events(response.text)
        assert [event for event, _ in found] == [event for event, _ in expected]
        for (event, wanted), (_, got) in zip(expected, found, strict=True):
            assert ours.normalise(got) == theirs.normalise(wanted), event
            assert json.dumps(ours.normalise(got)) == json.dumps(theirs.normalise(wanted)), f"order of keys: {event}"
            replay.learn(wanted, got)


def test_polled_runs_answer_as_recorded(http: httpx2.Client, upstream: Any, until: Any) -> None:
    replay, theirs, ours = Replay(http), Names(), Names()
    recorded = entries("FunctionToolsWork")
    waiting = next(e["ResponseBody"] for e in recorded if e["ResponseBody"].get("status") == "requires_action")
    call = waiting["required_action"]["submit_tool_outputs"]["tool_calls"][0]
    upstream.calls((call["id"], call["function"]["name"], call["function"]["arguments"]), usage=(300, 20))
    upstream.says(recorded[-1]["ResponseBody"]["data"][0]["content"][0]["text"]["value"], usage=(327, 14))
    seen = ""
    for entry in recorded:
        wanted = entry["ResponseBody"]
        if entry["RequestMethod"] == "GET" and "status" in wanted:
            if wanted["status"] in ("in_progress", seen):
                continue  # how often a client polls is its own affair
            until(lambda entry=entry, status=wanted["status"]: replay.send(entry).json()["status"] == status)
            seen = wanted["status"]
        body = replay.send(entry).json()
        if body["object"] == "list":
            # The recorded list left out the states of messages, which the description demands.
            body["data"] = [
                {key: item[key] for key in expected}
                for item, expected in zip(body["data"], wanted["data"], strict=True)
            ]
        assert ours.normalise(body) == theirs.normalise(wanted)
        replay.learn(wanted, body)
