"""What nobody asked for is taken back where it is refused: once, said, and remembered for the endpoint."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from nbassist import Assistant, Conversation
from nbassist.backends.chat.backend import build_chat_request
from nbassist.backends.provider_quirks import Learnt
from nbassist.backends.refused_options import mend
from nbassist.core.events import Warned
from nbassist.core.messages import Image, Message, Request, Text, ToolCall, ToolOutput
from nbassist.errors import AuthenticationError, RequestRefusedError, ServerFailedError

CHAT = "/chat/completions"


@dataclass
class Figure:
    value: int


def f(city: str) -> str:
    """Do it."""
    return city


@pytest.fixture
def strict(wire: Any) -> Any:
    """Start an endpoint that refuses what `check` says, and answers with JSON; keeps the bodies."""
    servers = []

    def start(check: Callable[[dict[str, Any]], str], status: int = 400, **rest: Any) -> tuple[str, list[Any]]:
        bodies: list[Any] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                bodies.append(body)
                words = check(body)
                calls = body.get("tools") and body["messages"][-1]["role"] == "user" and rest.get("calls")
                said = [wire.call("1", "f", '{"city": "x"}'), wire.delta("tool_calls")]
                pieces = said if calls else [wire.delta(content='{"value": 3}'), wire.delta("stop")]
                data = json.dumps({"error": {"message": words}}).encode() if words else b"".join(wire.stream(*pieces))
                self.send_response(status if words else 200)
                self.send_header("content-type", "application/json" if words else "text/event-stream")
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/v1", bodies

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def make(url: str, *tools: Any, **named: Any) -> Assistant:
    return Assistant(backend="chat", base_url=url, api_key="k", model="m", tools=tools, **named)


def told(reply: Any) -> list[str]:
    return [event.text for event in reply.events if isinstance(event, Warned)]


def has_strict(body: dict[str, Any]) -> bool:
    return any("strict" in tool["function"] for tool in body.get("tools", ()))


@pytest.mark.parametrize(
    ("name", "check"),
    [
        (
            "stream_options",
            lambda body: "Unrecognized request argument: stream_options" if "stream_options" in body else "",
        ),
        ("strict", lambda body: "Tools with strict=True are not supported" if has_strict(body) else ""),
    ],
)
def test_it_is_asked_once_more_without_it_said_and_remembered(name: str, check: Any, strict: Any) -> None:
    url, bodies = strict(check)
    first, second = make(url, f).ask("go"), make(url, f).ask("again")
    assert (first.finish, second.finish) == ("completed", "completed")
    assert len(bodies) == 3, "another assistant at the same endpoint knows it, too"
    assert [name in one for one in told(first)] == [True]
    assert told(second) == []


def test_a_schema_that_is_refused_is_told_in_words(strict: Any) -> None:
    url, bodies = strict(lambda body: "This response_format type is unavailable" if "response_format" in body else "")
    reply = make(url).ask("go", as_=Figure)
    assert reply.value == Figure(3)
    assert '"value"' in bodies[1]["messages"][0]["content"]


def test_the_last_turn_without_tools_is_asked_again_without_saying_so(strict: Any) -> None:
    words = "deepseek-reasoner does not support this tool_choice"
    url, bodies = strict(lambda body: words if body.get("tool_choice") == "none" else "", calls=True)
    reply = make(url, f, max_turns=2).ask("go")
    assert (reply.finish, len(reply.tool_calls)) == ("completed", 1)
    assert "tool_choice" not in bodies[-1]


def test_several_things_are_taken_back_one_after_another_and_a_500_counts_as_well(
    strict: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("nbassist.core.interrupts.sleep", lambda seconds: None)

    def check(body: dict[str, Any]) -> str:
        if "stream_options" in body:
            return "litellm.UnsupportedParamsError: stream_options"
        return "litellm.UnsupportedParamsError: strict" if has_strict(body) else ""

    url, bodies = strict(check, status=500)
    assert make(url, f).ask("go").finish == "completed"
    assert not has_strict(bodies[-1])


def test_one_that_refuses_without_a_word_is_asked_once_without_all_of_it(strict: Any) -> None:
    url, bodies = strict(lambda body: " " if has_strict(body) else "")
    assert make(url, f).ask("go").finish == "completed"
    assert len(bodies) == 2


def test_what_the_person_asked_for_is_never_taken_back(strict: Any) -> None:
    url, bodies = strict(lambda body: "stream_options is not supported" if "stream_options" in body else "")
    with pytest.raises(RequestRefusedError):
        make(url, parameters={"stream_options": {"include_usage": False}}).ask("go")
    assert len(bodies) == 1


def test_a_thread_with_long_ids_goes_on_where_nine_letters_are_taken(strict: Any) -> None:
    def check(body: dict[str, Any]) -> str:
        ids = [call["id"] for message in body["messages"] for call in message.get("tool_calls") or ()]
        return "Tool call id was wrong: a-z, A-Z, 0-9, with a length of 9." if any(len(i) != 9 for i in ids) else ""

    url, bodies = strict(check, calls=True)
    assert make(url, f).ask("go").finish == "completed"
    assert len(bodies) == 3


def test_a_thread_with_images_goes_on_where_none_are_taken(strict: Any) -> None:
    """DeepSeek's words; the images were of an earlier prompt, and of a tool."""

    def check(body: dict[str, Any]) -> str:
        seen = "image_url" in json.dumps(body["messages"])
        return "messages[0]: unknown variant `image_url`, expected `text`" if seen else ""

    url, bodies = strict(check)
    picture = Image(data=b"\x89PNG")
    said = Message("user", (Text("look"), picture))
    called = Message("assistant", (ToolCall("1", "f", "{}"),))
    output = Message("tool", (ToolOutput("1", "f", "a", images=(picture,)),))
    thread = Conversation("t", (said, called, output, Message("assistant", (Text("ok"),))))
    made = Assistant(backend="chat", base_url=url, api_key="k", model="gpt-4o", tools=[])
    assert made.ask("on", conversation=thread).finish == "completed"
    assert len(bodies) == 2
    assert "can't see" in bodies[1]["messages"][0]["content"]


