from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx2
import openai
import pytest

from nbassist import __version__
from nbassist.cli import main
from nbassist.cli import serve as cli
from nbassist.core.installing import pip_install
from nbassist.server.engine import model
from nbassist.server.process import kept_files


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("state", "data", "cache"):
        monkeypatch.setenv(f"XDG_{name.upper()}_HOME", str(tmp_path / name))
    monkeypatch.setattr(model, "folder", lambda: tmp_path / "models")
    return tmp_path


@contextmanager
def serving(
    *arguments: str, log: IO[str] | int = subprocess.PIPE, **environ: str
) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """Run `nbassist serve`; give the process and the first two lines that it prints."""
    command = [sys.executable, "-m", "nbassist", "serve", *arguments]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, **environ})
    assert server.stdout is not None
    try:
        yield server, server.stdout.readline().strip(), server.stdout.readline().strip()
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)


def test_the_version(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"nbassist {__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["nope"], ["model"], ["serve", "--port", "x"], ["serve", "--nope"]])
def test_wrong_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["model", "path"], 1, "run `nbassist model get`"),
        (["model", "path", "hf:a/b:c.gguf"], 1, "run `nbassist model get hf:a/b:c.gguf`"),
        (["model", "get", "nonsense"], 1, "names no model"),
        (["serve", "--upstream", "nonsense"], 2, "--upstream is a URL or `local`"),
        (["serve", "--upstream", "http://"], 2, "--upstream is a URL or `local`"),
        (["serve", "--upstream", "http://["], 2, "--upstream is a URL or `local`"),
        (["serve", "--upstream", "http://127.0.0.1:9/v1", "--port", "99999"], 1, "can't listen on 127.0.0.1:99999"),
        (["serve", "--upstream-key-env", "X"], 2, "goes with --upstream URL"),
        (
            ["serve", "--upstream", "http://127.0.0.1:9/v1", "--upstream-key-env", "X_Y"],
            2,
            "names X_Y, which is not set",
        ),
        (
            ["serve", "--upstream", "http://127.0.0.1:9/v1", "--upstream-key-env", "WRONG_KEY"],
            2,
            "whose value can't be a key",
        ),
    ],
)
def test_errors_are_one_line(arguments, code, words, capsys, monkeypatch):
    monkeypatch.setenv("WRONG_KEY", "sk-caf\u00e9")
    assert main(arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("nbassist: ")
    assert words in err
    assert err.count("\n") == 1
    assert "sk-caf" not in err


def test_listing_models(own_folders, capsys):
    assert main(["model", "list"]) == 0
    assert "no model in" in capsys.readouterr().err
    (own_folders / "models").mkdir()
    (own_folders / "models" / model.DEFAULT.name).write_bytes(b"GGUF")
    (own_folders / "models" / "other.gguf").write_bytes(b"GGUF")
    assert main(["model", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.endswith("(default)") for line in lines] == [False, True]


def test_getting_a_model_prints_its_path_and_its_progress(own_folders, capsys, monkeypatch):
    def fetch(what, progress):
        progress("from somewhere", 0, 2_000_000_000)
        progress("from somewhere", 2_000_000_000, 2_000_000_000)
        return Path("/models/m.gguf")

    monkeypatch.setattr("nbassist.server.engine.download.get", fetch)
    assert main(["model", "get"]) == 0
    out, err = capsys.readouterr()
    assert out.strip() == str(Path("/models/m.gguf"))
    assert err.splitlines() == ["from somewhere:   0% of 2.00 GB", "from somewhere: 100% of 2.00 GB"]


def test_serve_prints_its_base_url_first_and_takes_the_token_of_the_environment(tmp_path):
    store = str(tmp_path / "new" / "store.sqlite3")
    arguments = ("--upstream", "http://127.0.0.1:9/v1", "--store", store)
    with serving(*arguments, NBASSIST_SERVE_TOKEN="given") as (server, first, second):
        assert first.startswith("http://127.0.0.1:")
        assert first.endswith("/v1")
        assert second == "token: that of NBASSIST_SERVE_TOKEN"
        with openai.OpenAI(base_url=first, api_key="given", max_retries=0) as client:
            assert client.post("/assistants", body={"model": "m"}, cast_to=object)
        with (
            openai.OpenAI(base_url=first, api_key="other", max_retries=0) as client,
            pytest.raises(openai.APIStatusError),
        ):
            client.post("/assistants", body={"model": "m"}, cast_to=object)
        assert (tmp_path / "new" / "store.sqlite3").exists()
    assert server.returncode in (0, -signal.SIGTERM)


def test_serve_says_at_once_that_the_model_is_not_here(tmp_path):
    store = ("--store", str(tmp_path / "s.sqlite3"))
    with (tmp_path / "log").open("w") as log, serving(*store, "--model-file", "hf:a/b:c.gguf", log=log):
        pass
    assert (tmp_path / "log").read_text() == (
        "note: the model c.gguf is not on this machine: run `nbassist model get hf:a/b:c.gguf`; "
        "until then every run fails\n"
    )
    with (tmp_path / "log").open("w") as log, serving(*store, "--upstream", "http://127.0.0.1:9/v1", log=log):
        pass
    assert (tmp_path / "log").read_text() == ""


def test_a_store_whose_driver_is_missing_names_the_extra(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert main(["serve", "--upstream", "http://127.0.0.1:9/v1", "--store", "postgresql+psycopg://x@127.0.0.1/y"]) == 1
    assert f"psycopg is not installed: {pip_install('postgres')}" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps owners, not modes: files have none to look at")
def test_serve_keeps_a_token_of_its_own_for_its_owner_alone(own_folders):
    kept = []
    for _ in range(2):
        with serving("--upstream", "http://127.0.0.1:9/v1") as (_, _, second):
            file = Path(second.removeprefix("token: in "))
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            kept.append(file.read_text())
    assert kept[0] == kept[1]
    assert len(kept[0]) > 30


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps owners, not modes: files have none to look at")
def test_a_kept_token_that_others_may_have_read_is_replaced(own_folders):
    origins = [cli._token()]
    file = Path(origins[0][1].removeprefix("in "))
    file.chmod(0o644)
    origins += [cli._token(), cli._token()]
    assert origins[0] != origins[1] == origins[2]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_key_of_the_upstream_is_in_no_log_line_and_in_no_answer(tmp_path, upstream):
    key = "sk-upstream-key"
    said = []
    with (
        (tmp_path / "log").open("w") as log,
        serving(
            *("--upstream", upstream.url, "--upstream-key-env", "UPSTREAM_KEY", "--log-level", "debug"),
            log=log,
            UPSTREAM_KEY=f"{key}\n",
            NBASSIST_SERVE_TOKEN="given",
        ) as (_, *lines),
        httpx2.Client(base_url=lines[0], headers={"Authorization": "Bearer given"}, timeout=60) as http,
    ):
        said += lines
        assistant = http.post("/assistants", json={"model": "m", "instructions": "Answer."}).json()["id"]
        runs = f"/threads/{http.post('/threads').json()['id']}/runs"
        for answer in (200, 401, 400, 500, "broken", "cut"):
            for path, body in ((runs, {"assistant_id": assistant}), ("/chat/completions", {"messages": []})):
                error = {"error": {"message": f"no: {key}"}}
                if answer == "broken":
                    upstream.streams("x", f"data: {json.dumps(error)}\n\n".encode())
                elif answer == "cut":
                    upstream.streams("x", cut=True)
                else:
                    upstream.refuses(answer, error)
                said.append(http.post(path, json={**body, "stream": True}).text)
        said += [http.get("/models").text, http.get(runs).text, http.get("/nothing").text]
    said.append((tmp_path / "log").read_text())
    assert "/chat/completions" in said[-1]
    assert {headers["authorization"] for headers in upstream.headers} == {f"Bearer {key}"}
    assert len(upstream.headers) == 12
    assert [text for text in said if key in text] == []
    assert "Traceback" not in said[-1]


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without a signal that it could answer")
def test_sigterm_ends_the_server_in_the_middle_of_streams_and_tells_their_listeners(tmp_path, upstream):
    upstream.streams("begun", 600.0)
    upstream.streams("begun", 600.0)
    with (
        serving("--upstream", upstream.url, NBASSIST_SERVE_TOKEN="given") as (server, url, _),
        httpx2.Client(base_url=url, headers={"Authorization": "Bearer given"}, timeout=60) as http,
    ):
        run = {
            "assistant_id": http.post("/assistants", json={"model": "m", "instructions": "Answer."}).json()["id"],
            "stream": True,
        }
        with (
            http.stream("POST", "/threads/runs", json=run) as one,
            http.stream("POST", "/chat/completions", json={"messages": [], "stream": True}) as other,
        ):
            streams = [one.iter_lines(), other.iter_lines()]
            assert all(any("begun" in line for line in lines) for lines in streams)
            server.send_signal(signal.SIGTERM)
            ended, broken = ([line for line in lines if line] for lines in streams)
        assert ended[-4].startswith("event: thread.run.failed")
        assert ended[-1] == "data: [DONE]"
        assert '"error"' in broken[-1]
        assert server.wait(60) in (0, -signal.SIGTERM)


def test_a_port_that_is_taken_is_one_line(capfd):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["serve", "--upstream", "http://127.0.0.1:9/v1", "--port", port]) == 1
    err = capfd.readouterr().err
    assert f"can't listen on 127.0.0.1:{port}" in err
    assert "Traceback" not in err


def test_a_store_that_cannot_be_opened_is_one_line(tmp_path):
    (tmp_path / "store").write_bytes(b"this is no database" * 100)
    command = [sys.executable, "-m", "nbassist", "serve", "--upstream", "http://127.0.0.1:9/v1"]
    ended = subprocess.run(
        [*command, "--store", str(tmp_path / "store")], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.splitlines()[-1].startswith("nbassist: the store can't be opened")
    assert "Traceback" not in ended.stderr


def test_it_ends_by_itself_when_nobody_needs_it():
    with serving("--upstream", "http://127.0.0.1:9/v1", "--exit-when-idle", "0.3") as (server, first, _):
        assert first
        assert server.wait(60) == 0


def test_a_plain_path_and_the_default_are_sqlite(own_folders):
    assert cli.store_url("postgresql+psycopg://h/d") == "postgresql+psycopg://h/d"
    assert cli.store_url(str(own_folders / "x.db")) == f"sqlite:///{own_folders / 'x.db'}"
    assert cli.store_url("").endswith("assistants.sqlite3")


def test_the_default_store_lies_in_the_folder_of_the_data(own_folders, monkeypatch, capsys):
    monkeypatch.setenv("NBASSIST_DATA_DIR", str(own_folders / "mine"))
    assert cli.store_url("") == f"sqlite:///{own_folders / 'mine' / 'assistants.sqlite3'}"
    assert capsys.readouterr().err == ""
    monkeypatch.delenv("NBASSIST_DATA_DIR")
    assert "mine" not in cli.store_url("")


def test_a_store_that_an_earlier_version_left_goes_on_until_it_is_moved(own_folders, monkeypatch, capsys):
    monkeypatch.delenv("NBASSIST_DATA_DIR")
    before = Path(cli.store_url("").removeprefix("sqlite:///"))
    before.write_bytes(b"")
    monkeypatch.setenv("NBASSIST_DATA_DIR", str(own_folders / "mine"))
    assert cli.store_url("") == f"sqlite:///{before}"
    said = capsys.readouterr().err
    assert str(before) in said
    assert str(own_folders / "mine") in said
    assert before in kept_files()
    (own_folders / "mine").mkdir()
    moved = before.rename(own_folders / "mine" / before.name)
    assert cli.store_url("") == f"sqlite:///{moved}"
    assert capsys.readouterr().err == ""
    assert moved in kept_files()
