"""The objects of the API in whatever people kept them in.

JSON or JSONL; objects as the API gave them, or pages of them; exports such as `{"assistants": […], "threads": [{"id":
…, "messages": […]}]}`, objects by their ids, `{"thread_…": [messages]}`, and messages that are a role and a text alone.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ...errors import UsageError

Kind = Literal["assistant", "thread", "message", "run", "step", "file", "store", "store_file", "batch"]

_OBJECTS: Mapping[str, Kind] = {
    "assistant": "assistant",
    "thread": "thread",
    "thread.message": "message",
    "thread.run": "run",
    "thread.run.step": "step",
    "file": "file",
    "vector_store": "store",
    "vector_store.file": "store_file",
    "vector_store.file_batch": "batch",
}
_PREFIXES: Mapping[str, Kind] = {
    "asst_": "assistant",
    "thread_": "thread",
    "msg_": "message",
    "run_": "run",
    "step_": "step",
    "file-": "file",
    "file_": "file",
    "vs_": "store",
}
_LISTS: Mapping[str, Kind] = {
    "assistants": "assistant",
    "assistant": "assistant",
    "threads": "thread",
    "thread": "thread",
    "messages": "message",
    "history": "message",
    "conversation": "message",
    "runs": "run",
    "run": "run",
    "steps": "step",
    "run_steps": "step",
    "files": "file",
    "vector_stores": "store",
}
_CONTENTS = ("content_base64", "content", "data", "text")


@dataclass(frozen=True, slots=True)
class FoundObjects:
    """An object of the API, and for a file its bytes where they were there."""

    kind: Kind
    value: Mapping[str, Any]
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Within:
    """What an object stands in: a thread, a run, and the kind that its list says."""

    thread_id: str = ""
    run_id: str = ""
    kind: Kind | None = None
    folder: Path | None = None


def read_path(path: Path) -> Iterator[FoundObjects]:
    """Yield the objects in a file, or in all files of JSON below a folder.

    Raises
    ------
    UsageError
        Where there is no such file, or it is neither JSON nor JSONL.
    """
    if path.is_dir():
        files = sorted(file for ending in ("*.json", "*.jsonl", "*.ndjson") for file in path.rglob(ending))
        if not files:
            raise UsageError(f"there is no .json or .jsonl file below {path}")
        for file in files:
            yield from read_path(file)
        return
    try:
        data = path.read_bytes()
        # What PowerShell writes with `>` is UTF-16, with a mark in front.
        text = data.decode("utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig")
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no text in UTF-8, so neither JSON nor JSONL") from error
    yield from read_text(text, path)


def read_text(text: str, path: Path | None = None) -> Iterator[FoundObjects]:
    """Yield the objects in a text; `path` is the file that it came from. Errors are as in `read_path`."""
    for value in _values(text, path or "standard input"):
        yield from _walk(value, _Within(folder=path.parent if path else None))


def read_value(value: Any) -> Iterator[FoundObjects]:
    """Yield the objects in a value of JSON."""
    yield from _walk(value, _Within())


def _values(text: str, path: Path | str) -> Iterator[Any]:
    """Yield the JSON values that stand one after another in a text: one, or one a line, or with no order at all."""
    decoder, at = json.JSONDecoder(), 0
    while True:
        while at < len(text) and (text[at].isspace() or text[at] == ","):
            at += 1
        if at >= len(text):
            return
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            line = text.count("\n", 0, at) + 1
            raise UsageError(f"{path} is neither JSON nor JSONL: what begins in line {line} can't be read") from None
        yield value


def _walk(value: Any, within: _Within) -> Iterator[FoundObjects]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(_with_id(item, within, index), within)
    elif isinstance(value, Mapping):
        if value.get("object") == "list" or (isinstance(value.get("data"), list) and "id" not in value):
            yield from _walk(value.get("data", []), within)
        elif kind := _kind(value, within):
            yield from _object(kind, value, within)
        else:
            yield from _parts(value, within)


def _parts(value: Mapping[str, Any], within: _Within) -> Iterator[FoundObjects]:
    """Yield what stands under names of lists, and under ids. What gives a thread its id comes first."""
    thread = value.get("thread")
    thread_id = value.get("thread_id") or (thread.get("id") if isinstance(thread, Mapping) else thread)
    inside = _Within(str(thread_id), folder=within.folder) if isinstance(thread_id, str) else within
    for name, item in value.items():
        kind = _LISTS.get(name)
        if kind is not None and isinstance(item, Mapping | list):
            yield from _walk(item, _Within(inside.thread_id, inside.run_id, kind, inside.folder))
        elif (by_id := _kind_of_id(name)) and isinstance(item, Mapping):
            yield from _walk({"id": name, **item}, _Within(within.thread_id, within.run_id, by_id, within.folder))
        elif by_id == "thread" and isinstance(item, list):
            yield FoundObjects("thread", {"id": name})
            yield from _walk(item, _Within(name, "", "message", within.folder))
        elif name in ("data", "items", "export") and isinstance(item, Mapping | list):
            yield from _walk(item, within)


def _object(kind: Kind, value: Mapping[str, Any], within: _Within) -> Iterator[FoundObjects]:
    inner = {name: item for name, item in value.items() if name in _LISTS and isinstance(item, Mapping | list)}
    own = {name: item for name, item in value.items() if name not in inner or (kind == "run" and name == "thread")}
    if kind in ("message", "run", "step"):
        own.setdefault("thread_id", within.thread_id or None)
    if kind == "step":
        own.setdefault("run_id", within.run_id or None)
    content = _content(own, within.folder) if kind == "file" else None
    yield FoundObjects(kind, own, content)
    thread_id = str(own["id"]) if kind == "thread" else str(own.get("thread_id") or within.thread_id)
    run_id = str(own["id"]) if kind == "run" else within.run_id
    for name, item in inner.items():
        yield from _walk(item, _Within(thread_id, run_id, _LISTS[name], within.folder))


def _kind(value: Mapping[str, Any], within: _Within) -> Kind | None:
    if kind := _OBJECTS.get(str(value.get("object"))):
        return kind
    if not isinstance(value.get("id"), str):
        return None
    return _kind_of_id(value["id"]) or within.kind


def _kind_of_id(name: str) -> Kind | None:
    return next((kind for prefix, kind in _PREFIXES.items() if name.startswith(prefix)), None)


def _with_id(item: Any, within: _Within, index: int) -> Any:
    """Give a message that is a role and a text an id, the same at each import."""
    is_bare = isinstance(item, Mapping) and "role" in item and "content" in item and not item.get("id")
    if not is_bare or not within.thread_id:
        return item
    text = json.dumps([within.thread_id, index, item["role"], item["content"]], sort_keys=True, default=str)
    return {"id": f"msg_{hashlib.sha256(text.encode()).hexdigest()[:24]}", **item}


def _content(value: dict[str, Any], folder: Path | None) -> bytes | None:
    """Return the bytes of a file: within its object, or in a file beside, under its id or its name."""
    for name in _CONTENTS:
        held = value.pop(name, None)
        if isinstance(held, str):
            if name in ("content_base64", "data"):
                try:
                    return base64.b64decode(held, validate=True)
                except binascii.Error:
                    continue
            return held.encode()
    names = [str(value.get("id")), Path(str(value.get("filename") or "")).name]
    for place in (folder, folder / "files") if folder else ():
        for name in filter(None, names):
            found = [place / name, *sorted(place.glob(f"{name}.*"))] if name == names[0] else [place / name]
            if file := next((file for file in found if file.is_file() and file.suffix != ".json"), None):
                return file.read_bytes()
    return None
