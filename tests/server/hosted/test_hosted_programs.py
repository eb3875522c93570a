"""Programs of 2024 that search files and run code, in the manner of OpenAI's guides and of the frameworks over them,
unchanged but for the base URL and the key."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import openai
import pytest
from openai import AssistantEventHandler

pytestmark = pytest.mark.filterwarnings("ignore:(deprecated|The Assistants API):DeprecationWarning")

REPORT = b"Revenue of Goog Ltd was 12 million in 2023.\n\nThe number of shares outstanding at year end was 7,000."
MARK = "【4:0†goog-10k.txt】"


@pytest.fixture(scope="module")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}"


@pytest.fixture
def coding(config: Any, sandbox: Any, run_server: Any, upstream: Any) -> Iterator[openai.OpenAI]:
    with run_server(replace(config, interpreter=sandbox)) as server:
        yield server.client


def searches(upstream: Any, query: str, says: str) -> None:
    upstream.calls(("call_search", "file_search", json.dumps({"query": query})))
    upstream.says(says)


def report() -> Any:
    file = io.BytesIO(REPORT)
    file.name = "goog-10k.txt"
    return file


def test_the_guide_to_file_search(client: openai.OpenAI, upstream: Any) -> None:
    """A store filled by a batch, an attachment of a message, a handler that turns citations into footnotes."""
    shown: list[str] = []

    class EventHandler(AssistantEventHandler):
        def on_text_created(self, text: Any) -> None:
            shown.append("assistant >")

        def on_tool_call_created(self, tool_call: Any) -> None:
            shown.append(f"assistant > {tool_call.type}")

        def on_message_done(self, message: Any) -> None:
            content = message.content[0].text
            citations = []
            for index, annotation in enumerate(content.annotations):
                content.value = content.value.replace(annotation.text, f"[{index}]")
                if file_citation := getattr(annotation, "file_citation", None):
                    cited_file = client.files.retrieve(file_citation.file_id)
                    citations.append(f"[{index}] {cited_file.filename}")
            shown.append(content.value)
            shown.append("\n".join(citations))

    assistant = client.beta.assistants.create(
        name="Financial Analyst Assistant", model="gpt-4o", tools=[{"type": "file_search"}]
    )
    vector_store = client.vector_stores.create(name="Financial Statements")
    batch = client.vector_stores.file_batches.upload_and_poll(vector_store_id=vector_store.id, files=[report()])
    assert batch.status == "completed"
    assert batch.file_counts.completed == 1
    assistant = client.beta.assistants.update(
        assistant_id=assistant.id, tool_resources={"file_search": {"vector_store_ids": [vector_store.id]}}
    )
    message_file = client.files.create(file=report(), purpose="assistants")
    thread = client.beta.threads.create(
        messages=[
            {
                "role": "user",
                "content": "How many shares of Goog were outstanding at the end of 2023?",
                "attachments": [{"file_id": message_file.id, "tools": [{"type": "file_search"}]}],
            }
        ]
    )
    assert thread.tool_resources is not None
    assert thread.tool_resources.file_search is not None
    searches(upstream, "shares outstanding", f"There were 7,000{MARK}.")
    with client.beta.threads.runs.stream(
        thread_id=thread.id, assistant_id=assistant.id, event_handler=EventHandler()
    ) as stream:
        stream.until_done()
    assert shown == [
        "assistant > file_search",
        "assistant >",
        "There were 7,000[0].",
        "[0] goog-10k.txt",
    ]


def test_the_guide_to_the_code_interpreter(coding: openai.OpenAI, upstream: Any) -> None:
    """A handler that prints input and outputs as they come, a picture and a file that are downloaded."""
    client = coding
    shown: list[str] = []

    class EventHandler(AssistantEventHandler):
        def on_tool_call_delta(self, delta: Any, snapshot: Any) -> None:
            if delta.type == "code_interpreter":
                if delta.code_interpreter.input:
                    shown.append(delta.code_interpreter.input)
                for output in delta.code_interpreter.outputs or ():
                    shown.append("output >")
                    if output.type == "logs":
                        shown.append(f"\n{output.logs}")

        def on_tool_call_done(self, tool_call: Any) -> None:
            shown.append(f"|{tool_call.code_interpreter.input}|{len(tool_call.code_interpreter.outputs)}|")

    file = client.files.create(file=("mydata.csv", b"a,b\n1,2\n3,4\n"), purpose="assistants")
    assistant = client.beta.assistants.create(
        model="gpt-4o",
        tools=[{"type": "code_interpreter"}],
        tool_resources={"code_interpreter": {"file_ids": [file.id]}},
    )
    assert assistant.tool_resources is not None
    code = (
        "import csv\nrows = list(csv.DictReader(open('/mnt/data/mydata.csv')))\n"
        "from IPython.display import Image, display\ndisplay(Image(data=b'\\x89PNG', format='png'))\n"
        "open('/mnt/data/total.csv', 'w').write('total\\n4\\n')\nprint(len(rows))"
    )
    upstream.calls(("call_code", "code_interpreter", json.dumps({"code": code})))
    upstream.says("Download [the total](sandbox:/mnt/data/total.csv).")
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "Sum it up, with a chart."}])
    with client.beta.threads.runs.stream(
        thread_id=thread.id, assistant_id=assistant.id, event_handler=EventHandler()
    ) as stream:
        stream.until_done()
        messages = stream.get_final_messages()
    assert "".join(shown).startswith(code)
    assert "\n2\n" in shown
    assert shown[-1] == f"|{code}|2|"
    picture, text = messages[0].content
    assert picture.type == "image_file"
    assert client.files.content(picture.image_file.file_id).read() == b"\x89PNG"
    assert text.type == "text"
    [annotation] = text.text.annotations
    assert annotation.type == "file_path"
    assert client.files.content(annotation.file_path.file_id).read() == b"total\n4\n"


def test_a_runnable_that_polls_and_reads_what_was_cited(client: openai.OpenAI, upstream: Any) -> None:
    """As LangChain's runnable does: create a thread and a run in one, look until it is done, take the new messages."""
    file = client.files.create(file=report(), purpose="assistants")
    assistant = client.beta.assistants.create(
        model="gpt-4o",
        tools=[{"type": "file_search", "file_search": {"max_num_results": 3}}],
        tool_resources={"file_search": {"vector_stores": [{"file_ids": [file.id], "metadata": {"of": "langchain"}}]}},
    )
    searches(upstream, "revenue 2023", f"12 million{MARK}")
    run = client.beta.threads.create_and_run(
        assistant_id=assistant.id,
        thread={"messages": [{"role": "user", "content": "The revenue?", "metadata": {}}], "metadata": None},
    )
    in_progress = True
    while in_progress:
        run = client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)
        in_progress = run.status in ("in_progress", "queued")
        if in_progress:
            time.sleep(0.02)
    assert run.status == "completed"
    messages = client.beta.threads.messages.list(run.thread_id, order="asc")
    new = [message for message in messages if message.run_id == run.id]
    text: Any = new[0].content[0]
    assert text.text.value == f"12 million{MARK}"
    assert text.text.annotations[0].file_citation.file_id == file.id


