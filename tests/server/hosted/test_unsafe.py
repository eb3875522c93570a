"""`--code-interpreter=unsafe`: code runs without a sandbox, which is said; what it makes comes all the same."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest

from nbassist.cli import serve
from nbassist.errors import UsageError
from nbassist.server.hosted.interpreter.sandbox import SandboxLimits
from nbassist.server.hosted.interpreter.unsafe import Unconfined

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the SDK, of the Assistants API

CODE: Any = [{"type": "code_interpreter"}]


@pytest.fixture(scope="module")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}"


@pytest.fixture
def coding(config: Any, sandbox: Any, run_server: Any, upstream: Any) -> Iterator[openai.OpenAI]:
    loose = Unconfined(sandbox.python, limits=SandboxLimits(seconds=5))
    with run_server(replace(config, interpreter=loose)) as server:
        yield server.client


def ran(client: openai.OpenAI, upstream: Any, *code: str, says: str = "Done.") -> tuple[Any, str]:
    """Run code; return the run, and what the model was told of the last call."""
    for number, text in enumerate(code):
        upstream.calls((f"call_{number}", "code_interpreter", json.dumps({"code": text})))
    upstream.says(says)
    assistant = client.beta.assistants.create(model="m", tools=CODE)
    message: Any = {"role": "user", "content": "Compute."}
    run = client.beta.threads.create_and_run_poll(
        assistant_id=assistant.id, thread={"messages": [message]}, poll_interval_ms=20
    )
    return run, str(upstream.requests[-1]["messages"][-1]["content"])


def test_code_runs_keeps_its_variables_and_its_files_come(coding: openai.OpenAI, upstream: Any) -> None:
    write = "x = 6\nopen('/mnt/data/table.csv', 'w').write('a,b')"
    run, told = ran(coding, upstream, write, "print(x * 7)", says="Here: [table](sandbox:/mnt/data/table.csv)")
    assert run.status == "completed"
    assert told.startswith("42")
    [message, _] = coding.beta.threads.messages.list(run.thread_id).data
    [annotation] = message.content[0].text.annotations  # type: ignore[union-attr]
    assert coding.files.content(annotation.file_path.file_id).read() == b"a,b"  # type: ignore[union-attr]


def test_it_has_none_of_the_servers_variables_and_is_not_root(
    coding: openai.OpenAI, upstream: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    _, told = ran(coding, upstream, "import os\nprint(os.environ.get('OPENAI_API_KEY'), os.geteuid() == 0)")
    assert told.strip() == "None False"


def test_a_call_that_does_not_end_is_ended(coding: openai.OpenAI, upstream: Any) -> None:
    _, told = ran(coding, upstream, "while True: pass")
    assert "KeyboardInterrupt" in told


def test_its_folder_goes_with_it(sandbox: Any) -> None:
    inside = Unconfined(sandbox.python).start(["-I", "-c", "import os; print(os.getcwd())"])
    folder = Path(inside.output.read().decode().strip())
    assert folder.is_dir()
    inside.end()
    assert not folder.parent.exists()


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    serve.add_serve(parser.add_subparsers())
    return parser.parse_args(["serve", *words])


def test_each_start_says_it_and_another_word_is_a_mistake(
    sandbox: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = serve._interpreter(options("--code-interpreter=unsafe", "--interpreter-python", sandbox.python))
    assert isinstance(found, Unconfined)
    assert "without a sandbox" in capsys.readouterr().err
    with pytest.raises(UsageError, match="not 'perhaps'"):
        serve._interpreter(options("--code-interpreter=perhaps"))
    for word in ("0", "off"):
        monkeypatch.setenv("NBASSIST_SERVE_CODE_INTERPRETER", word)
        assert serve._interpreter(options()) is None
