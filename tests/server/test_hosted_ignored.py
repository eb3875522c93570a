"""What names a tool that this server does not run: kept and answered without, and said so; or refused on request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import openai
import pytest

from nbassist.server.config import ServerConfig

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the SDK, of the Assistants API

FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
OPTIONS = {"ranker": "default_2024_08_21", "score_threshold": 0.5, "hybrid_search": None}
SEARCH = {"type": "file_search", "file_search": {"max_num_results": 7, "ranking_options": OPTIONS}}
CODE = {"type": "code_interpreter"}
RESOURCES: Any = {"file_search": {"vector_store_ids": ["vs_1"]}}
HELLO: Any = {"role": "user", "content": "Hi"}


@pytest.fixture(scope="module")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}"


@pytest.fixture
def ignoring(config: ServerConfig, run_server: Any, upstream: Any) -> Iterator[openai.OpenAI]:
    with run_server(replace(config, hosted_tools="ignore")) as server:
        yield server.client


def test_an_assistant_is_kept_as_it_was_and_its_functions_still_work(ignoring: openai.OpenAI, upstream: Any) -> None:
    tools: Any = [{"type": "code_interpreter"}, SEARCH, FUNCTION]
    made = ignoring.beta.assistants.create(model="m", tools=tools, tool_resources=RESOURCES)
    read = ignoring.beta.assistants.retrieve(made.id).to_dict()
    assert [tool["type"] for tool in read["tools"]] == ["code_interpreter", "file_search", "function"]  # type: ignore[index, attr-defined]
    assert read["tools"][1] == SEARCH  # type: ignore[index]
    assert read["tool_resources"] == {**RESOURCES, "code_interpreter": {"file_ids": []}}
    upstream.calls(("call_a", "f", "{}"))
    threads = ignoring.beta.threads
    run = threads.create_and_run_poll(assistant_id=made.id, thread={"messages": [HELLO]})
    assert run.status == "requires_action"
    assert [tool["function"]["name"] for tool in upstream.requests[-1]["tools"]] == ["f", "file_search"]
    outputs: Any = [{"tool_call_id": "call_a", "output": "1"}]
    done = threads.runs.submit_tool_outputs_and_poll(run_id=run.id, thread_id=run.thread_id, tool_outputs=outputs)
    assert done.status == "completed"
    without = "answered without code_interpreter, which this server does not run: start it with --code-interpreter"
    assert done.metadata == {"nbassist_tools": without}


def test_messages_keep_their_attachments_and_threads_their_resources(ignoring: openai.OpenAI) -> None:
    attachments: Any = [{"file_id": "file-1", "tools": [{"type": "file_search"}, {"type": "code_interpreter"}]}]
    message: Any = {**HELLO, "attachments": attachments}
    thread = ignoring.beta.threads.create(messages=[message], tool_resources=RESOURCES)
    assert ignoring.beta.threads.retrieve(thread.id).to_dict()["tool_resources"] == RESOURCES
    [read] = ignoring.beta.threads.messages.list(thread.id).data
    assert read.to_dict()["attachments"] == attachments
    changed = ignoring.beta.threads.update(thread.id, metadata={"a": "b"}).to_dict()
    assert (changed["tool_resources"], changed["metadata"]) == (RESOURCES, {"a": "b"})


def test_an_attachment_goes_to_a_new_store_where_the_threads_own_was_never_here(ignoring: openai.OpenAI) -> None:
    thread = ignoring.beta.threads.create(tool_resources=RESOURCES)
    file = ignoring.files.create(file=("a.txt", b"Bees make honey."), purpose="assistants")
    attachments: Any = [{"file_id": name, "tools": [{"type": "file_search"}]} for name in (file.id, "file-gone")]
    ignoring.beta.threads.messages.create(thread.id, **HELLO, attachments=attachments)
    resources: Any = ignoring.beta.threads.retrieve(thread.id).tool_resources
    [store_id] = resources.file_search.vector_store_ids
    assert [found.id for found in ignoring.vector_stores.files.list(store_id)] == [file.id]


def test_a_run_may_ask_for_a_hosted_tool_and_is_answered_without(ignoring: openai.OpenAI, upstream: Any) -> None:
    assistant = ignoring.beta.assistants.create(model="m")
    choice: Any = CODE
    tools: Any = [CODE]
    run = ignoring.beta.threads.create_and_run_poll(
        assistant_id=assistant.id, tools=tools, tool_choice=choice, thread={"messages": [HELLO]}
    )
    assert run.status == "completed"
    assert not {"tools", "tool_choice"} & upstream.requests[-1].keys()


def test_by_default_the_interpreter_is_kept_and_answered_without_and_said_in_the_log(
    client: openai.OpenAI, upstream: Any, caplog: pytest.LogCaptureFixture
) -> None:
    given: Any = [CODE, FUNCTION]
    file = client.files.create(file=("a.csv", b"a"), purpose="assistants")
    resources: Any = {"code_interpreter": {"file_ids": [file.id]}}
    with caplog.at_level("WARNING", logger="nbassist.server"):
        made = client.beta.assistants.create(model="m", tools=given, tool_resources=resources)
    assert f"{made.id} will be answered without code_interpreter" in caplog.text
    assert "--code-interpreter" in caplog.text
    assert [tool.type for tool in made.tools] == ["code_interpreter", "function"]
    message: Any = {**HELLO, "attachments": [{"file_id": file.id, "tools": [CODE]}]}
    run = client.beta.threads.create_and_run_poll(assistant_id=made.id, thread={"messages": [message]})
    assert run.status == "completed"
    assert [tool["function"]["name"] for tool in upstream.requests[-1]["tools"]] == ["f"]
    assert "--code-interpreter" in (run.metadata or {})["nbassist_tools"]


def test_by_default_files_and_stores_that_are_not_here_are_refused(client: openai.OpenAI) -> None:
    for tool, resources in (("code_interpreter", {"file_ids": ["file-1"]}), ("file_search", RESOURCES["file_search"])):
        given: Any = {tool: resources}
        with pytest.raises(openai.APIStatusError):
            client.beta.assistants.create(model="m", tools=[{"type": tool}], tool_resources=given)  # type: ignore[list-item]


def test_where_it_is_refused_each_is_a_clear_400_and_so_is_a_run_of_one_that_was_kept(
    ignoring: openai.OpenAI, config: ServerConfig, run_server: Any
) -> None:
    kept = ignoring.beta.assistants.create(model="m", tools=[{"type": "code_interpreter"}])
    with run_server(replace(config, hosted_tools="refuse")) as server:
        beta = server.client.beta
        assert beta.assistants.retrieve(kept.id).tools[0].type == "code_interpreter"
        tools: Any = [CODE]
        resources: Any = {"code_interpreter": {"file_ids": ["file-1"]}}
        message: Any = {**HELLO, "attachments": [{"file_id": "file-1", "tools": tools}]}
        for ask, param in (
            (lambda: beta.assistants.create(model="m", tools=[FUNCTION, *tools]), "tools[1]"),
            (lambda: beta.assistants.create(model="m", tool_resources=resources), "tool_resources"),
            (lambda: beta.threads.create(messages=[message]), "messages[0].attachments"),
            (lambda: beta.threads.create_and_run(assistant_id=kept.id, thread={"messages": [HELLO]}), None),
        ):
            with pytest.raises(openai.BadRequestError, match="start it with --code-interpreter, or without") as caught:
                ask()
            assert param is None or caught.value.param == param


def test_a_tool_is_of_one_type_and_of_that_alone(ignoring: openai.OpenAI) -> None:
    for tool in (
        {"type": "function"},
        {**FUNCTION, "file_search": {}},
        {"type": "file_search", "file_search": 3},
        {"type": "x"},
    ):
        with pytest.raises(openai.BadRequestError):
            ignoring.beta.assistants.create(model="m", tools=[tool])  # type: ignore[list-item]
