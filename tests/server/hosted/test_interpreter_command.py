"""`--code-interpreter` on the command line."""

from __future__ import annotations

import argparse
from typing import Any

import pytest

from nbassist.cli import serve
from nbassist.errors import LocalUnavailableError, UsageError
from nbassist.server.hosted.interpreter import landlock
from nbassist.server.hosted.interpreter.sandbox import Sandbox


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    serve.add_serve(parser.add_subparsers())
    return parser.parse_args(["serve", *words])


def test_without_the_flag_there_is_no_interpreter_and_its_settings_are_mistakes() -> None:
    assert serve._interpreter(options()) is None
    for words in (("--interpreter-user", "nobody"), ("--interpreter-python", "/usr/bin/python3")):
        with pytest.raises(UsageError, match="--code-interpreter"):
            serve._interpreter(options(*words))


def test_the_sandbox_is_tried_before_anything_listens(sandbox: Any) -> None:
    found = serve._interpreter(options("--code-interpreter", "--interpreter-python", sandbox.python))
    assert found is not None
    assert found.python == sandbox.python
    with pytest.raises(LocalUnavailableError, match="does not run"):
        serve._interpreter(options("--code-interpreter", "--interpreter-python", "/nowhere/python"))


def test_a_python_without_ipykernel_is_refused_by_name(sandbox: Any, tmp_path: Any) -> None:
    import os
    import subprocess
    import sys

    if os.geteuid() == 0:
        # It is made in a folder that root alone may read, so another refusal would come before the one tried here.
        pytest.skip("an environment of root's is none that the sandbox's user may read")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    with pytest.raises(LocalUnavailableError, match="no ipykernel"):
        serve._interpreter(options("--code-interpreter", "--interpreter-python", str(tmp_path / "bare/bin/python")))


def test_where_bubblewrap_is_missing_landlock_holds_and_where_both_are_it_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(landlock.shutil, "which", lambda *_, **__: None)  # type: ignore[attr-defined]
    for version, kind in ((0, Sandbox), (5, Sandbox), (6, landlock.Landlocked)):
        monkeypatch.setattr(landlock, "version", lambda version=version: version)
        assert type(landlock.sandbox_here("/usr/bin/python3")) is kind
    monkeypatch.setattr(landlock, "version", lambda: 0)
    with pytest.raises(LocalUnavailableError, match=r"apt install bubblewrap.*=unsafe"):
        serve._interpreter(options("--code-interpreter"))
