"""One kernel in a sandbox: code in, outputs and files out, by Jupyter's protocol over sockets inside the sandbox.

The sockets stand in the sandbox's own memory and are reached through `/proc`. No folder of this machine can be written
from inside, and no path inside is opened from here: files go in and out as messages, for a link in the sandbox might
point to anything out here.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ....errors import LocalUnavailableError
from .sandbox import DATA, Inside, Sandbox
from .watchdog import SandboxUsage

_READY_SECONDS = 30.0
_GRACE_SECONDS = 5.0
"""How long an interrupted call has to come to its end."""
_LOOK_SECONDS = 0.25
_MOST_IMAGES = 20
_MOST_FILES = 50
_MOST_FILE_BYTES = 32 * 1024 * 1024
_CONNECTION = "/tmp/connection.json"
_CHANNELS = ("shell", "iopub", "stdin", "hb", "control")
_PIECE = 4 * 1024 * 1024
_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_IMAGES = ("image/png", "image/jpeg")

# Everything in these runs in the sandbox, where the code before may have changed anything: what they answer is data.
_PUT = "with open({path!r}, {mode!r}) as _f: _f.write(__import__('base64').b64decode({data!r}))"
_LIST = (
    "__import__('json').dumps({{e.name: [e.stat(follow_symlinks=False).st_size, e.stat(follow_symlinks=False)."
    "st_mtime_ns] for e in __import__('os').scandir({folder!r}) if e.is_file(follow_symlinks=False)}})"
)
_GET = "__import__('base64').b64encode(open({path!r}, 'rb').read({most})).decode()"


@dataclass(slots=True)
class Result:
    """What came of one call.

    Attributes
    ----------
    outputs : list of tuple
        `("logs", text)` and `("image", bytes)`, in order.
    value : str
        The value of the last expression, as text; the wire has no place for it, but the model is told.
    files : dict of str to bytes
        The files in `/mnt/data` that are new or were changed.
    ended : str
        Why the kernel was ended; empty where it lives on.
    """

    outputs: list[tuple[str, Any]] = field(default_factory=list)
    value: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    ended: str = ""


Tell = Callable[[int, str, Any], None]
"""Told of each output as it comes: its place, its kind, and what is new of it."""


class SandboxKernel:
    """A kernel that runs; `start` makes one."""

    def __init__(self, sandbox: Sandbox, inside: Inside, client: Any) -> None:
        self._limits = sandbox.limits
        self._inside = inside
        self._client = client
        self._seen: dict[str, list[int]] = {}
        self.used_at = time.monotonic()

    @classmethod
    async def start(cls, sandbox: Sandbox) -> SandboxKernel:
        """Start a kernel in a new sandbox.

        Raises
        ------
        LocalUnavailableError
            Where it does not start.
        """
        from jupyter_client.asynchronous.client import AsyncKernelClient

        key = secrets.token_hex(32)
        inner: dict[str, Any] = {"signature_scheme": "hmac-sha256", "key": key, **sandbox.wires(_CHANNELS)}
        command = ["-I", "-m", "ipykernel_launcher", "-f", _CONNECTION, "--HistoryManager.enabled=False"]
        files = {_CONNECTION: json.dumps(inner).encode()}
        inside = await asyncio.to_thread(sandbox.start, command, files)
        client = AsyncKernelClient()
        try:
            await _listening(inside)
            reached: Any = {**inner, "key": key.encode(), "ip": inside.path(inner["ip"])}
            client.load_connection_info(reached)
            client.start_channels(stdin=False, hb=False)
            async with asyncio.timeout(_READY_SECONDS):
                await client._async_wait_for_ready(timeout=_READY_SECONDS)
        except BaseException as error:
            _let_go(client)
            await asyncio.to_thread(inside.end)
            if isinstance(error, RuntimeError | TimeoutError):
                raise LocalUnavailableError("the interpreter's kernel does not start") from error
            raise
        # What a program in it writes past the kernel would fill the pipe, and then stand still.
        threading.Thread(target=_drain, args=(inside,), daemon=True).start()
        return cls(sandbox, inside, client)

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._inside.alive

    async def put(self, name: str, content: bytes, other_name: str = "") -> None:
        """Put a file into `/mnt/data`, and under another name beside."""
        path = f"{self._inside.data}/{Path(name).name or 'file'}"
        for at in range(0, max(len(content), 1), _PIECE):
            data = base64.b64encode(content[at : at + _PIECE]).decode()
            await self._quietly(_PUT.format(path=path, mode="ab" if at else "wb", data=data))
        if other_name:
            await self._quietly(f"__import__('os').link({path!r}, {f'{self._inside.data}/{other_name}'!r})")
        self._seen = await self._listed()

    async def execute(self, code: str, tell: Tell | None = None) -> Result:
        """Run code; what goes beyond the limits is interrupted, and ended where that does not help."""
        result = Result()
        self.used_at = time.monotonic()
        work = asyncio.create_task(self._run(code, result, tell or (lambda place, kind, new: None)))
        watch = asyncio.create_task(self._watch(work))
        try:
            await asyncio.wait((work, watch), return_when=asyncio.FIRST_COMPLETED)
            if watch.done() and not work.done():
                result.ended = watch.result()
                await self.end()
            elif work.done():
                work.result()
        finally:
            for task in (work, watch):
                task.cancel()
            await asyncio.gather(work, watch, return_exceptions=True)
            self.used_at = time.monotonic()
        if not result.ended:
            result.files = await self._new_files()
        return result

    async def end(self) -> None:
        """End the kernel with all that runs in its sandbox."""
        _let_go(self._client)
        await asyncio.to_thread(self._inside.end)

    async def _run(self, code: str, result: Result, tell: Tell) -> None:
        # Where nothing is mounted, the folder that the model knows stands elsewhere.
        code = code.replace(DATA, self._inside.data)
        message_id = self._client.execute(code, store_history=True, allow_stdin=False, stop_on_error=False)
        left, stopped = self._limits.output, False
        while True:
            message = await self._client.get_iopub_msg()
            if message["parent_header"].get("msg_id") != message_id:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return
            if kind == "stream":
                left = _log(result, tell, str(content["text"]), left)
            elif kind == "error":
                left = _log(result, tell, _traceback(content), left)
            elif kind in ("display_data", "execute_result"):
                left = _shown(result, tell, content["data"], left, is_value=kind == "execute_result")
            if left <= 0 and not stopped:
                # Nothing more is kept of it, so it need not go on.
                stopped = True
                await self._interrupt()

    async def _watch(self, work: asyncio.Task[None]) -> str:
        """Return why the kernel is to be ended, once it goes beyond a limit; interrupt it before that for its time."""
        limits, began = self._limits, time.monotonic()
        first: SandboxUsage = await asyncio.to_thread(self._inside.usage)
        interrupted = 0.0
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if not self._inside.alive:
                return "The interpreter died."
            now: SandboxUsage = await asyncio.to_thread(self._inside.usage)
            if now.memory > limits.memory:
                return f"The code took more than {limits.memory // 1024**2} MB of memory; the interpreter was ended."
            elapsed = time.monotonic() - began
            late = elapsed > limits.seconds or now.cpu_seconds - first.cpu_seconds > limits.cpu_seconds
            if late and not interrupted:
                interrupted = time.monotonic()
                await self._interrupt()
            if interrupted and time.monotonic() - interrupted > _GRACE_SECONDS:
                return f"The code took longer than {limits.seconds:g} s; the interpreter was ended."

    async def _interrupt(self) -> None:
        message = self._client.session.msg("interrupt_request", content={})
        self._client.control_channel.send(message)

    async def _quietly(self, code: str, expression: str = "") -> str:
        """Run code of ours; return the value of an expression, text, or nothing where it fails."""
        wanted = {"x": expression} if expression else {}
        if not self.alive:
            return ""
        with contextlib.suppress(TimeoutError):
            message_id = self._client.execute(
                code, silent=True, store_history=False, user_expressions=wanted, allow_stdin=False
            )
            async with asyncio.timeout(_READY_SECONDS):
                while True:
                    reply = await self._client.get_shell_msg()
                    if reply["parent_header"].get("msg_id") == message_id:
                        break
            data = (reply["content"].get("user_expressions") or {}).get("x", {}).get("data", {})
            return str(data.get("text/plain", "")).strip("'\"")
        return ""

    async def _listed(self) -> dict[str, list[int]]:
        said = await self._quietly("", _LIST.format(folder=self._inside.data))
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            found = json.loads(said.encode().decode("unicode_escape"))
            return {str(name): [int(number) for number in numbers] for name, numbers in found.items()}
        return {}

    async def _new_files(self) -> dict[str, bytes]:
        listed, seen = await self._listed(), self._seen
        self._seen = listed
        found: dict[str, bytes] = {}
        for name in sorted(listed)[:1000]:
            size = listed[name][0]
            if listed[name] == seen.get(name) or name.startswith(".") or "/" in name or size > _MOST_FILE_BYTES:
                continue
            said = await self._quietly("", _GET.format(path=f"{self._inside.data}/{name}", most=_MOST_FILE_BYTES))
            with contextlib.suppress(ValueError):
                found[name] = base64.b64decode(said, validate=True)
            if len(found) == _MOST_FILES:
                break
        return found


def _drain(inside: Inside) -> None:
    # Closed at the end of the sandbox, in the middle of a read.
    with contextlib.suppress(OSError, ValueError):
        while inside.output.read1(65_536):  # type: ignore[attr-defined]
            continue


def _let_go(client: Any) -> None:
    """Close a client's channels, and what is behind them, which later versions of jupyter_client do by themselves."""
    client.stop_channels()
    if not client.context.closed:
        client.context.destroy(linger=0)


