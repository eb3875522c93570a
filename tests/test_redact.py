"""Secrets of the environment reach neither the model nor a display."""

from __future__ import annotations

from typing import Any

import pytest

from nbassist import Assistant
from nbassist.events import ToolFinished
from nbassist.redact import Redactor

ENVIRON = {
    "OPENAI_API_KEY": "sk-abcdefgh",
    "HF_TOKEN": "hf_12345678",
    "MY_DB_PASSWORD": "correct horse",
    "LONGER_SECRET": "sk-abcdefgh-and-more",
    "KEYBOARD": "qwertyuiop",
    "SHORT_TOKEN": "abc",
}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("key sk-abcdefgh.", "key [OPENAI_API_KEY]."),
        ("sk-abcdefgh-and-more", "[LONGER_SECRET]"),
        ("correct horse, hf_12345678", "[MY_DB_PASSWORD], [HF_TOKEN]"),
        ("qwertyuiop abc", "qwertyuiop abc"),
    ],
)
def test_values_of_key_variables_are_replaced_by_their_names(text: str, shown: str) -> None:
    assert Redactor(ENVIRON).text(text) == shown


def test_every_part_of_a_tools_result_is_searched() -> None:
    secret = "hf_12345678"
    bundle: Any = {"text/html": f"<b>{secret}</b>", "application/json": {"a": [secret, 1]}}
    event = Redactor(ENVIRON).event(ToolFinished("1", "f", secret, secret, 0.1, (bundle,), f"Traceback {secret}"))
    assert secret not in repr(event)
    assert event.display[0]["application/json"] == {"a": ["[HF_TOKEN]", 1]}


def test_neither_the_prompt_nor_a_tools_output_carries_a_key_to_the_model(
    endpoint: Any, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVICE_API_KEY", "very-secret-value")

    def environment() -> str:
        """Show the environment."""
        return "SERVICE_API_KEY=very-secret-value"

    call = wire.stream(wire.call("a", "environment", "{}"), wire.delta("tool_calls"))
    answer = wire.stream(wire.delta(content="ok"), wire.delta("stop"))
    endpoint.on("POST", "/chat/completions", wire.answer(call), wire.answer(answer))
    assistant = Assistant(backend="chat", base_url=endpoint.url, model="m", tools=[environment])
    reply = assistant.ask("Is very-secret-value my key?")
    assert "very-secret-value" not in str(endpoint.bodies("/chat/completions"))
    assert "very-secret-value" not in repr(reply.events)
    assert "[SERVICE_API_KEY]" in reply.tool_calls[0].output


def test_a_secret_in_arguments_that_a_person_edits_is_put_back() -> None:
    redactor = Redactor({"SHOP_TOKEN": "tok-secret-value", "OTHER_KEY": "another-secret"})
    original = '{"token": "tok-secret-value", "count": 500}'
    edited = redactor.text(original).replace("500", "5").replace("5}", '5, "note": "[OTHER_KEY]"}')
    assert redactor.restored(edited, original) == '{"token": "tok-secret-value", "count": 5, "note": "[OTHER_KEY]"}'