def test_an_agent_that_brings_files_and_reads_the_steps(client: openai.OpenAI, upstream: Any) -> None:
    """As semantic-kernel and llama-index do: files of the message, the steps with what was found, the usage."""
    file = client.files.create(file=report(), purpose="assistants")
    assistant = client.beta.assistants.create(model="gpt-4o", tools=[{"type": "file_search"}], temperature=0.1)
    thread = client.beta.threads.create()
    client.beta.threads.messages.create(
        thread_id=thread.id,
        role="user",
        content="The revenue?",
        attachments=[
            {
                "file_id": file.id,
                "tools": [
                    {"type": "file_search"},
                ],
            }
        ],
        metadata={"agent": "1"},
    )
    searches(upstream, "revenue", f"12 million{MARK}")
    run = client.beta.threads.runs.create(
        thread_id=thread.id, assistant_id=assistant.id, instructions="Answer from the files."
    )
    while run.status not in ("completed", "failed"):
        run = client.beta.threads.runs.retrieve(thread_id=thread.id, run_id=run.id)
    assert run.status == "completed"
    steps = client.beta.threads.runs.steps.list(
        run_id=run.id,
        thread_id=thread.id,
        include=["step_details.tool_calls[*].file_search.results[*].content"],
    )
    seen = []
    for step in sorted(steps.data, key=lambda step: (step.created_at, step.type == "message_creation")):
        if step.step_details.type == "tool_calls":
            for call in step.step_details.tool_calls:
                assert call.type == "file_search"
                assert call.file_search.results is not None
                result = call.file_search.results[0]
                assert result.content is not None
                seen.append((result.file_name, result.content[0].text))
        else:
            seen.append(("message", ""))
    assert seen == [("goog-10k.txt", REPORT.decode()), ("message", "")]
    assert run.usage is not None
    assert run.usage.total_tokens > 0


def test_an_agent_that_keeps_a_folder_in_a_store(client: openai.OpenAI, upstream: Any) -> None:
    """As agency-swarm and autogen do: make a store or find it by name, add what is missing, replace marks by names."""
    name = "files_folder"
    store = next((store for store in client.vector_stores.list() if store.name == name), None)
    if store is None:
        store = client.vector_stores.create(name=name, expires_after={"anchor": "last_active_at", "days": 30})
    uploaded = {file.filename: file.id for file in client.files.list(purpose="assistants")}
    file_id = uploaded.get("goog-10k.txt") or client.files.create(file=report(), purpose="assistants").id
    if file_id not in [file.id for file in client.vector_stores.files.list(vector_store_id=store.id)]:
        client.vector_stores.files.create_and_poll(vector_store_id=store.id, file_id=file_id)
    assistant = client.beta.assistants.create(
        model="gpt-4o",
        tools=[{"type": "file_search"}],
        tool_resources={"file_search": {"vector_store_ids": [store.id]}},
    )
    searches(upstream, "shares", f"7,000 {MARK}")
    run = client.beta.threads.create_and_run_poll(
        assistant_id=assistant.id, thread={"messages": [{"role": "user", "content": "Shares?"}]}, poll_interval_ms=20
    )
    said = ""
    for message in client.beta.threads.messages.list(run.thread_id, run_id=run.id):
        for content in message.content:
            if content.type == "text":
                said = content.text.value
                for index, annotation in enumerate(content.text.annotations):
                    assert annotation.type == "file_citation"
                    said = said.replace(annotation.text, f" [{index}]")
                    cited = client.files.retrieve(annotation.file_citation.file_id)
                    said += f"\n[{index}] {cited.filename}"
    assert said == "7,000  [0]\n[0] goog-10k.txt"
    for file in client.vector_stores.files.list(vector_store_id=store.id):
        client.vector_stores.files.delete(file.id, vector_store_id=store.id)
    client.vector_stores.delete(store.id)
    client.beta.assistants.delete(assistant.id)


