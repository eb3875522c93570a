"""A program names models of the hosted service; the upstream has others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import openai
import pytest

from nbassist.server.config import ServerConfig
from nbassist.server.runs.model_names import Answering, ModelNames
from nbassist.server.runs.upstream import UrlUpstream, is_unknown_model

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the SDK, of the Assistants API


@pytest.fixture(scope="module")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}"


@pytest.fixture
def strict(upstream: Any) -> Any:
    """An upstream that has `llama3.2` alone, as Ollama refuses all others."""

    def refuse(body: dict[str, Any]) -> tuple[int, Any] | None:
        if body["model"].removesuffix(":latest") == "llama3.2":
            return None
        return 404, {"error": {"message": f"model '{body['model']}' not found", "type": "not_found_error"}}

    upstream.refusal = refuse
    upstream.models = ["nomic-embed-text:latest", "llama3.2:latest"]
    return upstream


@pytest.fixture
def ask(config: ServerConfig, run_server: Any) -> Iterator[Any]:
    """Answer one message with an assistant of a model, on a server with these settings; return its run."""

    def asked(model: str, default: str = "", *mapped: tuple[str, str], run_model: str | None = None) -> Any:
        upstream = UrlUpstream(config.upstream.url, default_model=default)  # type: ignore[attr-defined]
        with run_server(replace(config, upstream=upstream, model_map=mapped)) as server:
            client: openai.OpenAI = server.client
            assistant = client.beta.assistants.create(model=model)
            assert assistant.model == model
            runs = client.beta.threads
            named: dict[str, Any] = {"model": run_model} if run_model else {}
            return runs.create_and_run_poll(
                assistant_id=assistant.id, thread={"messages": [{"role": "user", "content": "Hi"}]}, **named
            )

    return asked


def test_upstream_model_answers_for_an_assistant_of_a_model_that_the_upstream_does_not_have(
    ask: Any, strict: Any
) -> None:
    run = ask("gpt-4o", "llama3.2")
    assert (run.status, run.model) == ("completed", "gpt-4o")
    assert "llama3.2 answers" in run.metadata["nbassist_model"]
    assert [request["model"] for request in strict.requests] == ["llama3.2"]


def test_without_any_setting_the_first_model_that_chats_answers(ask: Any, strict: Any) -> None:
    run = ask("gpt-4o")
    assert run.status == "completed"
    assert "llama3.2:latest answers" in run.metadata["nbassist_model"]


def test_a_name_that_the_upstream_lists_is_asked_for_as_it_is_and_nothing_is_noted(ask: Any, strict: Any) -> None:
    run = ask("llama3.2", "other")
    assert (run.status, run.metadata) == ("completed", {})


def test_a_map_goes_before_all_else_and_its_first_pattern_counts(ask: Any, strict: Any) -> None:
    mapped = (("gpt-4*", "llama3.2"), ("*", "nothing"))
    assert ask("gpt-4-1106-preview", "", *mapped).status == "completed"
    assert ask("x", "llama3.2", ("*", "llama3.2"), run_model="gpt-3.5-turbo").status == "completed"
    assert {request["model"] for request in strict.requests} == {"llama3.2"}


def test_an_upstream_without_a_list_is_asked_by_the_name_and_after_its_refusal_by_the_default(
    ask: Any, strict: Any
) -> None:
    strict.models = None
    run = ask("gpt-4o", "llama3.2")
    assert run.status == "completed"
    assert "llama3.2" in run.metadata["nbassist_model"]


def test_where_nothing_can_answer_the_run_fails_and_says_what_to_do(ask: Any, strict: Any) -> None:
    strict.models = None
    run = ask("gpt-4o")
    assert run.status == "failed"
    assert "--upstream-model" in run.last_error.message


def test_chat_completions_that_are_passed_through_follow_the_same_rules(
    config: ServerConfig, run_server: Any, strict: Any
) -> None:
    for default in ("llama3.2", ""):
        upstream = UrlUpstream(config.upstream.url, default_model=default)  # type: ignore[attr-defined]
        with run_server(replace(config, upstream=upstream)) as server:
            stream = server.client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": "Hi"}], stream=True
            )
            assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices) == "Hello there"


def test_metadata_that_is_full_stays_the_clients(ask: Any, strict: Any, config: ServerConfig, run_server: Any) -> None:
    full = {str(number): "x" for number in range(16)}
    upstream = UrlUpstream(config.upstream.url, default_model="llama3.2")  # type: ignore[attr-defined]
    with run_server(replace(config, upstream=upstream)) as server:
        assistant = server.client.beta.assistants.create(model="gpt-4o", instructions="Answer.")
        run = server.client.beta.threads.create_and_run_poll(assistant_id=assistant.id, metadata=full)
    assert (run.status, run.metadata) == ("completed", full)


@dataclass(frozen=True)
class Engine:
    """An engine of ours: it has one model, and answers to any name."""

    url: str
    default_model: str = "qwen"
    api_key: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
    tool_note: str = ""
    context: int = 4096

    async def base_url(self) -> str:
        return self.url


def test_the_local_model_answers_for_every_name_and_the_run_says_so(
    config: ServerConfig, run_server: Any, upstream: Any
) -> None:
    with run_server(replace(config, upstream=Engine(upstream.url))) as server:
        assistant = server.client.beta.assistants.create(model="gpt-4o", instructions="Answer.")
        run = server.client.beta.threads.create_and_run_poll(assistant_id=assistant.id)
    assert (run.status, run.model) == ("completed", "gpt-4o")
    assert "qwen answers" in run.metadata["nbassist_model"]
    assert upstream.requests[-1]["model"] == "qwen"


@pytest.mark.parametrize(
    "words",
    [
        "model 'gpt-4o' not found",
        'model "gpt-4o" not found, try pulling it first',
        "The model `gpt-4o` does not exist or you do not have access to it.",
        "models/gpt-4o is not found for API version v1main",
        "Invalid model: gpt-4o",
        "gpt-4o is not a valid model ID",
        "Model Not Exist",
        "The API deployment for this resource does not exist.",
        "model_not_found",
    ],
)
def test_refusals_of_unknown_models_are_known_whoever_writes_them(words: str) -> None:
    assert is_unknown_model(404, words) or is_unknown_model(400, words)


def test_other_refusals_are_not_taken_for_them() -> None:
    for words in ("file not found", "the model is overloaded", "context too long for this model", "tool f not found"):
        assert not is_unknown_model(400, words)
    assert not is_unknown_model(500, "model 'x' not found")


def test_the_list_is_asked_for_once_by_many() -> None:
    import asyncio

    asked = []

    async def listed() -> tuple[str, ...]:
        asked.append(1)
        await asyncio.sleep(0)
        return ("a",)

    async def main() -> None:
        names = ModelNames("d", (), listed)
        found = await asyncio.gather(*(names.find("a") for _ in range(9)))
        assert [one.model for one in found] == ["a"] * 9

    asyncio.run(main())
    assert asked == [1]


def test_a_program_that_looks_for_its_model_first_finds_what_is_answered_for(
    config: ServerConfig, run_server: Any, strict: Any
) -> None:
    mapped = (("gpt-4o-mini*", "llama3.2"), ("gpt-4*", "llama3.2"))
    with run_server(replace(config, model_map=mapped)) as server:
        for name in ("gpt-4o-mini", "gpt-4-turbo", "llama3.2:latest"):
            found = server.client.models.retrieve(name)
            assert (found.id, found.object) == (name, "model")
    strict.models = []
    with run_server(config) as server, pytest.raises(openai.NotFoundError, match="The model 'gpt-4o' does not exist"):
        server.client.models.retrieve("gpt-4o")


def test_a_run_with_an_empty_model_has_its_assistant_s(config: ServerConfig, run_server: Any, upstream: Any) -> None:
    with run_server(config) as server:
        assistant = server.client.beta.assistants.create(model="m")
        runs = server.client.beta.threads
        thread: Any = {"messages": [{"role": "user", "content": "Hi"}]}
        run = runs.create_and_run_poll(assistant_id=assistant.id, thread=thread, model="")
        assert (run.status, run.model, upstream.requests[-1]["model"]) == ("completed", "m", "m")
        run = runs.runs.create_and_poll(thread_id=run.thread_id, assistant_id=assistant.id, model="")
        assert (run.status, run.model, upstream.requests[-1]["model"]) == ("completed", "m", "m")


def test_the_note_of_a_mapped_name_says_no_more_than_is_known() -> None:
    async def listed() -> tuple[str, ...]:
        return ("big",)

    names = ModelNames("", (("b*", "rest"), ("*", "last")), listed)
    assert asyncio.run(names.find("big")) == Answering("rest", "rest answers for big, as --model-map says")
    assert asyncio.run(names.find("last")) == Answering("last")
    assert asyncio.run(names.find("")) == Answering("last")
