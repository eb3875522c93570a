"""`file_search` in runs: the order of events, results, citations, ranking options, both stores, attachments."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

import httpx2
import openai
import pytest

from nbassist.cli import main
from nbassist.server.api import runs as runs_api
from nbassist.server.api import threads as threads_api
from nbassist.server.hosted.search.citations import Marks
from nbassist.server.store.database import Database

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the SDK, of the Assistants API

FOODS = b"This file describes the favorite foods of several people.\n\nSummanus Ferdinand: tacos\nFilip Carola: cake"
CONTENT: Any = ["step_details.tool_calls[*].file_search.results[*].content"]
INCLUDE = {"include[]": CONTENT[0]}
ASK: Any = {"role": "user", "content": "What is Filip's favorite food?"}
MARK = "【4:0†favorite_foods.txt】"
SEARCH: Any = [{"type": "file_search"}]
STREAM = [
    *("thread.run.created", "thread.run.queued", "thread.run.in_progress"),
    *("thread.run.step.created", "thread.run.step.in_progress", "thread.run.step.delta", "thread.run.step.completed"),
    *("thread.run.step.created", "thread.run.step.in_progress", "thread.message.created", "thread.message.in_progress"),
    *("thread.message.delta",) * 3,
    *("thread.message.completed", "thread.run.step.completed", "thread.run.completed", "done"),
]


def upload(client: openai.OpenAI, name: str = "favorite_foods.txt", content: bytes = FOODS) -> str:
    return client.files.create(file=(name, content), purpose="assistants").id


def inline(*file_ids: str) -> Any:
    return {"file_search": {"vector_stores": [{"file_ids": list(file_ids)}]}}


def searches(upstream: Any, *said: str, query: str = "Filip favorite food") -> None:
    upstream.calls(("call_1", "file_search", json.dumps({"query": query})), usage=(830, 19))
    upstream.says(*said, usage=(1270, 20))


def events(stream: str) -> list[tuple[str, Any]]:
    found = []
    for block in filter(None, stream.split("\n\n")):
        event, data = (line.split(": ", 1)[1] for line in block.split("\n", 1))
        found.append((event, data if data == "[DONE]" else json.loads(data)))
    return found


def streamed(http: httpx2.Client, client: openai.OpenAI, upstream: Any, params: Any = None) -> list[tuple[str, Any]]:
    beta = client.beta
    assistant = beta.assistants.create(model="gpt-4o", tools=SEARCH, tool_resources=inline(upload(client)))
    thread = beta.threads.create(messages=[ASK])
    searches(upstream, "Cake", MARK[:5], MARK[5:], ".")
    body = {"assistant_id": assistant.id, "stream": True}
    return events(http.post(f"threads/{thread.id}/runs", json=body, params=params).text)


def test_the_events_come_in_the_order_that_was_recorded(
    http: httpx2.Client, client: openai.OpenAI, upstream: Any
) -> None:
    told = streamed(http, client, upstream, INCLUDE)
    assert [name for name, _ in told] == STREAM
    by_name = dict(told)
    [call] = by_name["thread.run.step.delta"]["delta"]["step_details"]["tool_calls"]
    options = {"ranker": "default_2024_08_21", "score_threshold": 0.0}
    assert call == {
        "index": 0,
        "id": "call_1",
        "type": "file_search",
        "file_search": {"ranking_options": options, "results": []},
    }
    done = next(data for name, data in told if name == "thread.run.step.completed")
    [shown] = done["step_details"]["tool_calls"]
    assert shown["file_search"].pop("nbassist_search") == "words"
    [result] = shown["file_search"]["results"]
    assert list(result) == ["file_id", "file_name", "score", "attributes", "content"]
    assert result["content"] == [{"type": "text", "text": FOODS.decode()}]
    assert done["usage"]["prompt_tokens"] == 830
    usage = by_name["thread.run.completed"]["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (2100, 39)


def test_a_mark_is_told_whole_in_one_delta_with_its_annotation(
    http: httpx2.Client, client: openai.OpenAI, upstream: Any
) -> None:
    told = streamed(http, client, upstream)
    deltas = [data["delta"]["content"][0] for name, data in told if name == "thread.message.delta"]
    file_id = next(data for name, data in told if name == "thread.run.step.completed")["step_details"]["tool_calls"][0][
        "file_search"
    ]["results"][0]["file_id"]
    assert deltas[0]["text"] == {"value": "Cake", "annotations": []}
    assert deltas[1]["text"] == {
        "value": MARK,
        "annotations": [
            {
                "index": 0,
                "type": "file_citation",
                "text": MARK,
                "start_index": 4,
                "end_index": 28,
                "file_citation": {"file_id": file_id, "quote": ""},
            }
        ],
    }
    assert deltas[2]["text"] == {"value": "."}
    message = dict(told)["thread.message.completed"]["content"][0]["text"]
    assert message["value"] == f"Cake{MARK}."
    assert message["annotations"] == [
        {
            "type": "file_citation",
            "text": MARK,
            "start_index": 4,
            "end_index": 28,
            "file_citation": {"file_id": file_id},
        }
    ]


def test_what_was_found_is_told_only_to_who_asks_for_it(client: openai.OpenAI, upstream: Any) -> None:
    beta = client.beta
    assistant = beta.assistants.create(model="gpt-4o", tools=SEARCH, tool_resources=inline(upload(client)))
    searches(upstream, "Cake.")
    run = beta.threads.create_and_run_poll(assistant_id=assistant.id, thread={"messages": [ASK]}, poll_interval_ms=20)
    assert run.status == "completed"
    steps = beta.threads.runs.steps
    where: Any = {"thread_id": run.thread_id}

    def result(**more: Any) -> Any:
        call = steps.list(run.id, order="asc", **where, **more).data[0].step_details.to_dict()["tool_calls"][0]
        return call["file_search"]["results"][0]

    assert "content" not in result()
    assert result(include=CONTENT)["content"][0]["text"] == FOODS.decode()
    assert result()["file_name"] == "favorite_foods.txt"


def test_the_model_is_offered_a_function_and_told_the_passages_with_their_marks(
    client: openai.OpenAI, upstream: Any
) -> None:
    beta = client.beta
    assistant = beta.assistants.create(model="gpt-4o", tools=SEARCH, tool_resources=inline(upload(client)))
    searches(upstream, "Cake.")
    beta.threads.create_and_run_poll(assistant_id=assistant.id, thread={"messages": [ASK]}, poll_interval_ms=20)
    first, second = upstream.requests[-2:]
    assert [tool["function"]["name"] for tool in first["tools"]] == ["file_search"]
    call, told = second["messages"][-2:]
    assert json.loads(call["tool_calls"][0]["function"]["arguments"]) == {"query": "Filip favorite food"}
    assert told["role"] == "tool"
    assert f"{MARK}\n{FOODS.decode()}" in told["content"]


def test_the_stores_of_the_assistant_and_of_the_thread_are_both_searched(client: openai.OpenAI, upstream: Any) -> None:
    beta, file_id = client.beta, upload(client)
    assistant = beta.assistants.create(model="gpt-4o", tools=SEARCH, tool_resources=inline(file_id))
    assert list(assistant.to_dict()["tool_resources"]) == ["file_search"]
    thread = beta.threads.create(messages=[ASK], tool_resources=inline(file_id))
    searches(upstream, "Cake.")
    run = beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=20)
    call: Any = beta.threads.runs.steps.list(run.id, thread_id=thread.id, order="asc").data[0].step_details
    assert [result.file_id for result in call.tool_calls[0].file_search.results] == [file_id, file_id]


def test_ranking_options_are_echoed_and_obeyed(client: openai.OpenAI, upstream: Any) -> None:
    options: Any = {"ranker": "default_2024_08_21", "score_threshold": 0.9}
    tools: Any = [{"type": "file_search", "file_search": {"max_num_results": 1, "ranking_options": options}}]
    beta = client.beta
    ids = [upload(client), upload(client, "other.txt", b"Filip has a favorite color.")]
    assistant = beta.assistants.create(model="gpt-4o", tools=tools, tool_resources=inline(*ids))
    assert assistant.to_dict()["tools"] == [
        {
            "type": "file_search",
            "file_search": {"max_num_results": 1, "ranking_options": {**options, "hybrid_search": None}},
        }
    ]

    def results(query: str) -> Any:
        searches(upstream, "Done.", query=query)
        run = beta.threads.create_and_run_poll(
            assistant_id=assistant.id, thread={"messages": [ASK]}, poll_interval_ms=20
        )
        step: Any = beta.threads.runs.steps.list(run.id, thread_id=run.thread_id, order="asc").data[0]
        return step.step_details.to_dict()["tool_calls"][0]["file_search"]

    found = results("Filip favorite")
    assert found["ranking_options"] == options
    assert len(found["results"]) == 1
    assert results("Filip zeppelin airship hangar")["results"] == []


def test_an_attachment_goes_to_a_store_of_the_threads_own(client: openai.OpenAI, upstream: Any) -> None:
    beta = client.beta
    attachments: Any = [{"file_id": upload(client), "tools": SEARCH}]
    assistant = beta.assistants.create(model="gpt-4o", tools=SEARCH)
    thread = beta.threads.create()
    message = beta.threads.messages.create(thread.id, role="user", content="What?", attachments=attachments)
    assert message.to_dict()["attachments"] == attachments
    resources: Any = beta.threads.retrieve(thread.id).tool_resources
    [store_id] = resources.file_search.vector_store_ids
    expires: Any = client.vector_stores.retrieve(store_id).expires_after
    assert (expires.anchor, expires.days) == ("last_active_at", 7)
    searches(upstream, f"Cake{MARK}")
    run = beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=20)
    [said] = beta.threads.messages.list(thread.id, run_id=run.id).data
    text: Any = said.content[0]
    assert text.text.annotations[0].file_citation.file_id == attachments[0]["file_id"]


@pytest.mark.parametrize("by", ["a message", "a run"])
@pytest.mark.parametrize("gone", ["deleted", "expired"])
def test_an_attachment_makes_a_new_store_where_the_threads_own_is_gone(
    gone: str, by: str, client: openai.OpenAI, upstream: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    beta = client.beta
    first, second, lost = upload(client), upload(client, "drinks.txt", b"Filip likes tea."), upload(client, "c.txt")

    def asked(*file_ids: str) -> Any:
        return {**ASK, "attachments": [{"file_id": file_id, "tools": SEARCH} for file_id in file_ids]}

    def store_of(thread_id: str) -> str:
        resources: Any = beta.threads.retrieve(thread_id).tool_resources
        [store_id] = resources.file_search.vector_store_ids
        return str(store_id)

    assistant = beta.assistants.create(model="gpt-4o", tools=SEARCH)
    thread = beta.threads.create(messages=[asked(first, lost)])
    old = store_of(thread.id)
    client.files.delete(lost)
    if gone == "deleted":
        client.vector_stores.delete(old)
    else:
        later = int(time.time()) + 8 * 86_400
        for module in (runs_api, threads_api):
            monkeypatch.setattr(module, "now", lambda: later)
    searches(upstream, f"Cake{MARK}")
    added: Any = [asked(second)]
    if by == "a message":
        beta.threads.messages.create(thread.id, **added.pop())
    where: Any = {"thread_id": thread.id, "assistant_id": assistant.id, "poll_interval_ms": 20}
    run = beta.threads.runs.create_and_poll(**where, additional_messages=added)
    assert run.status == "completed"
    assert (new := store_of(thread.id)) != old
    assert {file.id for file in client.vector_stores.files.list(new)} == {first, second}
    assert client.vector_stores.retrieve(new).expires_after is not None
    beta.threads.messages.create(thread.id, **asked(second))
    assert store_of(thread.id) == new


def test_functions_beside_a_search_are_the_clients_to_answer(client: openai.OpenAI, upstream: Any) -> None:
    tools: Any = [*SEARCH, {"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}}]
    beta = client.beta
    assistant = beta.assistants.create(model="gpt-4o", tools=tools, tool_resources=inline(upload(client)))
    upstream.calls(("call_1", "file_search", '{"query": "cake"}'), ("call_2", "clock", "{}"))
    run = beta.threads.create_and_run_poll(assistant_id=assistant.id, thread={"messages": [ASK]}, poll_interval_ms=20)
    assert run.status == "requires_action"
    assert run.required_action is not None
    assert [call.id for call in run.required_action.submit_tool_outputs.tool_calls] == ["call_2"]
    upstream.says("Cake at noon.")
    outputs: Any = [{"tool_call_id": "call_2", "output": "12:00"}]
    done = beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id, thread_id=run.thread_id, tool_outputs=outputs, poll_interval_ms=20
    )
    assert done.status == "completed"
    told = {message["tool_call_id"]: message["content"] for message in upstream.requests[-1]["messages"][-2:]}
    assert told["call_2"] == "12:00"
    assert "Filip Carola: cake" in told["call_1"]


def test_a_function_of_the_clients_that_has_the_name_stays_the_clients(client: openai.OpenAI, upstream: Any) -> None:
    tools: Any = [*SEARCH, {"type": "function", "function": {"name": "file_search", "parameters": {"type": "object"}}}]
    beta = client.beta
    assistant = beta.assistants.create(model="gpt-4o", tools=tools)
    upstream.calls(("call_1", "file_search", "{}"))
    run = beta.threads.create_and_run_poll(assistant_id=assistant.id, thread={"messages": [ASK]}, poll_interval_ms=20)
    assert run.status == "requires_action"
    names = [tool["function"]["name"] for tool in upstream.requests[-1]["tools"]]
    assert sorted(names) == ["file_search", "search_in_files"]


def test_a_choice_of_the_tool_is_told_the_model_once(client: openai.OpenAI, upstream: Any) -> None:
    beta = client.beta
    assistant = beta.assistants.create(model="gpt-4o", tools=SEARCH, tool_resources=inline(upload(client)))
    searches(upstream, "Cake.")
    choice: Any = {"type": "file_search"}
    beta.threads.create_and_run_poll(
        assistant_id=assistant.id, thread={"messages": [ASK]}, tool_choice=choice, poll_interval_ms=20
    )
    first, second = upstream.requests[-2:]
    assert first["tool_choice"] == {"type": "function", "function": {"name": "file_search"}}
    assert second["tool_choice"] == "auto"


def test_a_model_that_only_ever_searches_has_to_answer_at_last(client: openai.OpenAI, upstream: Any) -> None:
    beta = client.beta
    assistant = beta.assistants.create(model="gpt-4o", tools=SEARCH, tool_resources=inline(upload(client)))
    for number in range(17):
        upstream.calls((f"call_{number}", "file_search", '{"query": "cake"}'))
    upstream.says("Cake.")
    run = beta.threads.create_and_run_poll(assistant_id=assistant.id, thread={"messages": [ASK]}, poll_interval_ms=20)
    assert run.status == "completed"
    told = [message["content"] for message in upstream.requests[-1]["messages"] if message["role"] == "tool"]
    assert ["answer now" in text for text in told] == [False] * 16 + [True]
    for number in range(30):
        upstream.calls((f"call_{number}", "file_search", '{"query": "cake"}'))
    endless = beta.threads.create_and_run_poll(
        assistant_id=assistant.id, thread={"messages": [ASK]}, poll_interval_ms=20
    )
    assert endless.last_error is not None
    assert "gave no answer" in endless.last_error.message


def test_wrong_arguments_are_told_the_model_and_the_run_goes_on(client: openai.OpenAI, upstream: Any) -> None:
    beta = client.beta
    assistant = beta.assistants.create(model="gpt-4o", tools=SEARCH, tool_resources=inline(upload(client)))
    upstream.calls(("call_1", "file_search", '{"question": 3}'))
    upstream.says("I can't.")
    run = beta.threads.create_and_run_poll(assistant_id=assistant.id, thread={"messages": [ASK]}, poll_interval_ms=20)
    assert run.status == "completed"
    assert "no query" in upstream.requests[-1]["messages"][-1]["content"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_marks_are_found_however_a_text_is_cut(size: int) -> None:
    results: Any = [[{"file_id": "file-1", "file_name": "a.txt"}], [{"file_id": "file-2", "file_name": "b.txt"}]]
    text = "One【4:0†a.txt】 two【5:0†b.txt】, 【aside】, 【9:9†b.txt】, 【4:0†none】 and 【open 【4:0†a.txt】【"
    marks = Marks(results)
    pieces = [piece for at in range(0, len(text), size) for piece in marks.feed(text[at : at + size])]
    pieces += marks.rest()
    assert "".join(piece.text for piece in pieces) == text
    found = [(piece.text, piece.file_id) for piece in pieces if piece.file_id]
    assert found == [
        ("【4:0†a.txt】", "file-1"),
        ("【5:0†b.txt】", "file-2"),
        ("【9:9†b.txt】", "file-2"),
        ("【4:0†a.txt】", "file-1"),
    ]


def test_a_store_of_somebody_elses_that_a_thread_names_is_not_searched(
    config: Any, run_server: Any, upstream: Any, tmp_path: Any, capsys: Any
) -> None:
    store = str(tmp_path / "people.db")
    assert main(["token", "add", "bob", "--store", store]) == 0
    token = capsys.readouterr().out.strip()
    # A server that keeps what it can't check takes any id.
    with run_server(replace(config, store_url=f"sqlite:///{store}", hosted_tools="ignore")) as server:
        assistant = server.client.beta.assistants.create(
            model="gpt-4o", tools=SEARCH, tool_resources=inline(upload(server.client))
        )
        resources: Any = assistant.to_dict()["tool_resources"]
        with openai.OpenAI(base_url=server.url, api_key=token, max_retries=0) as bob:
            own = bob.beta.assistants.create(model="gpt-4o", tools=SEARCH, tool_resources=resources)
            searches(upstream, "Nothing.")
            run = bob.beta.threads.create_and_run_poll(
                assistant_id=own.id, thread={"messages": [ASK], "tool_resources": resources}, poll_interval_ms=20
            )
    assert run.status == "completed"
    assert "no files to search" in upstream.requests[-1]["messages"][-1]["content"]


def test_what_is_written_may_be_taken_back_and_done_once_more(
    http: httpx2.Client, client: openai.OpenAI, upstream: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class TakenBackError(Exception):
        pass

    write = Database.write

    async def twice(self: Any, work: Any, *arguments: Any, **named: Any) -> Any:
        def taken_back(connection: Any) -> None:
            work(connection, *arguments, **named)
            raise TakenBackError

        with suppress(TakenBackError):
            await write(self, taken_back)
        return await write(self, work, *arguments, **named)

    monkeypatch.setattr(Database, "write", twice)
    assert [name for name, _ in streamed(http, client, upstream, INCLUDE)] == STREAM
    thread = client.beta.threads.create()
    changed = client.beta.threads.update(thread.id, tool_resources=inline(upload(client)))
    [store_id] = changed.to_dict()["tool_resources"]["file_search"]["vector_store_ids"]
    assert client.vector_stores.retrieve(store_id).file_counts.total == 1