def test_an_image_of_the_prompt_itself_is_never_left_out() -> None:
    body = build_chat_request(Request((Message("user", (Text("look"), Image(data=b"x"))),), model="gpt-4o"))
    known = Learnt()
    assert not mend(RequestRefusedError("image input is not supported", status=400), body, (), known)
    assert known.refused == []


BODY = {"stream_options": {}, "messages": [{"role": "assistant", "content": "a", "reasoning_content": "hm"}]}


@pytest.mark.parametrize(
    ("error", "refused", "wanted"),
    [
        (
            RequestRefusedError("body.messages.1.assistant.reasoning_content: Extra", status=422),
            ["reasoning_content"],
            [],
        ),
        (RequestRefusedError("property 'reasoning_content' is unsupported", status=400), ["reasoning_content"], []),
        (RequestRefusedError("The reasoning_content must be passed back", status=400), [], ["reasoning_content"]),
        (RequestRefusedError("reasoning_content is missing in message 3", status=400), [], ["reasoning_content"]),
        (RequestRefusedError("the model is busy with reasoning", status=400), [], []),
        (RequestRefusedError("stream_options", status=402), [], []),
        (ServerFailedError("stream_options is not supported", status=503), [], []),
        (AuthenticationError("stream_options", status=401), [], []),
    ],
)
def test_what_an_error_says_of_a_body(error: Any, refused: list[str], wanted: list[str]) -> None:
    known = Learnt()
    assert bool(mend(error, BODY, (), known)) is bool(refused or wanted)
    assert (known.refused, known.wanted) == (refused, wanted)
    assert not refused or not mend(error, BODY, (), known), "the same is not tried twice"
