"""A scripted upstream that speaks the real wire of Chat Completions, and servers on the loopback before it."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import pwd
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import openai
import pytest
import uvicorn

from nbassist.server.config import ServerConfig, ServerLimits
from nbassist.server.runs.upstream import UrlUpstream
from nbassist.server.serve import serve

TOKEN = "test-token"


def _chunk(delta: dict[str, Any] | None = None, finish: str | None = None, usage: tuple[int, int] | None = None) -> Any:
    """One chunk of a stream; with `usage`, the last one, without choices."""
    body: dict[str, Any] = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "fake"}
    if usage:
        read, written = usage
        return {**body, "choices": [], "usage": {"prompt_tokens": read, "completion_tokens": written}}
    return {**body, "choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish}]}


def _says(*pieces: str, finish: str = "stop", usage: tuple[int, int] = (10, 5)) -> list[Any]:
    """The chunks of a reply."""
    return [*(_chunk({"content": piece}) for piece in pieces), _chunk(finish=finish), _chunk(usage=usage)]


def _calls(
    *wanted: tuple[str, str, str], usage: tuple[int, int] = (20, 7), text: str = "", whole: bool = False
) -> list[Any]:
    """The chunks of calls, each an id, a name and arguments, which come in two pieces, or `whole`."""
    chunks = [_chunk({"content": text})] if text else []
    for index, (call_id, name, arguments) in enumerate(wanted):
        function = {"name": name, "arguments": ""}
        chunks.append(
            _chunk({"tool_calls": [{"index": index, "id": call_id, "type": "function", "function": function}]})
        )
        half = 0 if whole else len(arguments) // 2
        chunks += [
            _chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
            for piece in (arguments[:half], arguments[half:])
            if piece
        ]
    return [*chunks, _chunk(finish="tool_calls"), _chunk(usage=usage)]


@dataclass
class Answer:
    """What the upstream does with one request: chunks (or seconds to wait among them), or a status and a body."""

    chunks: list[Any] = field(default_factory=list)
    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


class FakeUpstream:
    """Answers requests in the order of `script`; when that is used up, with `otherwise`. It keeps all requests."""

    def __init__(self) -> None:
        self.script: list[Answer] = []
        self.otherwise: list[Any] = _says("Hello", " there")
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.connections: set[Any] = set()
        """The addresses of those who asked."""
        self.left = threading.Event()
        """Set when a client left in the middle of a stream."""
        self.url = ""
        self.models: list[str] | None = ["fake"]
        """What it lists; None where it has no list."""
        self.refusal: Callable[[dict[str, Any]], tuple[int, Any] | None] = lambda body: None
        """The status and the body of a refusal, where it does not take a request at all."""

    def says(self, *pieces: str, **named: Any) -> None:
        """Answer the next request with text in those pieces."""
        self.script.append(Answer(_says(*pieces, **named)))

    def calls(self, *wanted: tuple[str, str, str], **named: Any) -> None:
        """Answer the next request with calls: ids, names, arguments."""
        self.script.append(Answer(_calls(*wanted, **named)))

    def streams(self, *items: Any, cut: bool = False) -> None:
        """Answer the next request with these pieces of text, waits (seconds or a threading.Event) and raw bytes."""
        self.script.append(
            Answer([_chunk({"content": item}) if isinstance(item, str) else item for item in items], cut=cut)
        )

    def refuses(self, status: int, body: Any, **headers: str) -> None:
        """Answer the next request with a status and a body."""
        self.script.append(Answer(status=status, body=body, headers=headers))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        if scope["path"].endswith("/models"):
            if self.models is None:
                return await self._whole(send, 404, {"error": {"message": "Not Found"}}, {})
            entries = [{"id": name, "object": "model", "created": 1, "owned_by": "us"} for name in self.models]
            return await self._whole(send, 200, {"object": "list", "data": entries}, {})
        if refused := self.refusal(json.loads(body or b"{}")):
            return await self._whole(send, *refused, {})
        self.requests.append(json.loads(body))
        self.connections.add(tuple(scope["client"]))
        self.headers.append({key.decode(): value.decode() for key, value in scope["headers"]})
        answer = self.script.pop(0) if self.script else Answer(self.otherwise)
        if answer.status != 200 or answer.body is not None:
            return await self._whole(send, answer.status, answer.body, answer.headers)
        await self._stream(receive, send, answer)

    async def _whole(self, send: Any, status: int, body: Any, headers: dict[str, str]) -> None:
        raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        kind = "text/html" if isinstance(body, str) else "application/json"
        named = [(key.encode(), value.encode()) for key, value in {"content-type": kind, **headers}.items()]
        await send({"type": "http.response.start", "status": status, "headers": named})
        await send({"type": "http.response.body", "body": raw})

    async def _stream(self, receive: Any, send: Any, answer: Answer) -> None:
        gone = asyncio.create_task(receive())
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for item in answer.chunks:
            if isinstance(item, int | float):
                await asyncio.wait([gone], timeout=item)
            elif isinstance(item, threading.Event):
                while not item.is_set() and not gone.done():
                    await asyncio.wait([gone], timeout=0.01)
            else:
                raw = item if isinstance(item, bytes) else f"data: {json.dumps(item)}\n\n".encode()
                await send({"type": "http.response.body", "body": raw, "more_body": True})
            if gone.done():
                self.left.set()
                return
        gone.cancel()
        if answer.cut:
            raise RuntimeError("cut")  # uvicorn closes the connection without the last chunk
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})


def _until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait for `condition`, and return what it gave."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
    return found


class _Switch:
    """The ASGI application of the upstream: whichever script a test put in."""

    current = FakeUpstream()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.current(scope, receive, send)


@pytest.fixture(scope="session")
def upstream_server() -> Iterator[tuple[_Switch, str]]:
    switch = _Switch()
    server = uvicorn.Server(
        uvicorn.Config(switch, port=0, log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    _until(lambda: server.started)
    yield switch, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1"
    server.should_exit = True
    thread.join()


@pytest.fixture
def upstream(upstream_server: tuple[_Switch, str]) -> FakeUpstream:
    """The model of this test."""
    switch, url = upstream_server
    switch.current = FakeUpstream()
    switch.current.url = url
    return switch.current


@dataclass
class Running:
    """A server that runs in a thread."""

    url: str
    config: ServerConfig
    client: openai.OpenAI
    stop: Callable[[], None]
    thread: threading.Thread


@contextmanager
def _running(config: ServerConfig) -> Iterator[Running]:
    """Run a server on the loopback in a thread of its own."""
    urls: list[str] = []
    tasks: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = []
    failures: list[BaseException] = []

    async def main() -> None:
        task = asyncio.create_task(serve(config, "127.0.0.1", 0, urls.append, log_level="error"))
        tasks.append((asyncio.get_running_loop(), task))
        try:
            await task
        except asyncio.CancelledError:
            pass
        except BaseException as error:
            failures.append(error)
            raise

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    _until(lambda: urls or failures)
    assert not failures, failures

    def stop() -> None:
        loop, task = tasks[0]
        if thread.is_alive():
            loop.call_soon_threadsafe(task.cancel)
        thread.join()

    client = openai.OpenAI(base_url=urls[0], api_key=config.token, max_retries=0)
    try:
        yield Running(urls[0], config, client, stop, thread)
    finally:
        client.close()
        stop()


STORES: list[Any] = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(scope="module", params=STORES)
def store_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store of each kind, one for all tests of a module."""
    return _new_store(request, tmp_path_factory.mktemp("store"))


