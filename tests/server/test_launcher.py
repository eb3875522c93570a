from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nbassist.errors import LocalUnavailableError, ModelFileError
from nbassist.server import launcher, process
from nbassist.server.launcher import Endpoint, Lease, ensure, release
from nbassist.server.process import StateFolder

UPSTREAM = "http://127.0.0.1:9/v1"  # nothing listens there, and nothing is asked of it here


def until(condition: Callable[[], Any], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.02)


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """State and data in a folder of the test's own; no server outlives it."""
    for name in ("state", "data", "cache"):
        monkeypatch.setenv(f"XDG_{name.upper()}_HOME", str(tmp_path / name))
    yield tmp_path
    release()
    for file in (tmp_path / "state" / "nbassist").glob("*.json"):
        end(json.loads(file.read_text())["pid"])
    for _, child in process._children:
        child.terminate()
        child.wait(30)
    process._children.clear()


def end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
    except OSError:
        return


def start(**options: Any) -> Endpoint:
    return ensure(upstream=UPSTREAM, **options)


def health(endpoint: Endpoint) -> Any:
    with urllib.request.urlopen(endpoint.base_url.removesuffix("/v1") + "/health", timeout=30) as answer:
        return json.load(answer)


def state() -> process.ServerState:
    found = StateFolder.of("", UPSTREAM).read()
    assert found is not None
    return found


def test_it_is_started_on_first_use_and_reused():
    endpoint = start()
    assert health(endpoint)["store"] == "ok"
    assert start() == endpoint
    assert len(process._children) == 1


@pytest.mark.skipif(os.name == "nt", reason="what other processes are called is asked of `ps`, which Windows has not")
def test_its_token_is_asked_for_and_is_neither_on_the_command_line_nor_in_a_repr():
    endpoint = start()
    assert Lease.take(endpoint.base_url, "another") is None
    assert endpoint.token not in repr(endpoint)
    assert endpoint.token not in repr(state())
    command = subprocess.run(["ps", "-o", "args=", "-p", str(state().pid)], capture_output=True, text=True).stdout
    assert "nbassist serve" in command
    assert endpoint.token not in command


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps owners, not modes: files have none to look at")
def test_what_it_keeps_on_disk_only_its_owner_can_read(own_folders):
    start()
    place = own_folders / "state" / "nbassist"
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in place.iterdir()} == {0o600}
    assert state().pid > 0


@pytest.mark.skipif(os.name == "nt", reason="Windows has no sessions to look at")
def test_it_is_in_a_session_of_its_own_so_that_an_interrupt_of_the_kernel_does_not_reach_it():
    start()
    assert os.getsid(state().pid) == state().pid


def script(code: str) -> subprocess.Popen[str]:
    code = f"from nbassist.server.launcher import ensure\ne = ensure(upstream={UPSTREAM!r})\n{code}"
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)


def test_another_kernel_shares_it():
    endpoint = start()
    other = script("print(e.base_url, e.token)")
    assert other.communicate(timeout=60)[0].split() == [endpoint.base_url, endpoint.token]


def test_kernels_that_start_together_share_one():
    both = [script("print(e.base_url, flush=True); input()") for _ in "abc"]
    urls = {kernel.stdout.readline() for kernel in both if kernel.stdout}
    assert len(urls) == 1
    for kernel in both:
        kernel.communicate("\n", timeout=60)


def test_one_that_was_killed_is_started_anew():
    before = start()
    process._children[0][1].kill()
    until(lambda: process._children[0][1].poll() is not None)
    after = start()
    assert after != before
    assert health(after)["store"] == "ok"


def test_it_goes_away_when_no_kernel_holds_it_and_not_before():
    endpoint = start(idle_seconds=2)
    [(_, child)] = process._children
    time.sleep(3)
    assert child.poll() is None
    other = script("print(1, flush=True); input()")
    assert other.stdout is not None
    other.stdout.readline()
    release()
    time.sleep(3)
    assert child.poll() is None
    other.communicate("\n", timeout=60)
    until(lambda: child.poll() is not None)
    assert child.returncode == 0
    assert start(idle_seconds=2) != endpoint


