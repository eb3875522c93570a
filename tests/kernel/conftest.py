"""A real IPython kernel, driven as a frontend drives it."""

from __future__ import annotations

import json
import os
import queue
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

SETUP = """
%load_ext nbassist
from nbassist import tool

@tool
def row_count(table: str) -> int:
    "Count the rows of a table."
    return len(globals()[table])

orders = list(range(12))
people = list(range(3))
"""


RENEW = """
import os as _os, sys as _sys
_os.environ.clear()
_os.environ.update({environ!r})
_os.chdir({folder!r})
_shell = get_ipython()
_old = {{id(_c): _c for _c in _shell.configurables if type(_c).__name__ == "NbAssist"}}
for _one in _old.values():
    _one.forget()
_shell.configurables[:] = [_c for _c in _shell.configurables if id(_c) not in _old]
_shell.extension_manager.loaded.discard("nbassist")
_shell.config.pop("NbAssist", None)
for _name in [n for n in list(_sys.modules) if n.partition(".")[0] == "nbassist"]:
    del _sys.modules[_name]
for _name in ("last_value", "last_type", "last_traceback", "last_exc"):
    _sys.__dict__.pop(_name, None)
_shell.reset(new_session=True)
{last}
"""
# What stays for good, such as pandas, is looked through no more by the collections of each reset: they take longest.
FREEZE = "__import__('gc').freeze()"


@dataclass
class Ran:
    """What a cell gave: its messages in order, its displays as they stood at the end, its error."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    displays: dict[str, dict[str, Any]] = field(default_factory=dict)
    error: dict[str, Any] | None = None
    prompts: list[str] = field(default_factory=list)

    @property
    def kinds(self) -> list[str]:
        return [m["msg_type"] for m in self.messages]

    @property
    def html(self) -> str:
        return "".join(data.get("text/html", "") for data in self.displays.values())

    @property
    def plain(self) -> str:
        return "".join(data.get("text/plain", "") for data in self.displays.values())

    @property
    def stdout(self) -> str:
        return "".join(m["content"]["text"] for m in self.messages if m["msg_type"] == "stream")

    @property
    def result(self) -> str:
        found = [m["content"]["data"]["text/plain"] for m in self.messages if m["msg_type"] == "execute_result"]
        return found[-1] if found else ""


class Kernel:
    """A kernel process and a client of it."""

    def __init__(self, environ: dict[str, str], folder: Path) -> None:
        self.manager = KernelManager()
        self.manager.start_kernel(env={**os.environ, "IPYTHONDIR": str(folder), **environ}, cwd=str(folder))
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=120)
        self.console = False
        """Whether it is driven as a console does it."""
        self.as_new = True
        """Whether it can be made like a new one; a restart would take its first environment."""
        self.aside = ""
        """What a thread printed of a cell that had ended."""
        self._renewed = 0
        self._pressed = 0.0
        """When an interrupt was sent to what runs; 0 where none was."""

    def renew(self, environ: dict[str, str], folder: Path) -> None:
        """Make it like a new one with this environment: starting one takes far longer."""
        self._renewed += 1
        self.aside = ""
        last = FREEZE if self._renewed in (2, 20, 100) else ""
        ran = self.run(RENEW.format(environ={**os.environ, **environ}, folder=str(folder), last=last))
        assert ran.error is None, ran.error
        # Whether the cell that resets the count is itself counted afterwards differs between versions of IPython.
        self.wait(self.client.execute("get_ipython().execution_count = 1", silent=True))

    def run(
        self,
        code: str,
        *,
        cell: str = "",
        watch: Callable[[dict[str, Any]], None] | None = None,
        timeout: float = 120,
        typed: Sequence[str] = (),
        person: bool = True,
        interrupt_when: Callable[[], bool] | None = None,
    ) -> Ran:
        """Run a cell, with an id as frontends send it, to its end; `watch` sees each message as it comes.

        The person, where there is one, types the lines of `typed` when they are asked, and interrupts once.
        """
        request = self.send(code, cell, person)
        ran = self.wait(request, watch=watch, timeout=timeout, typed=typed, interrupt_when=interrupt_when)
        if "execute_input" in ran.kinds:
            return ran
        # For a moment after an error ipykernel 6 refuses what comes, for it may have been sent before: asked again.
        return self.wait(self.send(code, cell, person), watch=watch, timeout=timeout, typed=typed)

    def wait(
        self,
        request: str,
        *,
        watch: Callable[[dict[str, Any]], None] | None = None,
        timeout: float = 120,
        typed: Sequence[str] = (),
        interrupt_when: Callable[[], bool] | None = None,
    ) -> Ran:
        """Take the messages of a request until it has ended."""
        lines = iter(typed)
        ran = Ran()
        deadline = time.monotonic() + timeout
        while True:
            assert time.monotonic() < deadline, f"the cell did not end; it gave {ran.kinds}"
            if typed and self.client.stdin_channel.msg_ready():
                ran.prompts.append(self.client.get_stdin_msg(timeout=30)["content"]["prompt"])
                self.client.input(next(lines))
            if interrupt_when is not None and interrupt_when():
                self.interrupt()
                interrupt_when = None
            # A signal that comes between Python's last look and the system call that waits is not seen until that
            # returns: a person presses again.
            if self._pressed and time.monotonic() - self._pressed > 20:
                self.interrupt()
            try:
                message = self.client.get_iopub_msg(timeout=0.1 if typed or interrupt_when else 1)
            except queue.Empty:
                continue
            parent = message["parent_header"].get("msg_id")
            if parent not in (request, None):
                self.aside += message["content"]["text"] if message["msg_type"] == "stream" else ""
                continue
            content, kind = message["content"], message["msg_type"]
            ran.messages.append(message)
            if kind in ("display_data", "update_display_data"):
                ran.displays[content["transient"].get("display_id", message["header"]["msg_id"])] = content["data"]
            elif kind == "error":
                ran.error = content
            if watch is not None:
                watch(message)
            # What has no parent, as while a kernel starts, says nothing of this request.
            if kind == "status" and content["execution_state"] == "idle" and parent == request:
                self._pressed = 0.0
                return ran

    def interrupt(self) -> None:
        """Interrupt what runs, as the frontend's button does; `wait` presses again where it goes on."""
        self._pressed = time.monotonic()
        self.manager.interrupt_kernel()

    def written(self) -> str:
        """Wait until the journal is written, and return what was said meanwhile: it is written on a thread."""
        ran = self.run("__import__('nbassist.journal', fromlist=['x']).default_journal().flush(60)")
        aside, self.aside = self.aside, ""
        return ran.stdout + aside

    def send(self, code: str, cell: str = "", person: bool = True) -> str:
        """Ask for a cell to be run, and return the request's id; without a person no one can be asked anything."""
        if self.console:
            return self.client.execute(code, allow_stdin=person)
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": person}
        metadata = {"deletedCells": [], **({"cellId": cell} if cell else {})}  # notebooks say it, consoles do not
        message = self.client.session.msg("execute_request", content, metadata=metadata)
        self.client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def restart(self) -> None:
        """Begin anew with an empty namespace, as the frontend's Restart does."""
        self.as_new = False
        self.manager.restart_kernel(now=True)
        self.client.wait_for_ready(timeout=120)
        assert self.run(SETUP).error is None

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()


