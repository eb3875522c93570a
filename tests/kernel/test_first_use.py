"""The first use on a machine without the local model: the person is asked, and a notebook without one is told."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.kernel


@pytest.fixture
def bare(start_kernel: Callable[..., Any], tmp_path: Path) -> Any:
    """A kernel without any endpoint set, whose cache is empty."""
    kernel = start_kernel(XDG_CACHE_HOME=str(tmp_path / "cache"), XDG_STATE_HOME=str(tmp_path / "state"))
    kernel.run("import os; [os.environ.pop(name) for name in ('NBASSIST_BASE_URL', 'NBASSIST_BACKEND')]")
    return kernel


def test_a_person_is_asked_whether_to_fetch_the_model_and_may_say_no(bare: Any) -> None:
    request = bare.client.execute("%%assistant\nhi", allow_stdin=True)
    question = bare.client.get_stdin_msg(timeout=60)
    assert "nbassist model get" in question["content"]["prompt"]
    assert "1.1 GB" in question["content"]["prompt"]
    bare.client.input("n")
    deadline = time.monotonic() + 60
    while True:
        reply = bare.client.get_shell_msg(timeout=max(1.0, deadline - time.monotonic()))
        if reply["parent_header"]["msg_id"] == request:
            break
    assert reply["content"]["ename"] == "ModelFileError"
    assert len(reply["content"]["traceback"]) == 1


def test_where_nobody_can_answer_it_is_one_line_that_says_what_to_run(bare: Any) -> None:
    request = bare.client.execute("%%assistant\nhi", allow_stdin=False)
    while True:
        reply = bare.client.get_shell_msg(timeout=60)
        if reply["parent_header"]["msg_id"] == request:
            break
    assert reply["content"]["ename"] == "ModelFileError"
    assert "nbassist model get" in reply["content"]["traceback"][0]
