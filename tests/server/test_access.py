"""Browsers, hosts, proxies, people with tokens of their own, and Azure's form of the API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from starlette.routing import Mount, Route

from nbassist.cli import main
from nbassist.server.access.host_allowlist import HostRules, OriginRules
from nbassist.server.access.rewriting import Forwarded
from nbassist.server.access.tokens import Rates
from nbassist.server.app import create_app
from nbassist.server.config import ServerConfig
from nbassist.server.runs.upstream import UrlUpstream

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the SDK, of the Assistants API

AUTHORIZED = {"Authorization": "Bearer test-token"}
TOOL = {"type": "function", "function": {"name": "f"}}


@pytest.fixture(scope="module")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}"


@pytest.mark.parametrize(
    ("rule", "allowed", "refused"),
    [
        ("lab.example", ["lab.example", "LAB.example:80", "lab.example."], ["x.lab.example", "lab.example.evil"]),
        ("*.lab.example", ["a.lab.example:1", "a.b.lab.example"], ["lab.example", "lab.example.evil", "alab.example"]),
        ("10.0.0.0/8", ["10.1.2.3:80", "10.0.0.1"], ["11.0.0.1", "10.example", ""]),
        ("fd00::/8", ["[fd00::1]:80"], ["[fe80::1]:80"]),
        ("192.168.0.7", ["192.168.0.7:8700"], ["192.168.0.8"]),
    ],
)
def test_a_host_is_allowed_by_name_by_pattern_and_by_network(rule: str, allowed: list[str], refused: list[str]) -> None:
    rules = HostRules([rule])
    assert all(map(rules.allow, [*allowed, "localhost:1", "[::1]"]))
    assert not any(map(rules.allow, [*refused, ""]))


def test_an_origin_is_allowed_by_name_and_by_pattern() -> None:
    rules = OriginRules(["https://app.example", "https://*.lab.example", "http://localhost:*"])
    for origin in ("https://app.example", "https://APP.example", "https://a.lab.example", "http://localhost:3000"):
        assert rules.allow(origin), origin
    for origin in ("http://app.example", "null", "", "https://lab.example", "https://evil/ https://a.lab.example"):
        assert not rules.allow(origin), origin
    assert not OriginRules([]).allow("https://app.example")
    assert OriginRules(["*"]).allow("http://anything:1")


def test_a_page_of_an_allowed_origin_asks_as_browsers_do(config: ServerConfig, run_server: Any) -> None:
    origin = "https://app.example"
    with run_server(replace(config, allowed_origins=(origin,))) as server:
        asked = {
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization, openai-beta, x-stainless-os",
            "Access-Control-Request-Private-Network": "true",
        }
        before = httpx2.options(f"{server.url}/threads", headers=asked)  # a browser sends no token with it
        assert before.status_code == 204
        assert before.headers["access-control-allow-origin"] == origin
        assert before.headers["access-control-allow-headers"] == asked["Access-Control-Request-Headers"]
        assert "POST" in before.headers["access-control-allow-methods"]
        assert before.headers["access-control-allow-private-network"] == "true"
        answer = httpx2.post(f"{server.url}/threads", headers={"Origin": origin, **AUTHORIZED}, timeout=60)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, origin)
        assert answer.headers["vary"] == "Origin"
        assert "x-request-id" in answer.headers["access-control-expose-headers"]
        # A page that may not read why it was refused can't tell its person.
        refused = httpx2.post(f"{server.url}/threads", headers={"Origin": origin}, timeout=60)
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, origin)


def test_without_the_flag_a_refusal_names_the_origin_and_the_flag(config: ServerConfig, run_server: Any) -> None:
    with run_server(config) as server:
        for method in ("OPTIONS", "POST"):
            headers = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST", **AUTHORIZED}
            answer = httpx2.request(method, f"{server.url}/threads", headers=headers)
            assert answer.status_code == 403
            assert "--allow-origin http://localhost:3000" in answer.json()["error"]["message"]
            assert "access-control-allow-origin" not in answer.headers
        answer = httpx2.get(f"{server.url}/threads", headers={"Host": "gateway.lan:1", **AUTHORIZED}, timeout=60)
        assert "--allow-host gateway.lan" in answer.json()["error"]["message"]


async def _seen(scope: dict[str, Any], proxies: list[str]) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.update(scope)

    await Forwarded(app, proxies)({"type": "http", **scope}, None, None)  # type: ignore[arg-type]
    return seen


@pytest.mark.parametrize(
    ("client", "proxies", "expected"),
    [
        ("10.0.0.1", ["10.0.0.0/8"], ("203.0.113.9", "https", b"api.example")),
        ("10.0.0.1", ["*"], ("1.2.3.4", "https", b"api.example")),
        ("203.0.113.1", ["10.0.0.0/8"], ("203.0.113.1", "http", b"inside")),
    ],
)
def test_forwarded_headers_count_from_the_named_proxies_alone(
    client: str, proxies: list[str], expected: tuple[str, str, bytes]
) -> None:
    import asyncio

    headers = [
        (b"host", b"inside"),
        (b"x-forwarded-for", b"1.2.3.4, 203.0.113.9, 10.0.0.2"),  # the first is what the client itself may have sent
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded-host", b"api.example"),
    ]
    seen = asyncio.run(_seen({"client": (client, 1), "scheme": "http", "headers": headers}, proxies))
    host = next(value for name, value in seen["headers"] if name == b"host")
    assert (seen["client"][0], seen["scheme"], host) == expected


def test_a_bucket_fills_by_the_minute_and_each_has_its_own() -> None:
    now = [0.0]
    rates = Rates(clock=lambda: now[0])
    assert [rates.take("ann", 2)[1] > 0 for _ in range(3)] == [False, False, True]
    assert rates.take("bob", 2) == (1, 0.0)
    assert rates.take("ann", 2)[1] == pytest.approx(30)
    now[0] = 30.0
    assert rates.take("ann", 2)[1] == 0
    assert Rates(share=2).take("ann", 10)[0] == 4


@pytest.fixture
def people(config: ServerConfig, run_server: Any, tmp_path: Path, capsys: Any, upstream: Any) -> Iterator[Any]:
    """A server, with clients of two people beside its own token's."""
    store = str(tmp_path / "people.db")
    tokens = {}
    for name in ("ann", "bob"):
        assert main(["token", "add", name, "--store", store]) == 0
        tokens[name] = capsys.readouterr().out.strip()
    with run_server(replace(config, store_url=f"sqlite:///{store}")) as server:
        clients = {"": server.client}
        for name, token in tokens.items():
            clients[name] = openai.OpenAI(base_url=server.url, api_key=token, max_retries=0)
        yield clients, store, server
        for client in clients.values():
            client.close()


