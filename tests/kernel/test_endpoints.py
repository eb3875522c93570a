"""Choosing where prompts go, in a real kernel: `%assistant use|models|profiles`, `--profile`, `-p`, `--reasoning`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.kernel
CHAT = "/chat/completions"


@pytest.fixture
def answering(endpoint: Any, wire: Any) -> Any:
    endpoint.on("POST", CHAT, wire.answer(wire.stream(wire.delta(content="ok"), wire.delta("stop"))))
    endpoint.json("GET", "/models", {"object": "list", "data": [{"id": "llama-small"}, {"id": "llama-large"}]})
    return endpoint


def profile(name: str, url: str, **more: str) -> None:
    from nbassist.config.profiles import Profile, save

    save(Profile(name, "chat", url, **more))


def test_use_sends_the_next_prompts_to_a_profile_and_default_takes_it_back(kernel: Any, answering: Any) -> None:
    profile("mine", answering.url, model="llama-small")
    shown = kernel.run("%assistant use mine").result
    assert "yes, 2 models" in shown
    assert "llama-small" in shown
    kernel.run("%%assistant\nHello?")
    sent = answering.asked[-1]
    assert sent.body["model"] == "llama-small"
    assert sent.headers.get("authorization", sent.headers.get("Authorization")) != "Bearer sk-very-secret"
    kernel.run("%assistant use default")
    kernel.run("%%assistant\nHello?")
    assert answering.asked[-1].body["model"] == "m"


def test_use_of_an_unknown_profile_or_model_is_one_line_with_the_nearest(kernel: Any, answering: Any) -> None:
    profile("mine", answering.url)
    assert "did you mean ollama?" in kernel.run("%assistant use olama").error["evalue"]
    assert "did you mean llama-large?" in kernel.run("%assistant use mine -m lama-large").error["evalue"]
    assert "(from NBASSIST_MODEL)" in kernel.run("%assistant").result, "nothing was changed by what failed"


def test_use_of_an_engine_that_is_not_running_says_what_starts_it(kernel: Any) -> None:
    profile("mine", "http://127.0.0.1:9/v1", start="mine serve")
    ran = kernel.run("%assistant use mine")
    assert ran.error is None
    assert "start it with mine serve" in ran.result


def test_a_url_is_used_as_it_is(kernel: Any, answering: Any) -> None:
    assert "yes, 2 models" in kernel.run(f"%assistant use {answering.url} --backend chat -m llama-large").result
    kernel.run("%%assistant\nHello?")
    assert answering.asked[-1].body["model"] == "llama-large"


def test_models_lists_what_the_endpoint_has(kernel: Any, answering: Any) -> None:
    assert "llama-small" in kernel.run("%assistant models").result
    assert "llama-small" not in kernel.run("%assistant models large").result
    assert "no model has 'gpt'" in kernel.run("%assistant models gpt").error["evalue"]


def test_profiles_lists_them_and_keeps_what_is_in_use_without_its_key(kernel: Any, answering: Any) -> None:
    shown = kernel.run("%assistant profiles").result
    assert all(name in shown for name in ("ollama", "lmstudio", "vllm", "llamacpp", "openai", "azure", "local"))
    saved = kernel.run("%assistant profiles save work")
    assert saved.error is None
    from nbassist.config.profiles import own_file

    written = own_file().read_text()
    assert 'key_env = "NBASSIST_API_KEY"' in written
    assert "sk-very-secret" not in written
    kernel.run("%%assistant --profile work\nHello?")
    assert "sk-very-secret" in json.dumps(answering.asked[-1].headers)


def test_one_cell_may_go_elsewhere(kernel: Any, answering: Any) -> None:
    profile("mine", answering.url, model="llama-small")
    kernel.run("%%assistant --profile mine\nHello?")
    kernel.run("%%assistant\nHello again?")
    assert [asked.body["model"] for asked in answering.asked if asked.path == CHAT] == ["llama-small", "m"]


def test_parameters_go_out_by_their_names_on_the_wire(kernel: Any, answering: Any) -> None:
    ran = kernel.run("%%assistant -p temperature=0.2 -p stop=END -p logprobs=true --reasoning low\nHello?")
    assert ran.error is None
    body = answering.asked[-1].body
    assert (body["temperature"], body["stop"], body["logprobs"], body["reasoning_effort"]) == (0.2, "END", True, "low")


def test_nothing_is_sent_that_was_not_asked_for(kernel: Any, answering: Any) -> None:
    kernel.run("%%assistant --no-tools\nHello?")
    assert set(answering.asked[-1].body) == {"model", "messages", "stream", "stream_options"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("-p temperature", "write it as name=value"),
        ("-p model=x", "can't be set with -p"),
        ("-p top_p=1 -p top_p=0", "given twice"),
        ("--reasoning lo", "did you mean low?"),
        ("--profile olama", "did you mean ollama?"),
    ],
)
def test_a_flag_that_is_wrong_is_one_line(kernel: Any, line: str, words: str) -> None:
    ran = kernel.run(f"%%assistant {line}\nHello?")
    assert words in ran.error["evalue"]
    assert len(ran.error["traceback"]) == 1


def test_a_parameter_that_the_endpoint_refuses_is_one_line(kernel: Any, endpoint: Any) -> None:
    refusal = {"error": {"message": "Unsupported parameter: 'temperature'", "type": "invalid_request_error"}}
    endpoint.json("POST", CHAT, refusal, status=400)
    ran = kernel.run("%%assistant -p temperature=3\nHello?")
    assert ran.error["traceback"] == ["RequestRefusedError: Unsupported parameter: 'temperature'"]


def test_a_model_that_the_endpoint_does_not_know_is_told_with_the_nearest(kernel: Any, answering: Any) -> None:
    refusal = {"error": {"message": "The model 'lama-small' does not exist", "code": "model_not_found"}}
    answering.json("POST", CHAT, refusal, status=404)
    ran = kernel.run("%%assistant -m lama-small\nHello?")
    assert ran.error["traceback"][0].endswith("does not exist; did you mean llama-small?")


def test_the_endpoint_of_another_thread_is_remembered(kernel: Any, answering: Any, tmp_path: Path) -> None:
    """A profile for one cell in between sends the whole history to each, and nothing is lost."""
    profile("mine", answering.url, model="llama-small")
    kernel.run("%%assistant\nOne")
    kernel.run("%%assistant --profile mine\nTwo")
    kernel.run("%%assistant\nThree")
    sent = [m["content"] for m in answering.asked[-1].body["messages"] if m["role"] == "user"]
    assert sent == ["One", "Two", "Three"]
