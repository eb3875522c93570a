"""What assistants, threads and messages bring their tools: vector stores made with them, and attachments.

Sources: recordings of 2025-10-30 (`vector_stores` inline is answered as `vector_store_ids`; attachments as sent), and
OpenAI's guide to file search, as remembered: attachments go to a store of the thread's own, which ends seven days after
its last use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection

from ...api.errors import ApiError
from ...store import files, messages, threads
from . import members, stores
from .bodies import InlineStore, strategy


@dataclass(frozen=True, slots=True)
class Taking:
    """How resources are taken.

    Parameters
    ----------
    own : tuple of str
        The tools that this server runs.
    strict : bool
        Whether what is named has to be there; else what is not there is kept, and left alone.
    """

    own: tuple[str, ...]
    strict: bool


def resolved(
    connection: Connection, resources: Mapping[str, Any] | None, now: int, taking: Taking
) -> dict[str, Any] | None:
    """Return resources as they are kept: a store that is described in place of named is made.

    Raises
    ------
    ApiError
        Where something that is named is not there, or a description is wrong.
    """
    if not resources:
        return None
    strict = taking.strict
    found = dict(resources)
    if search := found.get("file_search"):
        found["file_search"] = _search(connection, search, now, strict=strict)
    if (interpreter := found.get("code_interpreter")) and strict:
        for file_id in interpreter.get("file_ids") or ():
            _check_file(connection, file_id, "tool_resources.code_interpreter.file_ids")
    return found


def _search(connection: Connection, search: Mapping[str, Any], now: int, *, strict: bool) -> dict[str, Any]:
    ids = list(search.get("vector_store_ids") or ())
    if strict:
        for store_id in ids:
            stores.read(connection, store_id)
    for index, described in enumerate(search.get("vector_stores") or ()):
        try:
            body = InlineStore.model_validate(described)
        except ValidationError as error:
            where = ".".join(str(part) for part in error.errors()[0]["loc"])
            param = f"tool_resources.file_search.vector_stores[{index}].{where}"
            raise ApiError(f"Invalid '{param}': {error.errors()[0]['msg']}.", param=param) from None
        row = stores.create(connection, {"metadata": body.metadata}, now)
        cut = strategy(body.chunking_strategy)
        added = [members.Addition(file_id, cut) for file_id in body.file_ids or ()]
        members.add(connection, row["id"], added, now)
        ids.append(row["id"])
    return {"vector_store_ids": ids}


def attach(
    connection: Connection, thread_id: str, added: Sequence[Mapping[str, Any]], now: int, taking: Taking
) -> None:
    """Give a thread's tools the attachments of messages that were added to it.

    What is to be searched goes into the thread's store, and where that has expired or is not there into a new one.

    Raises
    ------
    ApiError
        Where a file is not there.
    """
    found = wanted(added)
    if taking.strict:
        # Also those for a tool that is kept and not run: the program finds out now, not when the tool is there.
        for file_id in dict.fromkeys(one for ids in found.values() for one in ids):
            _check_file(connection, file_id, "attachments")
    else:
        found = {name: [one for one in ids if files.exists(connection, one)] for name, ids in found.items()}
    to_search, to_interpret = (ids if name in taking.own else [] for name, ids in found.items())
    if not to_search and not to_interpret:
        return
    thread = threads.read(connection, thread_id, lock=True)
    resources = dict(thread["tool_resources"] or {})
    if to_search:
        named = (resources.get("file_search") or {}).get("vector_store_ids") or []
        held = stores.open_of(connection, thread_id, named, now)
        if not held:
            expires: Mapping[str, Any] = {"anchor": "last_active_at", "days": stores.ATTACHED_DAYS}
            made = {"expires_after": expires, "owner": thread["owner"]}
            held = [stores.create(connection, made, now)["id"]]
            resources["file_search"] = {"vector_store_ids": held}
            # What was in one that is gone is still asked about.
            before = wanted(messages.attaching(connection, thread_id))["file_search"] if named else []
            to_search = list(dict.fromkeys([*filter(partial(files.exists, connection), before), *to_search]))
        members.add(connection, held[0], [members.Addition(file_id) for file_id in to_search], now)
    if to_interpret:
        own = (resources.get("code_interpreter") or {}).get("file_ids") or []
        resources["code_interpreter"] = {"file_ids": list(dict.fromkeys([*own, *to_interpret]))}
    threads.modify(connection, thread_id, {"tool_resources": resources})


def wanted(attaching: Sequence[Mapping[Any, Any]]) -> dict[str, list[str]]:
    """Return the ids of the files that messages attach, by tool: `file_search`, then `code_interpreter`."""
    kinds: dict[str, list[str]] = {"file_search": [], "code_interpreter": []}
    for message in attaching:
        for attachment in message.get("attachments") or ():
            for tool in attachment.get("tools") or ():
                file_id, of_kind = attachment.get("file_id"), kinds.get(tool.get("type"))
                # What was imported may name no file, or a tool that there is no more.
                if file_id and of_kind is not None and file_id not in of_kind:
                    of_kind.append(file_id)
    return kinds


def _check_file(connection: Connection, file_id: str, param: str) -> None:
    if not files.exists(connection, file_id):
        raise ApiError(f"No file found with id '{file_id}'.", param=param)