def test_each_token_has_assistants_threads_and_files_of_its_own(people: Any) -> None:
    clients, _, _ = people
    made = {}
    for name, client in clients.items():
        assistant = client.beta.assistants.create(model="m", name=name).id
        thread = client.beta.threads.create(messages=[{"role": "user", "content": "Hi"}]).id
        run = client.beta.threads.runs.create_and_poll(thread_id=thread, assistant_id=assistant)
        assert run.status == "completed"
        file = client.files.create(file=("a.png", b"x"), purpose="vision").id
        made[name] = {"assistant_id": assistant, "thread_id": thread, "run_id": run.id, "file_id": file}
    for name, client in clients.items():
        assert [one.name for one in client.beta.assistants.list()] == [name]
        assert [one.id for one in client.files.list()] == [made[name]["file_id"]]


def test_no_route_shows_or_changes_what_is_another_tokens(people: Any, config: ServerConfig, upstream: Any) -> None:
    """Every route that has an id in its path is asked by its owner and by a stranger."""
    clients, _, server = people
    ann, bob = ({"Authorization": f"Bearer {clients[name].api_key}"} for name in ("ann", "bob"))
    upstream.calls(("call_a", "f", "{}"))
    with httpx2.Client(base_url=server.url, headers=ann, timeout=30) as http:
        assistant = http.post("/assistants", json={"model": "m", "tools": [TOOL]}).json()["id"]
        thread = http.post("/threads", json={"messages": [{"role": "user", "content": "Hi"}]}).json()["id"]
        body = {"assistant_id": assistant, "stream": True}
        events = http.post(f"/threads/{thread}/runs", json=body).text
        run = http.get(f"/threads/{thread}/runs").json()["data"][0]["id"]
        ids = {"assistant_id": assistant, "thread_id": thread, "run_id": run}
        ids["step_id"] = http.get(f"/threads/{thread}/runs/{run}/steps").json()["data"][0]["id"]
        ids["message_id"] = http.get(f"/threads/{thread}/messages").json()["data"][0]["id"]
        upload: Any = {"files": {"file": ("a.png", b"x")}, "data": {"purpose": "vision"}}
        ids["file_id"] = http.post("/files", **upload).json()["id"]
        store = http.post("/vector_stores", json={"file_ids": [ids["file_id"]]}).json()["id"]
        batch = http.post(f"/vector_stores/{store}/file_batches", json={"file_ids": [ids["file_id"]]}).json()["id"]
        ids |= {"vector_store_id": store, "batch_id": batch}
        assert "requires_action" in events
        bodies: dict[str, Any] = {
            "search": {"query": "x"},
            "add_file": {"file_id": ids["file_id"]},
            "create_batch": {"file_ids": [ids["file_id"]]},
            "modify_file": {"attributes": {}},
            "create_message": {"role": "user", "content": "x"},
            "create": {"assistant_id": assistant},
            "submit": {"tool_outputs": [{"tool_call_id": "call_a", "output": "x"}]},
        }
        asked = 0
        for route in _routes(config):
            if "{" not in route.path or "model" in route.path:
                continue
            path, method = route.path.format(**ids), next(iter((route.methods or set()) - {"HEAD"}))
            body = bodies.get(route.endpoint.__name__, {})
            options: Any = {"json": body} if method == "POST" else {}
            answer = httpx2.request(method, server.url + path, headers=bob, **options)
            assert answer.status_code == 404, (method, path, answer.text)
            asked += 1
        assert asked >= 20
        assert http.get(f"/threads/{thread}/runs/{run}").json()["status"] == "requires_action"
        assert http.get(f"/files/{ids['file_id']}/content").content == b"x"
        # What is somebody's may not be used by another, either.
        own = httpx2.post(f"{server.url}/threads", headers=bob, timeout=60).json()["id"]
        stolen = {"assistant_id": assistant, "instructions": "x"}
        assert httpx2.post(f"{server.url}/threads/{own}/runs", headers=bob, json=stolen, timeout=60).status_code == 404
        image = [{"type": "image_file", "image_file": {"file_id": ids["file_id"]}}]
        message = {"role": "user", "content": image}
        assert httpx2.post(f"{server.url}/threads/{own}/messages", headers=bob, json=message).status_code == 400
        resources = {"tool_resources": {"file_search": {"vector_store_ids": [store]}}}
        assert httpx2.post(f"{server.url}/threads/{own}", headers=bob, json=resources).status_code == 404
        theirs = {"file_ids": [ids["file_id"]]}
        assert httpx2.post(f"{server.url}/vector_stores", headers=bob, json=theirs).status_code == 404


