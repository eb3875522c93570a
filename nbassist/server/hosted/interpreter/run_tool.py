"""`code_interpreter` in a run: the code of a call, its outputs as its step shows them, and what the model is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Any

from ....errors import LocalUnavailableError
from ...store import files as stored
from ...store.database import Database
from ..calls import OwnCall
from . import files
from .code_stream import code_of
from .kernel import Result
from .kernels import Kernels
from .sandbox import DATA

_TOLD = 16_000
"""Characters of what was printed that the model is told."""
TellOutput = Callable[[dict[str, Any]], None]
"""Told of each output as its step shows it, with its `index`."""


def note_on_files(given: Collection[files.GivenFile]) -> str:
    """Return what the tool's description says of the files that a thread has."""
    if not given:
        return ""
    return f" Files there: {', '.join(f'{DATA}/{file.name}' for file in given)}."


async def run_code(
    kernels: Kernels,
    database: Database,
    call: OwnCall,
    thread_id: str,
    file_ids: Collection[str],
    tell: TellOutput,
) -> dict[str, Any]:
    """Run the code of a call; return it as its step shows it, and put what the model is told into `call.output`.

    Outputs are told as they come, in their order; what the code wrote into `/mnt/data` is kept as files, whose names
    and ids stand in `call.files`.
    """
    code = code_of(call.arguments)
    telling = _Telling(database, thread_id, tell)
    try:
        async with kernels.session(thread_id) as (session, kernel, renewed):
            for file in await database.read(files.given, thread_id, file_ids):
                if file.id not in session.given:
                    content = (await database.read(stored.contents, [file.id])).get(file.id, b"")
                    await kernel.put(file.name, content, file.id)
                    session.given.add(file.id)
            result = await telling.through(kernel.execute(code, telling.put))
    except LocalUnavailableError as error:
        call.output = f"The interpreter is not available: {error}"
        return _shown(call.id, code, [])
    outputs: list[dict[str, Any]] = []
    for place, (kind, value) in enumerate(result.outputs):
        if kind == "logs":
            outputs.append({"type": "logs", "logs": value})
            continue
        call.images.append(telling.images[place])
        outputs.append({"type": "image", "image": {"file_id": telling.images[place]}})
    if result.ended:
        outputs.append({"type": "logs", "logs": f"{result.ended}\n"})
        tell({"index": len(outputs) - 1, **outputs[-1]})
    for name, content in result.files.items():
        call.files[name] = await _kept(database, thread_id, name, content)
    call.output = _told(result, call.files, renewed)
    return _shown(call.id, code, outputs)


class _Telling:
    """Tells outputs in their order, each picture once it is kept: a client puts them together by their places."""

    def __init__(self, database: Database, thread_id: str, tell: TellOutput) -> None:
        self._database, self._thread_id, self._tell = database, thread_id, tell
        self._waiting: asyncio.Queue[tuple[int, str, Any] | None] = asyncio.Queue()
        self.images: dict[int, str] = {}
        """The ids of the pictures, by their places among the outputs."""

    def put(self, place: int, kind: str, new: Any) -> None:
        """Have something told; this waits for nothing."""
        self._waiting.put_nowait((place, kind, new))

    async def through(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return what `work` does, once all is told that it put."""
        telling = asyncio.create_task(self._hand_on())
        try:
            result = await work
            self._waiting.put_nowait(None)
            await telling
            return result
        finally:
            telling.cancel()

    async def _hand_on(self) -> None:
        while (item := await self._waiting.get()) is not None:
            place, kind, new = item
            if kind == "logs":
                self._tell({"index": place, "type": "logs", "logs": new})
            else:
                self.images[place] = await _kept(self._database, self._thread_id, f"image-{place}.png", new)
                self._tell({"index": place, "type": "image", "image": {"file_id": self.images[place]}})


async def _kept(database: Database, thread_id: str, name: str, content: bytes) -> str:
    return await database.write(files.keep, thread_id, name, content, int(time.time()))


def _shown(call_id: str, code: str, outputs: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": call_id, "type": "code_interpreter", "code_interpreter": {"input": code, "outputs": outputs}}


def _told(result: Result, made: Mapping[str, str], renewed: bool) -> str:
    pieces = []
    if renewed:
        pieces.append("[The interpreter was started anew: earlier variables and files are gone.]")
    printed = "".join(text for kind, text in result.outputs if kind == "logs")
    if len(printed) > _TOLD:
        printed = f"{printed[: _TOLD // 2]}\n[…]\n{printed[-_TOLD // 2 :]}"
    pieces += [printed.strip(), result.value[:_TOLD].strip()]
    images = sum(kind == "image" for kind, _ in result.outputs)
    if images:
        pieces.append(f"[{images} image{'s' * (images > 1)} shown to the user]")
    if made:
        links = ", ".join(f"sandbox:{DATA}/{name}" for name in made)
        pieces.append(f"[Files written; link to them as they stand here: {links}]")
    if result.ended:
        pieces.append(f"[{result.ended} Its variables and files are gone.]")
    return "\n".join(filter(None, pieces)) or "[no output]"