def test_an_agent_whose_code_is_polled_for_and_whose_pictures_are_kept(coding: openai.OpenAI, upstream: Any) -> None:
    """As autogen does: files by the assistant, a loop over the run's state, then text, pictures and the steps' code."""
    client = coding
    file = client.files.create(file=("sales.csv", b"n\n1\n2\n"), purpose="assistants")
    assistant = client.beta.assistants.create(
        name="analyst",
        instructions="You write code.",
        tools=[{"type": "code_interpreter"}],
        model="gpt-4-turbo",
        tool_resources={"code_interpreter": {"file_ids": [file.id]}},
    )
    thread = client.beta.threads.create(messages=[])
    client.beta.threads.messages.create(thread_id=thread.id, content="Plot the sales.", role="user")
    code = "from IPython.display import Image, display\ndisplay(Image(data=b'\\x89PNG', format='png'))\nprint('drawn')"
    upstream.calls(("call_plot", "code_interpreter", json.dumps({"code": code})))
    upstream.says("Here it is.")
    run = client.beta.threads.runs.create(thread_id=thread.id, assistant_id=assistant.id, instructions="Be brief.")
    while True:
        run = client.beta.threads.runs.retrieve(run.id, thread_id=thread.id)
        if run.status in ("completed", "failed", "cancelled", "expired"):
            break
        assert run.status in ("queued", "in_progress")
        time.sleep(0.02)
    assert run.status == "completed"
    answers, pictures = [], []
    for message in client.beta.threads.messages.list(thread_id=thread.id).data:
        if message.role == "assistant":
            for content in message.content:
                if content.type == "text":
                    answers.append(content.text.value)
                elif content.type == "image_file":
                    pictures.append(client.files.content(content.image_file.file_id).read())
    assert (answers, pictures) == (["Here it is."], [b"\x89PNG"])
    written = [
        call.code_interpreter.input
        for step in client.beta.threads.runs.steps.list(run.id, thread_id=thread.id).data
        if step.step_details.type == "tool_calls"
        for call in step.step_details.tool_calls
        if call.type == "code_interpreter"
    ]
    assert written == [code]
    client.beta.threads.delete(thread.id)


def test_an_agent_that_yields_code_text_and_files_from_the_events(coding: openai.OpenAI, upstream: Any) -> None:
    """As semantic-kernel does: one pass over raw events, in which code, text and references to files are told apart."""
    client = coding
    assistant = client.beta.assistants.create(model="gpt-4o", tools=[{"type": "code_interpreter"}])
    thread = client.beta.threads.create()
    client.beta.threads.messages.create(thread.id, role="user", content="Write a table.")
    code = "open('/mnt/data/table.csv', 'w').write('a,b')\nprint('written')"
    upstream.calls(("call_table", "code_interpreter", json.dumps({"code": code})))
    upstream.says("See [the table](sandbox:/mnt/data/table.csv).")
    told: dict[str, str] = {"code": "", "logs": "", "text": ""}
    files = []
    stream = client.beta.threads.runs.create(thread_id=thread.id, assistant_id=assistant.id, stream=True)
    for event in stream:
        if event.event == "thread.run.step.delta" and event.data.delta.step_details is not None:
            details = event.data.delta.step_details
            for call in (details.tool_calls or ()) if details.type == "tool_calls" else ():
                if call.type == "code_interpreter" and call.code_interpreter is not None:
                    told["code"] += call.code_interpreter.input or ""
                    for output in call.code_interpreter.outputs or ():
                        told["logs"] += (output.logs or "") if output.type == "logs" else ""
        elif event.event == "thread.message.delta":
            for part in event.data.delta.content or ():
                if part.type == "text" and part.text is not None:
                    told["text"] += part.text.value or ""
                    for annotation in part.text.annotations or ():
                        if annotation.type == "file_path" and annotation.file_path is not None:
                            files.append((annotation.text, annotation.file_path.file_id))
    assert told == {
        "code": code,
        "logs": "written\n",
        "text": "See [the table](sandbox:/mnt/data/table.csv).",
    }
    [(link, file_id)] = files
    assert link == "sandbox:/mnt/data/table.csv"
    assert file_id is not None
    assert client.files.content(file_id).read() == b"a,b"
