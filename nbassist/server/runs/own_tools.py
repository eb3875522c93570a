"""The tools of a run that this server answers itself: which are offered, and what becomes of calls of them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..api.event_stream import Channel
from ..hosted.calls import OwnCall, own_functions, settings_of
from ..hosted.interpreter import files
from ..hosted.interpreter.kernels import Kernels
from ..hosted.interpreter.run_tool import note_on_files, run_code
from ..hosted.search.citations import Marks
from ..hosted.search.run_tool import run_search
from ..hosted.search.service import FileSearch
from ..hosted.stores import stores
from ..store.database import Database
from ..store.leased_writes import Material
from .event_translation import Turn
from .upstream import UpstreamError

_MOST_ROUNDS = 16
"""Turns of one run that call this server's tools; after those the model is told to say what it found."""
_REMINDERS = 4
_INTERPRETER = "code_interpreter"
_ENOUGH = "No more calls of this tool in this run: answer now, with what was found."


class OwnTools:
    """What a worker needs of them.

    Parameters
    ----------
    search : FileSearch
        Vector stores.
    kinds : sequence of str
        The types of tools that this server runs.
    context : int
        Tokens of the model's context; 0 where that is not known.
    kernels : Kernels, optional
        The interpreter's.
    """

    def __init__(
        self,
        database: Database,
        search: FileSearch,
        kinds: Sequence[str],
        context: int,
        kernels: Kernels | None = None,
    ) -> None:
        self.kinds = tuple(kinds)
        self._kernels = kernels
        self._database = database
        self._search = search
        self._context = context

    async def offered(self, material: Material) -> Material:
        """Return the material of a turn with the tools that the model is offered."""
        own = dict.fromkeys(self.kinds, "")
        if _INTERPRETER in own and (ids := _named(material, _INTERPRETER, "file_ids")):
            given = await self._database.read(files.given, material.run["thread_id"], ids)
            own[_INTERPRETER] = note_on_files(given)
        return replace(material, own=own)

    def turn(self, material: Material, channel: Channel, owner: str) -> Turn:
        """Return a turn that knows these tools, and the marks of what the run has found."""
        found = [results for step in material.steps for results in _results(step)]
        kept = [call for step in material.steps for call in (step["hosted"] or {}).values()]
        paths = {name: file_id for call in kept for name, file_id in (call.get("files") or {}).items()}
        marks = Marks(found, paths) if found or paths else None
        own = own_functions(material.run["tools"], material.own)
        return Turn(self._database, channel, material.run, owner, own, marks, _undisplayed(material), material.steps)

    async def answer(self, turn: Turn, material: Material) -> bool:
        """Answer the calls of a turn that are this server's; return whether these were all.

        Raises
        ------
        UpstreamError
            Where the model goes on to call them after it was told to answer.
        """
        calls = turn.calls
        if calls is None or not calls.own:
            return False
        rounds = sum(1 for step in material.steps if step["hosted"])
        if rounds >= _MOST_ROUNDS + _REMINDERS:
            raise UpstreamError("server_error", f"The model called tools {rounds} times and gave no answer.")
        if rounds >= _MOST_ROUNDS:
            for call in calls.own.values():
                call.output = _ENOUGH
            return not calls.functions()
        number = sum(1 for step in material.steps for _ in _results(step))
        for call in list(calls.own.values()):
            if call.kind == _INTERPRETER and self._kernels is not None:
                calls.answered(await self._run_code(self._kernels, turn, call, material))
            else:
                calls.answered(await self._search_for(call, calls.calls[calls.index(call.id)], material, number))
                number += 1
        return not calls.functions()

    async def _run_code(self, kernels: Kernels, turn: Turn, call: OwnCall, material: Material) -> dict[str, Any]:
        ids = _named(material, _INTERPRETER, "file_ids")

        def tell(output: dict[str, Any]) -> None:
            turn.tell_output(call.id, output)

        return await run_code(kernels, self._database, call, material.run["thread_id"], ids, tell)

    async def _search_for(
        self, call: OwnCall, shown: Mapping[str, Any], material: Material, number: int
    ) -> dict[str, Any]:
        run, named = material.run, _named(material, "file_search", "vector_store_ids")
        store_ids = await self._database.read(stores.of_owner_of, run["thread_id"], named)
        await self._database.write(stores.touch, store_ids, int(time.time()))
        return await run_search(
            self._search,
            call,
            shown,
            settings_of(run["tools"], call.kind),
            store_ids,
            number=number,
            model=run["model"],
            context=self._context,
        )


def _named(material: Material, kind: str, field: str) -> list[str]:
    """Return what the assistant and the thread name for a tool."""
    return [name for resources in material.resources for name in (resources.get(kind) or {}).get(field) or ()]


def _undisplayed(material: Material) -> list[str]:
    """Return the pictures that the code drew since the run's last message."""
    found: list[str] = []
    for step in material.steps:
        if step["type"] == "message_creation":
            found = []
        found += [image for call in (step["hosted"] or {}).values() for image in call.get("images") or ()]
    return found


def _results(step: Mapping[Any, Any]) -> list[list[dict[str, Any]]]:
    """Return what each search of a step found."""
    calls = step["step_details"].get("tool_calls") or ()
    return [call["file_search"]["results"] for call in calls if call["type"] == "file_search"]
