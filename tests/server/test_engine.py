from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest

from nbassist.errors import LocalUnavailableError, ModelFileError
from nbassist.server.engine.llama_cpp import Engine, spare_cores
from nbassist.server.engine.model import DEFAULT, locate
from nbassist.server.runs.upstream import Upstream


def url(engine: Engine) -> str:
    return asyncio.run(engine.base_url())


def test_nothing_is_loaded_before_it_is_asked():
    engine: Upstream = Engine()
    assert isinstance(engine, Engine)
    assert engine.state == "off"
    assert engine.default_model == "qwen2.5-coder-1.5b-instruct-q4_k_m"
    assert engine.extra["stop"] == ["\n\n\n"]
    assert engine.extra["temperature"] <= 0.3


def test_the_key_is_of_each_engine_and_not_in_its_repr():
    one, two = Engine(), Engine()
    assert len(one.api_key) > 30
    assert one.api_key != two.api_key
    assert one.api_key not in repr(one)


@pytest.mark.parametrize(
    ("what", "name"), [("/models/phi-4.Q4.gguf", "phi-4.Q4"), ("hf:owner/name:dir/q8.gguf", "q8"), ("x.gguf", "x")]
)
def test_a_model_goes_by_its_file(what, name):
    assert Engine(what).default_model == name


def test_a_core_is_left_free(monkeypatch):
    assert spare_cores() >= 1
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)
    assert spare_cores() == 3
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0}, raising=False)
    assert spare_cores() == 1


def test_a_model_that_is_missing_is_told_and_looked_for_again(tmp_path):
    engine = Engine(str(tmp_path / "m.gguf"))
    with pytest.raises(ModelFileError, match="there is no model file"):
        url(engine)
    assert engine.state == "failed"
    (tmp_path / "m.gguf").write_bytes(b"<html>")
    with pytest.raises(ModelFileError, match="is no GGUF file"):
        url(engine)


def test_a_model_in_the_cache_that_is_altered_is_never_loaded(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("nbassist.server.engine.model.user_cache_path", lambda *a, **k: tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / DEFAULT.name).write_bytes(b"GGUF but not that one")
    monkeypatch.setattr(Engine, "_load", lambda *a: pytest.fail("it was loaded"))
    with pytest.raises(ModelFileError, match="is cut or altered"):
        url(Engine())


def test_a_file_that_llama_cpp_cannot_load_is_one_line(tmp_path):
    import_module("xllamacpp")
    (tmp_path / "m.gguf").write_bytes(b"GGUF" + bytes(200))
    with pytest.raises(LocalUnavailableError, match=r"llama\.cpp can't load .*m\.gguf") as caught:
        url(Engine(str(tmp_path / "m.gguf")))
    assert "\n" not in str(caught.value)


def test_without_the_extra_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "xllamacpp", None)
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    with pytest.raises(LocalUnavailableError, match=r'pip install .*\[local\]"'):
        url(Engine(str(tmp_path / "m.gguf")))


def test_another_interface_of_the_engine_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "xllamacpp", SimpleNamespace(CommonParams=object))
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    with pytest.raises(LocalUnavailableError, match=r"not known to nbassist .* pip install -U .*\[local\]"):
        url(Engine(str(tmp_path / "m.gguf")))


def test_many_that_ask_at_once_load_it_once(tmp_path, monkeypatch):
    loads = []

    class Loaded:
        listening_address = "http://127.0.0.1:1"

    def load(self: Engine, path: Any) -> Any:
        loads.append(path)
        return Loaded()

    monkeypatch.setattr(Engine, "_load", load)
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    engine = Engine(str(tmp_path / "m.gguf"))

    async def many() -> list[str]:
        return list(await asyncio.gather(*(engine.base_url() for _ in range(8))))

    assert asyncio.run(many()) == ["http://127.0.0.1:1/v1"] * 8
    assert len(loads) == 1
    assert engine.state == "ready"
    engine.close()
    assert engine.state == "off"


# --- the real model


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    locate()  # without the model these tests fail, and its error says what to run; -m 'not model' goes without
    made = Engine(context=2048)
    yield made
    made.close()


def ask(engine: Engine, path: str, body: Any = None, key: str | None = None) -> Any:
    request = urllib.request.Request(
        url(engine).removesuffix("/v1") + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "content-type": "application/json",
            "authorization": f"Bearer {engine.api_key if key is None else key}",
        },
    )
    with urllib.request.urlopen(request, timeout=300) as answer:
        return json.load(answer)


@pytest.mark.model
def test_the_real_engine_answers_on_the_loopback_alone_and_only_with_its_key(engine):
    assert url(engine).startswith("http://127.0.0.1:")
    assert engine.state == "ready"
    assert ask(engine, "/v1/models")["data"][0]["id"] == engine.default_model
    for key in ("", "wrong"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            ask(engine, "/v1/models", key=key)
        assert caught.value.code == 401
        caught.value.close()


@pytest.mark.model
def test_the_real_engine_writes_and_takes_a_prompt_it_knows_from_its_cache(engine):
    body = {
        "messages": [{"role": "user", "content": "What is 2 + 3? Answer with the number alone."}],
        **engine.extra,
        "max_tokens": 8,
    }
    first, second = (ask(engine, "/v1/chat/completions", body) for _ in range(2))
    assert "5" in first["choices"][0]["message"]["content"]
    assert second["timings"]["cache_n"] > first["timings"]["cache_n"]


TOOL = {
    "type": "function",
    "function": {
        "name": "row_count",
        "description": "Count the rows of a table in this notebook.",
        "parameters": {"type": "object", "properties": {"table": {"type": "string"}}, "required": ["table"]},
    },
}
CALLED = [
    {"role": "user", "content": "How many rows has the table orders?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "row_count", "arguments": '{"table": "orders"}'}}
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "37"},
]


@pytest.mark.model
def test_the_real_model_calls_a_tool_and_answers_from_its_result(engine):
    body = {**engine.extra, "tools": [TOOL], "temperature": 0}
    wish = ask(engine, "/v1/chat/completions", {**body, "messages": CALLED[:1]})["choices"][0]["message"]
    assert '"row_count"' in json.dumps(wish).replace("\\", "")
    told = [*CALLED[:-1], {**CALLED[-1], "content": f"{CALLED[-1]['content']}\n\n{engine.tool_note}"}]
    answer = ask(engine, "/v1/chat/completions", {**body, "messages": told})["choices"][0]["message"]["content"]
    assert "37" in answer
    assert "row_count" not in answer
