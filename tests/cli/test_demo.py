"""`nbassist demo`: the tool is called, its output goes back, and both stand in the terminal."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import pytest

from nbassist.cli import main


def test_a_conversation_with_a_tool_is_played(
    endpoint: Any, wire: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NBASSIST_BASE_URL", endpoint.url)
    monkeypatch.setenv("NBASSIST_BACKEND", "chat")
    monkeypatch.setenv("NBASSIST_MODEL", "m")
    call = wire.stream(wire.call("call_1", "installed_version", '{"package": "ipython"}'), wire.delta("tool_calls"))
    says = [wire.stream(wire.delta(content=text), wire.delta("stop")) for text in ("That one.", "Yes.")]
    endpoint.on("POST", "/chat/completions", *map(wire.answer, (call, *says)))
    assert main(["demo"]) == 0
    said = capsys.readouterr().out
    assert "installed_version" in said
    assert version("ipython") in said
    assert said.index("That one.") < said.index("Yes.")
    told = endpoint.bodies("/chat/completions")[1]["messages"][-1]
    assert (told["role"], told["content"]) == ("tool", version("ipython"))


def test_an_endpoint_that_does_not_answer_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NBASSIST_BASE_URL", "http://127.0.0.1:9/v1")
    assert main(["demo"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