@pytest.fixture(params=STORES)
def empty_store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store of each kind."""
    return _new_store(request, tmp_path)


def _new_store(request: pytest.FixtureRequest, folder: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{folder / 'store.db'}"
    make_database: Callable[[], str] = request.getfixturevalue("postgres")
    return make_database()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], str]]:
    """A real PostgreSQL in a folder of its own; the function makes an empty database in it and returns its URL."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    assert found, "PostgreSQL is not installed: `make postgres` does it, and -m 'not postgres' goes without"
    import psycopg

    programs, numbers = found[-1].parent, itertools.count()
    # PostgreSQL refuses to run as root, and its socket's path has to be short.
    user: dict[str, Any] = {"user": "nobody"} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        if user:
            os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)
        data = f"{folder}/data"
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, **user}
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "tests", "-A", "trust", "-E", "UTF8", "--no-sync"],
            check=True,
            **quiet,
        )
        options = ["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=60", "-k", folder]
        server = subprocess.Popen([programs / "postgres", "-D", data, *options], **quiet)
        try:
            _until(lambda: Path(folder, ".s.PGSQL.5432").exists() and _connects(folder))

            def make() -> str:
                name = f"store{next(numbers)}"
                with psycopg.connect(host=folder, user="tests", dbname="postgres", autocommit=True) as connection:
                    connection.execute(f"CREATE DATABASE {name}")
                return f"postgresql+psycopg://tests@/{name}?host={folder}"

            yield make
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(timeout=30)


def _connects(folder: str) -> bool:
    import psycopg

    try:
        psycopg.connect(host=folder, user="tests", dbname="postgres").close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture(scope="session")
def storeless(upstream_server: tuple[_Switch, str]) -> ServerConfig:
    """What all servers of the tests share; its store is none."""
    limits = ServerLimits(sweep_seconds=0.05, lease_seconds=10.0)
    return ServerConfig(
        TOKEN, "sqlite:////nowhere/store.db", UrlUpstream(upstream_server[1], "sk-upstream-key"), limits
    )


@pytest.fixture(scope="module")
def config(storeless: ServerConfig, store_url: str) -> ServerConfig:
    return replace(storeless, store_url=store_url)


