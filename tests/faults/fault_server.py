"""A server that speaks the three wires and breaks on demand: at any byte, at any event, before or after anything.

It is the scripted endpoint of all tests, behind which the three protocols of the contract say what a model says; a
fault changes one of its answers.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

_spec = importlib.util.spec_from_file_location("contract_wires", Path(__file__).parent.parent / "contract/conftest.py")
assert _spec is not None
assert _spec.loader is not None
wires = importlib.util.module_from_spec(_spec)
sys.modules["contract_wires"] = wires
_spec.loader.exec_module(wires)

Says, Speaker = wires.Says, wires.Speaker
WIRES = {kind.name: kind for kind in (wires.Chat, wires.Responses, wires.Assistants)}
TEXT = ("The first ", "half of Größe ", "and 表 the ", "rest.")
CALLS = (("call_a", "count", '{"table": "orders"}'), ("call_b", "count", '{"table": "people"}'))


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one answer.

    Parameters
    ----------
    name : str
        How the tests call it.
    change : callable
        From the answer, the bytes of its body, and where in them it happens, to the answer that is given.
    """

    name: str
    change: Callable[[Any, bytes, int], Any]


def _part(answer: Any, body: bytes, at: int, after: bytes = b"", *, cut: bool = False) -> Any:
    return replace(answer, pieces=[body[:at], after], cut=cut)


def _event_end(body: bytes, at: int) -> int:
    """Return where the event that `at` stands in ends."""
    end = body.find(b"\n\n", at)
    return len(body) if end < 0 else end + 2


def _refused(status: int, **headers: str) -> Callable[[Any, bytes, int], Any]:
    words = json.dumps({"error": {"message": "no \x1b]52;c;x\x07\n" + "and no " * 200, "type": "x"}}).encode()
    return lambda answer, body, at: replace(
        answer, pieces=[words], status=status, kind="application/json", headers=headers
    )


FAULTS = [
    Fault("cut", lambda answer, body, at: _part(answer, body, at, cut=True)),
    Fault("clean end", lambda answer, body, at: _part(answer, body, at)),
    Fault("end between events", lambda answer, body, at: _part(answer, body, _event_end(body, at), cut=True)),
    Fault("no JSON", lambda answer, body, at: _part(answer, body, _event_end(body, at), b'data: {"oops\n\n')),
    Fault("no UTF-8", lambda answer, body, at: _part(answer, body, _event_end(body, at), b'data: "\xff\xfe"\n\n')),
    Fault(
        "error event",
        lambda answer, body, at: _part(
            answer, body, _event_end(body, at), b'event: error\ndata: {"error": {"message": "engine died"}}\n\n'
        ),
    ),
    Fault(
        "comments, then cut", lambda answer, body, at: _part(answer, body, at, b"\n\n: ping\n\n: ping\n\n", cut=True)
    ),
]
REFUSALS = [
    Fault("400", _refused(400)),
    Fault("401", _refused(401)),
    Fault("404", _refused(404)),
    Fault("HTML", lambda answer, body, at: replace(answer, pieces=[b"<html>login</html>"], kind="text/html")),
    Fault("empty", lambda answer, body, at: replace(answer, pieces=[])),
    Fault("redirect", _refused(307, location="https://elsewhere.example/v1")),
]

# Which answer breaks, and after which bytes of it.
MOMENTS = {
    "waiting": (0, b""),
    "text": (0, b"The first"),
    "arguments": (0, b"orders"),
    "after the arguments": (0, b"people"),
    "after tools": (1, b""),
    "between turns": (1, b"The first"),
    "the answer": (1, b"the "),
}


class FaultServer:
    """One wire, a run of two turns, and a fault in one of them.

    Attributes
    ----------
    before : callable or None
        Called before each piece of the answer with a fault is sent, with the number of the piece; sent event by event.
    """

    def __init__(self, wire: str, endpoint: Any, wire_helpers: Any) -> None:
        self.wire = wire
        self.endpoint = endpoint
        self.speaker = Speaker(WIRES[wire](), endpoint, wire_helpers)

    def turns(self) -> list[Any]:
        """Return the answers of a run: calls, and then the text."""
        return [self.speaker.answer(Says(TEXT[:1], CALLS)), self._answer(Says(TEXT), 2)]

    def _answer(self, turn: Any, number: int) -> Any:
        # The number names a thread, or a response; a run goes on in the thread that it is in.
        return self.speaker.answer(turn, 1 if self.wire == "assistants" else number)

    def breaks(self, turn: int, fault: Fault, mark: bytes) -> None:
        """Script a run whose answer number `turn` has the fault right after `mark`; all is well in later runs."""
        answers = self.turns()
        body = b"".join(answers[turn].pieces)
        at = body.find(mark) + len(mark) if mark else 0
        answers[turn] = fault.change(answers[turn], body, at)
        self.speaker.script(*answers[: turn + 1], self._answer(Says(("All is well.",)), 3))
        self.speaker.protocol.after_a_cut(self.endpoint)

    def waits(self, turn: int, piece: int, reached: Callable[[], None]) -> threading.Event:
        """Script a run that stands still before a piece of one answer, calls `reached`, and goes on when it may."""
        go = threading.Event()

        def before(number: int) -> None:
            if number == piece:
                reached()
                go.wait(20)

        answers = self.turns()
        answers[turn] = replace(answers[turn], before=before)
        self.speaker.script(*answers[: turn + 1], self._answer(Says(("All is well.",)), 3))
        self.speaker.protocol.after_a_cut(self.endpoint)
        return go


def strict(wire: str, endpoint: Any) -> None:
    """Hold the last request to what the strictest endpoints take."""
    path = {"chat": "/chat/completions", "responses": "/responses"}.get(wire)
    if path is None:
        return  # the server holds the history
    body = endpoint.bodies(path)[-1]
    opened: list[str] = []
    for item in body.get("messages") or body.get("input") or []:
        role, kind = item.get("role"), item.get("type")
        if role == "tool" or kind == "function_call_output":
            opened.remove(item.get("tool_call_id") or item["call_id"])
            continue
        calls = item.get("tool_calls") or ([item] if kind == "function_call" else [])
        if role in ("user", "assistant"):
            assert not opened, "every call is answered before anybody speaks"
        for call in calls:
            function = call.get("function", call)
            assert isinstance(json.loads(function["arguments"]), dict)
            opened.append(call.get("id") if role else call["call_id"])
        if role == "assistant":
            assert item.get("content") or calls, "nobody says nothing"
    assert not opened