@pytest.fixture(scope="session")
def _kernels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Kernel]]:
    """Kernels that are ready for the next test."""
    idle: list[Kernel] = []
    yield idle
    for kernel in idle:
        kernel.close()


@pytest.fixture
def start_kernel(
    tmp_path: Path, endpoint: Any, _kernels: list[Kernel], request: pytest.FixtureRequest
) -> Iterator[Callable[..., Kernel]]:
    """Return a function that gives a kernel whose endpoint is the scripted one; its arguments are variables.

    A test marked `fresh_kernel` gets a new process: one that restarts or kills it, or whose process itself matters.
    """
    given: list[Kernel] = []
    fresh = request.node.get_closest_marker("fresh_kernel") is not None

    def start(**environ: str) -> Kernel:
        environ = {"NBASSIST_BASE_URL": endpoint.url, "NBASSIST_BACKEND": "chat", **environ}
        kernel = _kernels.pop() if _kernels and not fresh else Kernel(environ, tmp_path)
        kernel.console = False
        given.append(kernel)
        if not fresh:
            kernel.renew(environ, tmp_path)
        ran = kernel.run(SETUP)
        assert ran.error is None, ran.error
        return kernel

    yield start
    failed = request.node.stash.get(_FAILED, False)
    for kernel in given:
        if fresh or failed or not kernel.as_new or not kernel.manager.is_alive() or len(_kernels) >= 2:
            kernel.close()
        else:
            _kernels.append(kernel)


_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    if call.when == "call" and report.failed:
        item.stash[_FAILED] = True  # nobody knows what it left in its kernel
    return report


@pytest.fixture
def kernel(start_kernel: Callable[..., Kernel]) -> Kernel:
    return start_kernel(NBASSIST_MODEL="m", NBASSIST_API_KEY="sk-very-secret")


_CHAT = "/chat/completions"


@pytest.fixture
def model(endpoint: Any, wire: Any) -> Callable[..., None]:
    """Script the model: each argument is a turn, a text or a list of calls (name, arguments)."""

    def script(*turns: Any) -> None:
        answers = []
        for number, turn in enumerate(turns):
            if isinstance(turn, str):
                chunks = [wire.delta(content=turn), wire.delta("stop")]
            else:
                chunks = [
                    wire.call(f"c{number}_{i}", name, a if isinstance(a, str) else json.dumps(a), i)
                    for i, (name, a) in enumerate(turn)
                ]
                chunks.append(wire.delta("tool_calls"))
            answers.append(wire.answer(wire.stream(*chunks)))
        endpoint.on("POST", _CHAT, *answers)

    return script


@pytest.fixture
def told(endpoint: Any) -> Callable[[], list[str]]:
    """Return what the model was told by the tools since its last prompt."""

    def outputs() -> list[str]:
        messages = endpoint.bodies(_CHAT)[-1]["messages"]
        return [message["content"] for message in messages if message["role"] == "tool"]

    return outputs


@pytest.fixture
def said(endpoint: Any) -> Callable[[], str]:
    """Return the text of the last prompt that went out."""

    def prompt() -> str:
        content = next(m for m in reversed(endpoint.bodies(_CHAT)[-1]["messages"]) if m["role"] == "user")["content"]
        return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)

    return prompt