async def _listening(inside: Inside) -> None:
    """Wait until the kernel's sockets are there."""
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        if inside.sockets() >= len(_CHANNELS):
            return
        if not inside.alive:
            said = inside.output.read(4000).decode(errors="replace").strip().splitlines()
            raise LocalUnavailableError(f"the interpreter's kernel does not start: {said[-1] if said else 'no reason'}")
        if time.monotonic() > deadline:
            raise TimeoutError
        await asyncio.sleep(0.02)


def _log(result: Result, tell: Tell, text: str, left: int) -> int:
    kept = text[: max(left, 0)]
    if len(kept) < len(text) and left > 0:
        kept += "\n[the rest of the output is left out]\n"
    if kept:
        if result.outputs and result.outputs[-1][0] == "logs":
            result.outputs[-1] = ("logs", result.outputs[-1][1] + kept)
        else:
            result.outputs.append(("logs", kept))
        tell(len(result.outputs) - 1, "logs", kept)
    return max(left - len(text), 0)


def _shown(result: Result, tell: Tell, data: Mapping[str, Any], left: int, *, is_value: bool) -> int:
    image = next((data[kind] for kind in _IMAGES if kind in data), None)
    text = str(data.get("text/plain", ""))
    if image is not None:
        if sum(kind == "image" for kind, _ in result.outputs) < _MOST_IMAGES:
            with contextlib.suppress(ValueError):
                result.outputs.append(("image", base64.b64decode(str(image))))
                tell(len(result.outputs) - 1, "image", result.outputs[-1][1])
        return left
    if is_value:
        result.value = text[:left]
        return left
    return _log(result, tell, f"{text}\n", left)


def _traceback(content: Mapping[str, Any]) -> str:
    lines = "\n".join(str(line) for line in content.get("traceback") or ())
    return _ESCAPE.sub("", lines or f"{content.get('ename')}: {content.get('evalue')}") + "\n"