def _routes(config: ServerConfig) -> list[Route]:
    app = create_app(config)
    mounted = next(route for route in app.routes if isinstance(route, Mount))
    return [route for route in mounted.routes or [] if isinstance(route, Route)]


def test_a_token_is_shown_once_and_kept_as_a_digest_and_revoked_at_once(
    people: Any, capsys: Any, until: Any, tmp_path: Path
) -> None:
    clients, store, _ = people
    ann = clients["ann"]
    assert main(["token", "list", "--store", store]) == 0
    said = capsys.readouterr().out
    assert "ann" in said
    assert ann.api_key not in said
    assert all(ann.api_key.encode() not in file.read_bytes() for file in tmp_path.iterdir() if file.is_file())
    assert main(["token", "add", "ann", "--store", store]) == 2
    ann.beta.assistants.list()
    assert main(["token", "revoke", "ann", "--store", store]) == 0
    assert main(["token", "revoke", "ann", "--store", store]) == 2

    def is_refused() -> bool:
        try:
            ann.beta.assistants.list()
        except openai.AuthenticationError:
            return True
        return False

    until(is_refused)
    clients["bob"].beta.assistants.list()


def test_a_token_has_a_rate_which_its_answers_tell(
    config: ServerConfig, run_server: Any, tmp_path: Path, capsys: Any
) -> None:
    store = str(tmp_path / "rates.db")
    assert main(["token", "add", "slow", "--rate", "2", "--store", store]) == 0
    token = capsys.readouterr().out.strip()
    with run_server(replace(config, store_url=f"sqlite:///{store}")) as server:
        answers = [httpx2.get(f"{server.url}/threads", headers={"api-key": token}, timeout=60) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert [answer.headers["x-ratelimit-remaining-requests"] for answer in answers] == ["1", "0", "0"]
        assert 0 < int(answers[2].headers["retry-after"]) <= 30
        assert answers[2].json()["error"]["code"] == "rate_limit_exceeded"
        assert (
            httpx2.get(f"{server.url}/threads", headers=AUTHORIZED, timeout=60).status_code == 200
        )  # others wait for nobody


@pytest.mark.parametrize("deployment", [None, "clerk"])
def test_the_client_for_azure_runs_an_assistant(
    config: ServerConfig, run_server: Any, upstream: Any, deployment: str | None
) -> None:
    with run_server(config) as server:
        named: dict[str, Any] = {"azure_deployment": deployment} if deployment else {}
        client = openai.AzureOpenAI(
            azure_endpoint=server.url.removesuffix("/v1"),
            api_key="test-token",
            api_version="2024-05-01-preview",
            max_retries=0,
            **named,
        )
        with client:
            _runs(client)
            chat = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Hi"}])
            assert chat is not None


def test_the_client_for_azure_with_the_base_url_of_this_server_works_whole(
    config: ServerConfig, run_server: Any, upstream: Any
) -> None:
    with run_server(config) as server:
        made = openai.AzureOpenAI(base_url=server.url, api_key="test-token", api_version="2024-05-01-preview")
        with made as client:
            _runs(client)
            assert client.beta.assistants.list().data
            assert client.files.list().data == []
            with pytest.raises(openai.BadRequestError, match="Unknown query parameter: 'colour'"):
                client.beta.assistants.list(extra_query={"colour": "red"})


def test_a_path_with_a_slash_at_its_end_is_no_redirect_to_another_scheme(config: ServerConfig, run_server: Any) -> None:
    with run_server(config) as server:
        answer = httpx2.post(f"{server.url}/threads/", headers=AUTHORIZED, json={}, timeout=60)
        assert (answer.status_code, answer.json()["error"]["message"]) == (404, "Invalid URL (POST /v1/threads/)")


def test_a_key_of_azure_counts_beside_an_empty_bearer(config: ServerConfig, run_server: Any) -> None:
    with run_server(config) as server:
        for given, status in (({"api-key": "test-token"}, 200), ({"api-key": "wrong"}, 401), ({}, 401)):
            headers = {"Authorization": "Bearer", **given}
            assert httpx2.get(f"{server.url}/threads", headers=headers, timeout=60).status_code == status


def _runs(client: openai.OpenAI) -> None:
    assistant = client.beta.assistants.create(model="gpt-4o", instructions="Answer.")
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "Hi"}])
    run = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
    assert run.status == "completed"
    assert len(client.beta.threads.messages.list(thread.id).data) == 2