def test_a_kernel_that_dies_holds_nothing():
    other = script("import os; print(1, flush=True); os._exit(9)")
    other.communicate(timeout=60)
    endpoint = start(idle_seconds=0.5)  # it is found: the other's was to stay for a minute
    assert health(endpoint)["store"] == "ok"
    assert process._children == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '{"pid": 999999999, "base_url": "x", "token": "y"}'])
def test_a_state_that_is_broken_or_old_is_put_aside(text, own_folders):
    place = StateFolder.of("", UPSTREAM)
    process.state_folder()
    place.state.write_text(text)
    assert health(start())["store"] == "ok"


def test_a_state_whose_port_now_belongs_to_another_program_is_put_aside(endpoint):
    # it answers 404 to everything
    place = StateFolder.of("", UPSTREAM)
    process.state_folder()
    place.write(process.ServerState(os.getpid(), endpoint.url, "token"))
    found = start()
    assert found.base_url != endpoint.url


@pytest.mark.skipif(not hasattr(os, "fork"), reason="where there is no fork, there is no forked child")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_takes_a_lease_of_its_own_and_leaves_the_parents():
    endpoint = start()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, start().base_url.encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with open(reading, "rb") as pipe:
        assert pipe.read().decode() == endpoint.base_url
    [(_, lease)] = launcher._holder.leases.values()
    assert lease.alive()


def test_where_it_does_not_start_the_last_line_of_its_log_is_told_and_where_it_is(own_folders):
    with pytest.raises(LocalUnavailableError) as caught:
        ensure(upstream="ftp://nowhere")
    text = str(caught.value)
    assert "--upstream is a URL or `local`" in text
    assert str(own_folders / "state" / "nbassist") in text
    assert "\n" not in text


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(launcher, "find_spec", lambda name: None if name == "starlette" else object())
    with pytest.raises(LocalUnavailableError, match=r'not installed: pip install .*\[local\]"'):
        start()


def test_without_the_model_it_says_how_to_get_it(own_folders, monkeypatch):
    monkeypatch.setattr("nbassist.server.engine.model.user_cache_path", lambda *a, **k: own_folders)
    with pytest.raises(ModelFileError, match="run `nbassist model get`"):
        ensure()
    monkeypatch.setenv("NBASSIST_MODEL_FILE", "nowhere.gguf")
    with pytest.raises(ModelFileError, match=r"there is no model file .*nowhere\.gguf"):
        ensure()
    assert process._children == []


def test_keys_of_the_kernel_are_not_handed_on():
    given = {"OPENAI_API_KEY": "sk-1", "NBASSIST_API_KEY": "sk-2", "NBASSIST_MODEL_FILE": "m", "PATH": "p"}
    handed = process._environment(given, "token")
    assert "sk-1" not in handed.values()
    assert "sk-2" not in handed.values()
    assert (handed["PATH"], handed["NBASSIST_MODEL_FILE"]) == ("p", "m")
    assert handed["NBASSIST_SERVE_TOKEN"] == "token"
    assert handed["no_proxy"] == "127.0.0.1,localhost"
    assert process._environment({"NO_PROXY": "a"}, "t")["NO_PROXY"] == "a,127.0.0.1,localhost"


def test_a_module_in_the_notebooks_folder_does_not_stand_in_for_one_of_python(tmp_path, monkeypatch):
    (tmp_path / "queue.py").write_text("raise RuntimeError('imported by mistake')")
    monkeypatch.chdir(tmp_path)
    assert health(start())["store"] == "ok"


def test_each_model_has_a_server_of_its_own():
    names = {StateFolder.of(*which).name for which in [("", ""), ("/m.gguf", ""), ("", UPSTREAM)]}
    assert len(names) == 3


def test_importing_it_is_light():
    code = (
        "import sys, nbassist.server.launcher\n"
        "heavy = ('openai', 'pydantic', 'starlette', 'uvicorn', 'sqlalchemy', 'httpx2', 'xllamacpp', 'asyncio')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