@pytest.fixture(scope="module")
def server(config: ServerConfig) -> Iterator[Running]:
    with _running(config) as found:
        yield found


@pytest.fixture
def client(server: Running, upstream: FakeUpstream) -> openai.OpenAI:
    return server.client


@pytest.fixture
def until() -> Callable[..., Any]:
    """Wait for a condition: `until(lambda: ..., seconds=60)` returns what it gave."""
    return _until


@pytest.fixture
def run_server() -> Callable[[ServerConfig], AbstractContextManager[Running]]:
    """Run a further server: `with run_server(config) as running:`."""
    return _running


class Description:
    """OpenAI's description of the API, against which bodies and streamed objects are held.

    Where the recordings disagree with it they are right: a step has no `expired_at` (unless it expired) and no
    `metadata`, a run's instructions and `usage` may be null, a client's message has no status, an empty list no ids.
    """

    def __init__(self, path: Path) -> None:
        self.source = json.loads(path.read_text())
        found = _nullable(json.loads(path.read_text()))
        schemas = found["components"]["schemas"]
        schemas["RunStepObject"]["required"] = [
            name for name in schemas["RunStepObject"]["required"] if name not in ("expired_at", "metadata")
        ]
        instructions = schemas["RunObject"]["properties"]["instructions"]
        schemas["RunObject"]["properties"]["instructions"] = {"anyOf": [instructions, {"type": "null"}]}
        schemas["MessageObject"]["required"] = [
            name
            for name in schemas["MessageObject"]["required"]
            if name not in ("status", "incomplete_details", "incomplete_at", "completed_at")
        ]
        schemas["RunObject"]["properties"]["max_completion_tokens"]["anyOf"][0]["minimum"] = 1
        for schema in schemas.values():
            for name in ("first_id", "last_id"):
                if name in schema.get("properties", {}):
                    schema["properties"][name] = {"type": ["string", "null"]}
        self._document = found
        self._paths = [
            (re.compile(re.sub(r"\{\w+\}", r"[^/]+", template)), template)
            for template in sorted(found["paths"], key=lambda path: path.count("{"))
        ]

    def check(self, pointer: str, value: Any) -> None:
        """Hold a value against the schema at `#/…`."""
        jsonschema.Draft202012Validator({**self._document, "$ref": pointer}).validate(value)

    def check_response(self, response: httpx2.Response) -> None:
        """Hold a JSON answer against what the description says of its path."""
        if response.headers.get("content-type") != "application/json":
            return
        response.read()
        if response.status_code >= 400:
            return self.check("#/components/schemas/ErrorResponse", response.json())
        path = response.request.url.path.removeprefix("/v1")
        for pattern, template in self._paths:
            if pattern.fullmatch(path):
                kind = response.request.method.lower()
                if kind not in self.source["paths"][template]:
                    return None  # an addition of ours
                where = f"#/paths/{template.replace('/', '~1')}/{kind}/responses/200/content/application~1json/schema"
                return self.check(where, response.json())
        return None

    def check_stream(self, stream: str) -> list[tuple[str, Any]]:
        """Hold each event of a stream against the description; return them."""
        found = []
        for block in filter(None, stream.split("\n\n")):
            name, data = (line.split(": ", 1)[1] for line in block.split("\n", 1))
            event = {"event": name, "data": data if data == "[DONE]" else json.loads(data)}
            self.check("#/components/schemas/AssistantStreamEvent", event)
            found.append((name, event["data"]))
        return found


def _nullable(value: Any) -> Any:
    """Write `nullable: true`, which JSON Schema does not know, as a choice."""
    if isinstance(value, list):
        return [_nullable(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: _nullable(item) for key, item in value.items()}
    if {"nullable": True} in value.get("allOf", ()):
        found["allOf"] = [item for item in value["allOf"] if item != {"nullable": True}]
        return {"anyOf": [found, {"type": "null"}]}
    return {"anyOf": [found, {"type": "null"}]} if value.get("nullable") is True else found


@pytest.fixture(scope="session")
def description() -> Description:
    path = Path(__file__).resolve().parents[3] / "shared/data/assistants/openapi.json"
    if not path.is_file():
        # It is not this project's to give on, so a checkout may stand alone.
        pytest.skip("the description of the API is not beside this checkout")
    return Description(path)


@pytest.fixture
def http(server: Running, upstream: FakeUpstream, request: pytest.FixtureRequest) -> Iterator[httpx2.Client]:
    """A plain client with the token, its paths relative to `/v1/`; each answer is held against the description."""
    path = Path(__file__).resolve().parents[3] / "shared/data/assistants/openapi.json"
    checks = [request.getfixturevalue("description").check_response] if path.is_file() else []
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx2.Client(base_url=server.url, headers=headers, timeout=60, event_hooks={"response": checks}) as found:
        yield found
