"""Who may ask, how much, and for how long."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from nbassist.server.config import ServerConfig, ServerLimits

AUTHORIZED = {"Authorization": "Bearer test-token"}


@pytest.fixture(scope="module")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}"


def ask(server: Any, path: str = "/models", **headers: str) -> httpx2.Response:
    return httpx2.get(server.url + path, headers=headers, timeout=60)


def test_without_the_token_nothing_is_told(server: Any, description: Any) -> None:
    for value in (None, "Bearer wrong", "Bearer", "Basic dGVzdC10b2tlbg==", "test-token", "Bearer \xff"):
        headers = {} if value is None else {"Authorization": value.encode("latin-1")}
        for path in ("/models", "/threads/thread_1", "/nothing", "/../lease"):
            response = httpx2.get(server.url + path, headers=headers, timeout=60)
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == "Bearer"
            description.check_response(response)
            assert "test-token" not in response.text


def test_health_needs_no_token_and_tells_the_version(server: Any) -> None:
    from nbassist import __version__

    response = httpx2.get(server.url.removesuffix("/v1") + "/health", timeout=60)
    assert response.json() == {"status": "ok", "version": __version__, "store": "ok", "upstream": "ok"}


def test_a_foreign_host_is_refused_even_with_the_token(server: Any) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", ""):
        assert ask(server, Host=host, **AUTHORIZED).status_code == 403
    for host in ("localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:80"):
        assert ask(server, Host=host, **AUTHORIZED).status_code == 200


def test_a_page_of_another_origin_is_refused_even_with_the_token(server: Any) -> None:
    for origin in ("https://evil.example", "null", "http://localhost:8888"):
        assert ask(server, Origin=origin, **AUTHORIZED).status_code == 403


def test_hosts_and_origins_can_be_allowed(config: ServerConfig, run_server: Any) -> None:
    wide = replace(config, allowed_hosts=("lab.example",), allowed_origins=("https://lab.example",))
    with run_server(wide) as server:
        allowed = {"Host": "lab.example:443", "Origin": "https://lab.example", **AUTHORIZED}
        assert ask(server, **allowed).status_code == 200


def test_a_server_without_a_token_can_not_be_made(config: ServerConfig) -> None:
    with pytest.raises(ValueError, match="token"):
        replace(config, token="")


def test_a_body_that_is_too_large_is_refused_also_without_a_length(config: ServerConfig, run_server: Any) -> None:
    small = replace(config, limits=ServerLimits(body_bytes=1000, file_bytes=2000))
    with run_server(small) as server, httpx2.Client(base_url=server.url, headers=AUTHORIZED, timeout=60) as http:
        for content in (b" " * 1001, (b" " * 100 for _ in range(11))):
            response = http.post("/threads", content=content)
            assert (response.status_code, response.json()["error"]["message"]) == (
                413,
                "The request is too large: this server takes up to 1000 bytes.",
            )
        upload = http.post("/files", data={"purpose": "vision"}, files={"file": ("a", b"x" * 3000)})
        assert upload.status_code == 413
        assert http.post("/threads").status_code == 200


def test_a_hundred_megabytes_are_refused_before_they_arrive(server: Any) -> None:
    target = urlsplit(server.url)
    with socket.create_connection((target.hostname, target.port)) as connection:
        head = "POST /v1/threads HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer test-token\r\n"
        connection.sendall(f"{head}Content-Length: 104857600\r\n\r\n".encode())
        connection.settimeout(20)
        assert connection.recv(1000).startswith(b"HTTP/1.1 413")


def test_a_client_that_sends_too_slowly_is_let_go(config: ServerConfig, run_server: Any) -> None:
    with run_server(replace(config, limits=ServerLimits(body_seconds=0.2))) as server:
        target = urlsplit(server.url)
        with socket.create_connection((target.hostname, target.port)) as connection:
            head = "POST /v1/threads HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer test-token\r\n"
            connection.sendall(f"{head}Content-Length: 10\r\n\r\n{{".encode())
            connection.settimeout(20)
            assert connection.recv(1000).startswith(b"HTTP/1.1 408")


def test_a_client_that_reads_too_slowly_is_let_go_and_the_run_completes(
    config: ServerConfig, run_server: Any, upstream: Any, until: Any
) -> None:
    upstream.says(*["x" * 100_000] * 100)
    limits = ServerLimits(write_seconds=0.3, sweep_seconds=0.05)
    with (
        run_server(replace(config, limits=limits)) as server,
        httpx2.Client(base_url=server.url, headers=AUTHORIZED, timeout=60) as http,
    ):
        assistant = http.post("/assistants", json={"model": "m", "instructions": "Answer."}).json()["id"]
        with http.stream("POST", "/threads/runs", json={"assistant_id": assistant, "stream": True}) as response:
            lines = response.iter_lines()
            assert next(lines) == "event: thread.created"
            thread = next(line for line in lines if '"thread_id"' in line)
            thread_id = thread.split('"thread_id":"')[1].split('"')[0]
            with httpx2.Client(base_url=server.url, headers=AUTHORIZED, timeout=60) as other:
                path = f"/threads/{thread_id}/runs"
                until(lambda: other.get(path).json()["data"][0]["status"] == "completed")


def test_a_lease_holds_the_server_open_and_its_end_lets_it_go(
    config: ServerConfig, run_server: Any, until: Any
) -> None:
    with run_server(replace(config, exit_when_idle=2)) as server:
        target = urlsplit(server.url)
        with socket.create_connection((target.hostname, target.port)) as connection:
            connection.sendall(b"GET /lease HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer test-token\r\n\r\n")
            connection.settimeout(20)
            answer = b""
            while b"held" not in answer:
                answer += connection.recv(1000)
            time.sleep(3)  # longer than it would live without the lease
            assert server.thread.is_alive()
        until(lambda: not server.thread.is_alive())


def test_a_lease_does_not_keep_a_server_from_stopping(config: ServerConfig, run_server: Any) -> None:
    with run_server(config) as server:
        target = urlsplit(server.url)
        with socket.create_connection((target.hostname, target.port)) as connection:
            connection.sendall(b"GET /lease HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer test-token\r\n\r\n")
            connection.settimeout(20)
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
            server.stop()
            while connection.recv(1000):
                pass
