"""stubllm 0.1.5: two calls with index 0, whole arguments, no finish_reason, and words in pieces."""

from __future__ import annotations

from typing import Any

FIXTURES = """
fixtures:
  - name: calls
    match: {provider: openai, messages: [{role: user, content: {contains: "how many"}}]}
    response:
      tool_calls:
        - {id: call_1, type: function, function: {name: row_count, arguments: '{"table": "orders"}'}}
        - {id: call_2, type: function, function: {name: row_count, arguments: '{"table": "people"}'}}
  - name: text
    match: {provider: openai, messages: [{role: user, content: {contains: "hello"}}]}
    response: {content: "Hello, you there."}
"""


def test_two_calls_with_index_0_are_two_calls(stubllm: Any, make: Any) -> None:
    asked: list[str] = []

    def row_count(table: str) -> int:
        """Count the rows of a table."""
        asked.append(table)
        return 12

    # It says the same to every request of this prompt: two turns show that the outputs went back.
    reply = make("chat", stubllm(FIXTURES), row_count, max_turns=2).ask("How many rows?")
    assert asked == ["orders", "people"]
    assert [call.output.splitlines()[0] for call in reply.tool_calls[:2]] == ["12", "12"]
    assert reply.finish == "stopped"


def test_text_comes_whole(stubllm: Any, make: Any) -> None:
    reply = make("chat", stubllm(FIXTURES)).ask("hello")
    assert (reply.text.strip(), reply.finish) == ("Hello, you there.", "completed")
