"""Programs outside of a notebook: several prompts at once, and errors of one line."""

from __future__ import annotations

import asyncio
import traceback
from typing import Any

import pytest

from nbassist import Assistant
from nbassist.errors import NbassistError

CHAT = "/chat/completions"


@pytest.fixture
def assistant(endpoint: Any, wire: Any) -> Assistant:
    endpoint.on("POST", CHAT, wire.answer(wire.stream(wire.delta(content="said"), wire.delta("stop"))))
    return Assistant(backend="chat", base_url=endpoint.url, model="m", tools=[])


def test_several_prompts_at_once_are_each_answered_on_a_fork_where_they_must(
    assistant: Assistant, endpoint: Any
) -> None:
    async def ask() -> list[Any]:
        await assistant.aask("before")
        return await asyncio.gather(*(assistant.aask(f"number {n}") for n in range(5)))

    replies = asyncio.run(ask())
    assert [reply.text for reply in replies] == ["said"] * 5
    asked = [[m["content"] for m in body["messages"]] for body in endpoint.bodies(CHAT)[1:]]
    assert sorted(asked) == [["before", "said", f"number {n}"] for n in range(5)], "none hears of the others"
    assert len(assistant.conversation.turns) == 2, "the first goes on with the thread"
    notes = [reply.events[0].note for reply in replies]  # type: ignore[union-attr]
    assert notes[0] == ""
    assert all("on a fork" in note for note in notes[1:])
    assert asyncio.run(assistant.aask("after")).events[0].note == ""  # type: ignore[union-attr]


def test_streams_at_once_are_on_forks_too(assistant: Assistant) -> None:
    async def read(n: int) -> int:
        return len([event async for event in assistant.astream(f"number {n}")])

    async def ask() -> list[int]:
        return await asyncio.gather(*map(read, range(3)))

    assert min(asyncio.run(ask())) > 2
    assert len(assistant.conversation.turns) == 1


@pytest.mark.parametrize("way", ["ask", "aask", "stream", "astream"])
def test_an_error_is_one_line_without_the_chain_that_led_to_it(way: str) -> None:
    assistant = Assistant(backend="chat", base_url="http://127.0.0.1:9/v1", model="m", tools=[])

    async def read() -> None:
        async for _ in assistant.astream("q"):
            pass

    ways = {
        "ask": lambda: assistant.ask("q"),
        "aask": lambda: asyncio.run(assistant.aask("q")),
        "stream": lambda: list(assistant.stream("q")),
        "astream": lambda: asyncio.run(read()),
    }
    with pytest.raises(NbassistError) as caught:
        ways[way]()
    error = caught.value
    assert "\n" not in str(error)
    shown = "".join(traceback.format_exception(error))
    assert "direct cause" not in shown
    assert "During handling" not in shown
    frames = [frame.filename for frame in traceback.extract_tb(error.__traceback__) if "nbassist" in frame.filename]
    assert not [name for name in frames if "backends" in name]
    assert error.__context__ is not None, "what was at the bottom of it can be had"