@pytest.mark.parametrize(
    "path",
    [
        "/openai/assistants?api-version=2024-02-15-preview",  # openai 1.40, and of today
        "/openai/deployments/gpt-4o/assistants?api-version=2024-02-15-preview",  # openai 1.40 with azure_deployment
        "/openai/v1/assistants?api-version=preview",
    ],
)
def test_each_path_of_azure_is_the_same_as_ours(config: ServerConfig, run_server: Any, path: str) -> None:
    with run_server(config) as server:
        url = server.url.removesuffix("/v1") + path
        answer = httpx2.post(url, headers={"api-key": "test-token"}, json={"model": "m"}, timeout=60)
        assert answer.status_code == 200, answer.text
        assert httpx2.post(url, json={"model": "m"}, timeout=60).status_code == 401


def test_a_deployment_in_the_path_is_the_model_of_a_body_without_one(
    config: ServerConfig, run_server: Any, upstream: Any
) -> None:
    plain = UrlUpstream(config.upstream.url)  # type: ignore[attr-defined]
    with run_server(replace(config, upstream=plain, model_map=(("my-gpt", "fake"),))) as server:
        path = "/openai/deployments/my-gpt/chat/completions?api-version=2024-06-01"
        body = {"messages": [{"role": "user", "content": "Hi"}], "stream": True}
        answer = httpx2.post(
            server.url.removesuffix("/v1") + path, headers={"api-key": "test-token"}, json=body, timeout=60
        )
        assert "Hello" in answer.text
    assert upstream.requests[-1]["model"] == "fake"
