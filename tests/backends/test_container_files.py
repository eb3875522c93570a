"""Files that the service's code interpreter wrote: fetched from its container, and sources where they can't be."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable
from typing import Any

import pytest

from nbassist import Assistant
from nbassist.backends.responses.backend import ResponsesBackend
from nbassist.core.events import CitationAdded, Event, ImageReady, ServerToolEvent, ToolFinished, TurnEnded, Warned
from nbassist.reply import Reply

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
MIB = 1024 * 1024
Ask = Callable[..., Reply]


def cited(filename: str, file_id: str = "cfile_1", start: Any = 0, end: Any = 0, **named: Any) -> dict[str, Any]:
    """Return an annotation as it was recorded: of a picture that the code drew the place is 0 to 0."""
    where = {"container_id": "cntr_1", "file_id": file_id, "filename": filename}
    return {"type": "container_file_citation", **where, "start_index": start, "end_index": end, **named}


@pytest.fixture
def says(responses: Any, wire: Any) -> Callable[..., Any]:
    """Return what makes an answer that cites files, in the order of the recorded stream."""

    def says(text: str, *notes: Any, before: tuple[Any, ...] = (), call: Any = None, number: int = 1) -> Any:
        at = {"item_id": "msg_1", "output_index": len(before), "content_index": 0}
        part = {"type": "output_text", "text": text, "annotations": list(notes)}
        item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}
        calls = [call] if call else []
        events = [
            *(responses.done(one, output_index=place) for place, one in enumerate(before)),
            responses.added({**item, "status": "in_progress", "content": []}, output_index=len(before)),
            responses.event("output_text.delta", **at, delta=text),
            *(
                responses.event("output_text.annotation.added", **at, annotation_index=place, annotation=note)
                for place, note in enumerate(notes)
            ),
            responses.event("output_text.done", **at, text=text),
            responses.event("content_part.done", **at, part=part),
            responses.done(item, output_index=len(before)),
            *(responses.done(one, output_index=len(before) + 1) for one in calls),
            responses.completed(*before, item, *calls, id=f"resp_{number}"),
        ]
        events = [{**event, "sequence_number": place} for place, event in enumerate([responses.created, *events])]
        return wire.answer(responses.bytes(*events))

    return says


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest, endpoint: Any) -> Ask:
    def ask(*answers: Any, history: Any = None, tools: Any = (), **named: Any) -> Reply:
        endpoint.on("POST", "/responses", *answers)
        assistant = Assistant(
            backend="responses", base_url=endpoint.url, api_key="k3y-0000", model="m", tools=list(tools), **named
        )
        assistant._backend = ResponsesBackend(endpoint.url, "k3y-0000", history=history)
        return asyncio.run(assistant.aask("go")) if request.param else assistant.ask("go")

    return ask


@pytest.fixture
def holds(endpoint: Any, wire: Any) -> Callable[..., None]:
    """Return what puts a file into the container `cntr_1`."""

    def holds(data: bytes, file_id: str = "cfile_1", **named: Any) -> None:
        answer = wire.answer([data], kind="application/binary", **named)
        endpoint.on("GET", f"/containers/cntr_1/files/{file_id}/content", answer)

    return holds


def sources(reply: Reply) -> list[tuple[str, bytes]]:
    return [(event.title, event.data) for event in reply.events if isinstance(event, CitationAdded)]


def warnings(reply: Reply) -> list[str]:
    return [event.text for event in reply.events if isinstance(event, Warned)]


def fetched(endpoint: Any) -> list[str]:
    return [asked.path for asked in endpoint.asked if asked.method == "GET"]


def html(reply: Reply) -> str:
    return str(reply._repr_mimebundle_()["text/html"])


LINK = "sandbox:/mnt/data/a.csv"
TEXT = f"See [the table]({LINK})."
AT = TEXT.index(LINK)


@pytest.mark.parametrize(
    ("start", "end"), [(AT, AT + len(LINK)), (TEXT.index("["), len(TEXT) - 1), (0, 0), (None, None)]
)
def test_a_file_that_the_interpreter_wrote_comes_with_the_reply_however_its_place_is_told(
    endpoint: Any, says: Any, ask: Ask, holds: Any, start: Any, end: Any
) -> None:
    holds(b"a,b\n1,2\n")
    reply = ask(says(TEXT, cited("a.csv", start=start, end=end)))
    assert (reply.finish, reply.text, reply.files) == ("completed", TEXT, {"a.csv": b"a,b\n1,2\n"})
    assert fetched(endpoint) == ["/containers/cntr_1/files/cfile_1/content"]
    asked = {name.lower(): value for name, value in endpoint.asked[-1].headers.items()}
    assert (asked["authorization"], asked["accept"]) == ("Bearer k3y-0000", "application/binary")
    shown = html(reply)
    assert 'download="a.csv"' in shown
    assert "a,b\n1,2\n</pre>" in shown
    assert "sandbox:" not in shown


def test_a_link_into_a_folder_is_found_where_the_whole_of_it_is_cited(says: Any, ask: Ask, holds: Any) -> None:
    holds(b"1")
    text = "See [the table](sandbox:/mnt/data/out/a.csv)."
    shown = html(ask(says(text, cited("a.csv", start=4, end=len(text) - 1))))
    assert "the table" in shown
    assert "sandbox:" not in shown


def test_a_citation_that_comes_before_its_text_is_put_in_the_place_of_the_link(
    responses: Any, wire: Any, ask: Ask, holds: Any
) -> None:
    holds(b"1")
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": TEXT, "annotations": [cited("a.csv", start=AT, end=AT + len(LINK))]}
    item = {"type": "message", "id": "msg_1", "role": "assistant", "content": [part]}
    early = responses.event("output_text.annotation.added", **at, annotation=cited("a.csv"))
    reply = ask(wire.answer(responses.bytes(responses.created, early, responses.done(item), responses.completed(item))))
    assert [event.marker for event in reply.events if isinstance(event, CitationAdded)] == [LINK]
    assert "sandbox:" not in html(reply)


def test_a_picture_that_the_code_drew_is_shown_before_it_can_be_saved(says: Any, ask: Ask, holds: Any) -> None:
    holds(PNG)
    reply = ask(says("Here is the plot.", cited("cfile_1.png")))
    kinds = [type(event) for event in reply.events]
    assert kinds.index(ImageReady) < kinds.index(CitationAdded) < kinds.index(TurnEnded)
    assert ImageReady("image/png", PNG) in reply.events
    assert f"data:image/png;base64,{base64.b64encode(PNG).decode()}" in html(reply)
    assert reply.files == {"cfile_1.png": PNG}


def test_a_picture_that_the_call_told_already_is_shown_once(says: Any, ask: Ask, holds: Any) -> None:
    holds(PNG)
    url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    outputs = [{"type": "logs", "logs": "2\n"}, {"type": "image", "url": url}]
    call = {"type": "code_interpreter_call", "id": "ci_1", "code": "1+1", "status": "completed", "outputs": outputs}
    reply = ask(says("So.", cited("cfile_1.png"), before=({**call, "container_id": "cntr_1"},)))
    assert [event for event in reply.events if isinstance(event, ImageReady)] == [ImageReady("image/png", PNG)]
    assert any(isinstance(event, ServerToolEvent) and event.output == "2\n" for event in reply.events)
    assert reply.files == {"cfile_1.png": PNG}


@pytest.mark.parametrize("data", [b"<svg onload=alert(1)>", b"RIFF\0\0\0\0WAVEfmt "])
def test_what_only_has_the_name_of_a_picture_is_a_file(says: Any, ask: Ask, holds: Any, data: bytes) -> None:
    holds(data)
    reply = ask(says("So.", cited("a.png")))
    assert not any(isinstance(event, ImageReady) for event in reply.events)
    assert reply.files == {"a.png": data}
    assert "<svg" not in html(reply)


def test_of_a_large_file_no_more_is_read_than_may_come(endpoint: Any, says: Any, ask: Ask, wire: Any) -> None:
    sent = []
    large = wire.answer([b"x" * MIB] * 64, kind="application/binary", before=sent.append)
    endpoint.on("GET", "/containers/cntr_1/files/cfile_1/content", large)
    reply = ask(says("So.", cited("a.bin")))
    assert (reply.finish, sources(reply), reply.files) == ("completed", [("a.bin", b"")], {})
    assert warnings(reply) == ["a.bin stays at the endpoint: it is over 1 MiB"]
    assert len(sent) < 64


def test_a_picture_of_over_a_mebibyte_is_shown_and_not_a_file_of_the_notebook(says: Any, ask: Ask, holds: Any) -> None:
    holds(PNG + bytes(MIB))
    reply = ask(says("So.", cited("a.png")))
    assert [len(event.data) for event in reply.events if isinstance(event, ImageReady)] == [len(PNG) + MIB]
    assert (sources(reply), warnings(reply)) == ([("a.png", b"")], [])


MISSING = {"error": {"message": "File cfile_1 not found on container cntr_1.", "type": "invalid_request_error"}}
GONE = "a.csv is not at the endpoint any more; run the cell again to have it made anew"


@pytest.mark.parametrize(
    ("status", "body", "said", "goes_on"),
    [
        (404, MISSING, GONE, True),
        (410, {"error": {"message": "Container is expired."}}, GONE, True),
        (400, {"error": {"message": "Container is expired."}}, "a.csv stays at the endpoint: Container is exp", True),
        (403, {"error": {"message": "no scope"}}, "a.csv stays at the endpoint: .* refused the key .*no scope", False),
    ],
)
def test_a_file_that_can_not_be_fetched_stays_a_source_with_a_line_why(
    endpoint: Any, says: Any, ask: Ask, holds: Any, status: int, body: Any, said: str, goes_on: bool
) -> None:
    endpoint.json("GET", "/containers/cntr_1/files/cfile_1/content", body, status=status)
    holds(b"2", "cfile_2")
    reply = ask(says("So.", cited("a.csv"), cited("b.csv", "cfile_2")))
    assert (reply.finish, reply.text) == ("completed", "So.")
    [line] = warnings(reply)
    assert re.match(said, line)
    assert "k3y-0000" not in line
    # What is wrong with the endpoint itself is asked about once, and not for each file.
    assert sources(reply) == [("a.csv", b""), ("b.csv", b"2" if goes_on else b"")]
    assert len(fetched(endpoint)) == (2 if goes_on else 1)
    assert "<li>a.csv</li>" in html(reply)


def test_a_connection_that_breaks_within_a_file_does_not_fail_the_run(
    says: Any, ask: Ask, holds: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sleep(seconds: float) -> None:
        return None

    monkeypatch.setattr("nbassist.core.interrupts.sleep", lambda seconds: None)
    monkeypatch.setattr("nbassist.backends.http.transport.asyncio.sleep", sleep)
    holds(b"a,b", cut=True)
    reply = ask(says("So.", cited("a.csv")))
    assert (reply.finish, sources(reply)) == ("completed", [("a.csv", b"")])
    assert warnings(reply)[-1].startswith("a.csv stays at the endpoint: no answer from ")


def test_no_other_host_is_asked(endpoint: Any, says: Any, ask: Ask, holds: Any) -> None:
    holds(b"", status=302, headers={"Location": "http://192.0.2.1/stolen"})
    reply = ask(says("So.", cited("a.csv", url="http://192.0.2.1/a.csv")))
    assert (reply.finish, sources(reply)) == ("completed", [("a.csv", b"")])
    assert "which is not followed" in warnings(reply)[0]
    assert fetched(endpoint) == ["/containers/cntr_1/files/cfile_1/content"]


@pytest.mark.parametrize("wrong", ["../../files/file_1", "//192.0.2.1/x", "a?b", "a%2Fb", "", None, 7])
def test_an_id_that_would_lead_elsewhere_is_not_asked_for(endpoint: Any, says: Any, ask: Ask, wrong: Any) -> None:
    reply = ask(says("So.", cited("a.csv", container_id=wrong), cited("b.csv", wrong)))
    assert (reply.finish, sources(reply)) == ("completed", [("a.csv", b""), ("b.csv", b"")])
    assert fetched(endpoint) == []


def test_the_name_is_that_of_a_file_and_no_path(says: Any, ask: Ask, holds: Any) -> None:
    holds(b"1")
    holds(b"2", "cfile_2")
    reply = ask(says("So.", cited("../../etc/passwd"), cited("C:\\x\\b.csv", "cfile_2")))
    assert reply.files == {"passwd": b"1", "b.csv": b"2"}


def test_a_file_that_holds_a_secret_does_not_come(
    says: Any, ask: Ask, holds: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_API_KEY", "s3cr3t-value-1234")
    holds(b"key\ns3cr3t-value-1234\n")
    reply = ask(says("So.", cited("a.csv")))
    assert (sources(reply), reply.files) == ([("a.csv", b"")], {})
    assert "[MY_API_KEY]" in html(reply)
    assert "s3cr3t-value-1234" not in html(reply) + repr(reply.events)


def test_a_file_is_fetched_once_however_often_it_is_cited_and_twenty_are_at_most(
    endpoint: Any, says: Any, ask: Ask, holds: Any
) -> None:
    for number in range(22):
        holds(b"%d" % number, f"cfile_{number}")
    notes = [cited(f"{number}.csv", f"cfile_{number}", start=0, end=at) for number in range(22) for at in (0, 1)]
    reply = ask(says("So.", *notes))
    assert len(fetched(endpoint)) == 20
    assert [name for name, _ in sources(reply)] == [f"{number}.csv" for number in range(22)]
    assert warnings(reply) == ["of the reply's files the first 20 are fetched, the others stay at the endpoint"]


def test_a_turn_that_calls_a_tool_as_well_goes_on(says: Any, ask: Ask, holds: Any) -> None:
    def half(n: int) -> int:
        """Halve."""
        return n // 2

    holds(b"1")
    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "half", "arguments": '{"n": 84}'}
    reply = ask(says("So.", cited("a.csv"), call=call), says("It is 42.", number=2), tools=[half])
    assert (reply.finish, reply.files) == ("completed", {"a.csv": b"1"})
    assert [event.output for event in reply.events if isinstance(event, ToolFinished)] == ["42"]
    assert reply.text.endswith("It is 42.")


def test_of_a_stream_that_is_cut_the_files_come_that_it_cited(says: Any, ask: Ask, holds: Any, wire: Any) -> None:
    holds(b"1")
    whole = says("So.", cited("a.csv"))
    reply = ask(wire.answer(whole.pieces[:-1]))
    assert (reply.finish, reply.files) == ("incomplete", {"a.csv": b"1"})


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_response_that_was_left_and_is_read_on_brings_its_files(
    endpoint: Any, says: Any, holds: Any, asynchronous: bool
) -> None:
    holds(b"1")
    endpoint.on("GET", "/responses/resp_1", says("So.", cited("a.csv")))
    backend = ResponsesBackend(endpoint.url, "k3y-0000")

    async def rest() -> list[Event]:
        return [event async for event in backend.aread_on({"run_id": "resp_1"})]

    events = asyncio.run(rest()) if asynchronous else list(backend.read_on({"run_id": "resp_1"}))
    assert events[-2] == CitationAdded("a.csv", passage="1", data=b"1")
    assert isinstance(events[-1], TurnEnded)
    assert events[-1].reason == "stop"


def test_the_pictures_of_a_call_do_not_go_out_again(endpoint: Any, says: Any, ask: Ask) -> None:
    def half(n: int) -> int:
        """Halve."""
        return n // 2

    outputs = [{"type": "logs", "logs": "2\n"}, {"type": "image", "url": "data:image/png;base64,iVBO"}]
    code = {"type": "code_interpreter_call", "id": "ci_1", "code": "1", "status": "completed", "outputs": outputs}
    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "half", "arguments": '{"n": 84}'}
    ask(says("So.", before=(code,), call=call), says("42.", number=2), history="ours", tools=[half])
    [sent] = [item for item in endpoint.bodies("/responses")[1]["input"] if item.get("type") == code["type"]]
    assert sent == {**code, "outputs": outputs[:1]}
