"""`code_interpreter` in runs: input as it is written, outputs, pictures, files, and the session of a thread."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx2
import openai
import pytest

from nbassist.server.hosted.interpreter.code_stream import CodeStream, code_of
from nbassist.server.hosted.search.citations import Marks

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the SDK, of the Assistants API

CODE: Any = [{"type": "code_interpreter"}]
ASK: Any = {"role": "user", "content": "Compute."}
PNG = r"b'\x89PNG\r\n\x1a\n'"


@pytest.fixture(scope="module")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}"


@pytest.fixture
def coding(config: Any, sandbox: Any, run_server: Any, upstream: Any) -> Iterator[openai.OpenAI]:
    with run_server(replace(config, interpreter=sandbox)) as server:
        yield server.client


def runs(upstream: Any, *code: str, says: str = "Done.") -> None:
    for number, text in enumerate(code):
        upstream.calls((f"call_{number}", "code_interpreter", json.dumps({"code": text})))
    upstream.says(says)


def ran(client: openai.OpenAI, **more: Any) -> tuple[Any, list[Any]]:
    """Run; return the run, and the calls of its steps, the first first."""
    assistant = client.beta.assistants.create(model="gpt-4o", tools=CODE)
    run = client.beta.threads.create_and_run_poll(
        assistant_id=assistant.id, thread={"messages": [ASK], **more}, poll_interval_ms=20
    )
    return run, calls_of(client, run)


def calls_of(client: openai.OpenAI, run: Any) -> list[Any]:
    steps = client.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id, order="asc").data
    found = [step.step_details.to_dict() for step in steps]
    return [call["code_interpreter"] for details in found for call in details.get("tool_calls", ())]


def test_what_is_printed_is_shown_and_the_last_value_is_told_the_model_alone(
    coding: openai.OpenAI, upstream: Any
) -> None:
    runs(upstream, "print('six')\n6 * 7")
    run, [call] = ran(coding)
    assert run.status == "completed"
    assert call == {"input": "print('six')\n6 * 7", "outputs": [{"type": "logs", "logs": "six\n"}]}
    assert upstream.requests[-1]["messages"][-1]["content"] == "six\n42"
    runs(upstream, "6 * 7")
    assert ran(coding)[1] == [{"input": "6 * 7", "outputs": []}]


def test_variables_stay_from_call_to_call_and_from_run_to_run_of_a_thread(coding: openai.OpenAI, upstream: Any) -> None:
    runs(upstream, "x = 3", "print(x + 1)")
    run, calls = ran(coding)
    assert calls[1]["outputs"] == [{"type": "logs", "logs": "4\n"}]
    runs(upstream, "print(x + 2)")
    again = coding.beta.threads.runs.create_and_poll(
        thread_id=run.thread_id, assistant_id=run.assistant_id, poll_interval_ms=20
    )
    assert calls_of(coding, again)[0]["outputs"] == [{"type": "logs", "logs": "5\n"}]
    runs(upstream, "print('x' in globals())")
    assert ran(coding)[1][0]["outputs"] == [{"type": "logs", "logs": "False\n"}]


def test_an_error_is_a_log_without_colours_and_the_run_goes_on(coding: openai.OpenAI, upstream: Any) -> None:
    runs(upstream, "1 / 0")
    run, [call] = ran(coding)
    assert run.status == "completed"
    assert "ZeroDivisionError: division by zero" in call["outputs"][0]["logs"]
    assert "\x1b" not in call["outputs"][0]["logs"]


def test_a_picture_is_a_file_an_output_and_a_part_of_the_message_before_its_text(
    coding: openai.OpenAI, upstream: Any
) -> None:
    runs(upstream, f"from IPython.display import Image, display\ndisplay(Image(data={PNG}, format='png'))", says="See.")
    run, [call] = ran(coding)
    [output] = call["outputs"]
    assert output["type"] == "image"
    file_id = output["image"]["file_id"]
    assert coding.files.retrieve(file_id).purpose == "assistants_output"
    assert coding.files.content(file_id).read() == b"\x89PNG\r\n\x1a\n"
    [message] = coding.beta.threads.messages.list(run.thread_id, run_id=run.id).data
    parts = [part.to_dict() for part in message.content]
    assert [part["type"] for part in parts] == ["image_file", "text"]
    assert parts[0]["image_file"]["file_id"] == file_id  # type: ignore[index]


def test_files_go_in_and_out_and_links_to_them_are_annotated(coding: openai.OpenAI, upstream: Any) -> None:
    file_id = coding.files.create(file=("numbers.csv", b"1\n2\n3\n"), purpose="assistants").id
    code = (
        "rows = [int(line) for line in open('/mnt/data/numbers.csv')]\n"
        f"assert open('/mnt/data/{file_id}').read()\n"
        "open('/mnt/data/sum.txt', 'w').write(str(sum(rows)))\nprint(sum(rows))"
    )
    runs(upstream, code, says="It is in [sum.txt](sandbox:/mnt/data/sum.txt).")
    run, [call] = ran(coding, tool_resources={"code_interpreter": {"file_ids": [file_id]}})
    assert call["outputs"] == [{"type": "logs", "logs": "6\n"}]
    assert "/mnt/data/numbers.csv" in upstream.requests[0]["tools"][0]["function"]["description"]
    [message] = coding.beta.threads.messages.list(run.thread_id, run_id=run.id).data
    text: Any = message.content[0].to_dict()["text"]
    [note] = text["annotations"]
    assert note["type"] == "file_path"
    assert text["value"][note["start_index"] : note["end_index"]] == note["text"] == "sandbox:/mnt/data/sum.txt"
    assert coding.files.content(note["file_path"]["file_id"]).read() == b"6"


def test_an_attachment_for_the_interpreter_lies_in_its_folder(coding: openai.OpenAI, upstream: Any) -> None:
    file_id = coding.files.create(file=("a.txt", b"attached"), purpose="assistants").id
    runs(upstream, "print(open('a.txt').read())")
    message = {**ASK, "attachments": [{"file_id": file_id, "tools": CODE}]}
    _, [call] = ran(coding, messages=[message])
    assert call["outputs"] == [{"type": "logs", "logs": "attached\n"}]


def test_input_is_streamed_as_it_is_written_and_logs_as_they_come(coding: openai.OpenAI, upstream: Any) -> None:
    runs(upstream, "print('one')\nprint('two')")
    assistant = coding.beta.assistants.create(model="gpt-4o", tools=CODE)
    thread = coding.beta.threads.create(messages=[ASK])
    path = f"{coding.base_url}threads/{thread.id}/runs"
    headers = {"Authorization": f"Bearer {coding.api_key}"}
    body = {"assistant_id": assistant.id, "stream": True}
    stream = httpx2.post(path, json=body, headers=headers, timeout=60).text
    events = [block.split("\n", 1) for block in stream.split("\n\n") if block]
    names = [name.removeprefix("event: ") for name, _ in events]
    deltas = [json.loads(data.removeprefix("data: ")) for name, data in events if name.endswith("step.delta")]
    pieces = [delta["delta"]["step_details"]["tool_calls"][0] for delta in deltas]
    assert pieces[0] == {
        "index": 0,
        "id": "call_0",
        "type": "code_interpreter",
        "code_interpreter": {"input": "", "outputs": []},
    }
    inputs = [piece["code_interpreter"]["input"] for piece in pieces[1:] if "input" in piece["code_interpreter"]]
    assert len(inputs) > 1
    assert "".join(inputs) == "print('one')\nprint('two')"
    outputs = [one for piece in pieces[1:] for one in piece["code_interpreter"].get("outputs", ())]
    assert "".join(one["logs"] for one in outputs) == "one\ntwo\n"
    assert {(one["index"], one["type"]) for one in outputs} == {(0, "logs")}
    completed = names.index("thread.run.step.completed")
    assert names[:5] == [
        *("thread.run.created", "thread.run.queued", "thread.run.in_progress"),
        *("thread.run.step.created", "thread.run.step.in_progress"),
    ]
    assert set(names[5:completed]) == {"thread.run.step.delta"}


def test_code_that_takes_too_long_is_interrupted_and_too_much_ends_the_session(
    coding: openai.OpenAI, upstream: Any
) -> None:
    hog = "held = []\nwhile True: held.append(bytearray(b'x' * 10_000_000))"
    runs(upstream, "kept = 1\nwhile True: pass", "print(kept)", hog, "print('kept' in globals())")
    run, calls = ran(coding)
    assert run.status == "completed"
    assert "KeyboardInterrupt" in calls[0]["outputs"][0]["logs"]
    assert calls[1]["outputs"] == [{"type": "logs", "logs": "1\n"}]
    assert calls[3]["outputs"] == [{"type": "logs", "logs": "False\n"}]
    told = [message["content"] for message in upstream.requests[-1]["messages"] if message["role"] == "tool"]
    assert "memory" in told[2]
    assert "started anew" in told[3]


def test_output_without_end_is_cut_and_said_to_be(coding: openai.OpenAI, upstream: Any) -> None:
    runs(upstream, "for _ in range(200): print('x' * 10_000, flush=True)\nwhile True: pass")
    _, [call] = ran(coding)
    logs = call["outputs"][0]["logs"]
    assert "left out" in logs
    assert len(logs) < 300_000
    assert len(call["outputs"]) == 1


def test_what_a_program_writes_past_the_kernel_stops_nothing(coding: openai.OpenAI, upstream: Any) -> None:
    code = "import os, subprocess\nsubprocess.run('yes x | head -c 300000', shell=True)\nprint('done')"
    runs(upstream, code)
    _, [call] = ran(coding)
    assert "done" in call["outputs"][-1]["logs"] or "left out" in call["outputs"][-1]["logs"]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_code_is_known_as_its_json_is_written(size: int) -> None:
    code = 'print("a\\n", \'é😀\', "\\\\")\n# {"code": "x"}\n\tif x:\r\n'
    for arguments in (json.dumps({"code": code}), json.dumps({"code": code}, ensure_ascii=False)):
        stream = CodeStream()
        pieces = [stream.feed(arguments[at : at + size]) for at in range(0, len(arguments), size)]
        assert "".join(pieces) == stream.said == code
        assert code_of(arguments) == code
    assert CodeStream().feed("print(1)") == ""
    assert code_of("print(1)") == "print(1)"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_links_are_found_however_a_text_is_cut(size: int) -> None:
    marks = Marks([], {"a b.csv": "file-1", "c.txt": "file-2"})
    text = (
        "See [x](sandbox:/mnt/data/a%20b.csv), sandbox:/mnt/data/c.txt. Not sandbox:/mnt/data/none, nor sandbox: or s"
    )
    pieces = [piece for at in range(0, len(text), size) for piece in marks.feed(text[at : at + size])]
    pieces += marks.rest()
    assert "".join(piece.text for piece in pieces) == text
    found = [(piece.text, piece.file_id) for piece in pieces if piece.file_id]
    assert found == [("sandbox:/mnt/data/a%20b.csv", "file-1"), ("sandbox:/mnt/data/c.txt", "file-2")]
