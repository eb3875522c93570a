"""`/vector_stores`, whole: stores, their files, batches of files, the content of a file, and search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, RowMapping
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ... import objects as wire
from ...api.checks import check_page
from ...api.errors import ApiError
from ...api.request_body import read_model
from ...state import now, path_id, server_of, store_of
from ...store.queries import PageQuery
from ..search.passages import Passage, SearchQuery
from . import members, objects, stores
from .bodies import AttributesModify, BatchCreate, FileAdd, Search, StoreCreate, StoreModify, strategy
from .filters import check_attributes, check_filter

_NO_COLUMN = ("file_ids", "chunking_strategy")


def _store_id(request: Request) -> str:
    return path_id(request, "vector_store_id", "vector store")


def _file_id(request: Request) -> str:
    return path_id(request, "file_id", "file")


def _batch_id(request: Request) -> str:
    return path_id(request, "batch_id", "file batch")


def _addition(body: FileAdd, index: int | None = None) -> members.Addition:
    where = "attributes" if index is None else f"files[{index}].attributes"
    return members.Addition(body.file_id, strategy(body.chunking_strategy), check_attributes(body.attributes, where))


async def _answer(request: Request, work: Any, *, writes: bool = False) -> Response:
    """Answer with the store that `work(connection)` returns."""
    search = server_of(request).search.answers_by

    def whole(connection: Connection) -> dict[str, Any]:
        row = work(connection)
        states, size = stores.tallies(connection, [row["id"]])[row["id"]]
        return objects.store(row, states, size, now(), search)

    store = store_of(request)
    return JSONResponse(await (store.write(whole) if writes else store.read(whole)))


async def create(request: Request) -> Response:
    body = await read_model(request, StoreCreate)
    fields = {name: value for name, value in body.given.items() if name not in _NO_COLUMN}
    added = [members.Addition(file_id, strategy(body.chunking_strategy)) for file_id in body.file_ids or ()]

    def work(connection: Connection) -> Any:
        row = stores.create(connection, fields, now())
        members.add(connection, row["id"], added, now())
        return row

    answer = await _answer(request, work, writes=True)
    server_of(request).search.wake()
    return answer


async def listing(request: Request) -> Response:
    query = check_page(request.query_params)
    search = server_of(request).search.answers_by

    def work(connection: Connection) -> tuple[list[Any], bool]:
        rows, more = stores.listing(connection, query)
        found = stores.tallies(connection, [row["id"] for row in rows])
        return [objects.store(row, *found[row["id"]], now(), search) for row in rows], more

    return JSONResponse(wire.page(*await store_of(request).read(work)))


async def read(request: Request) -> Response:
    store_id = _store_id(request)
    return await _answer(request, lambda connection: stores.read(connection, store_id))


async def modify(request: Request) -> Response:
    store_id = _store_id(request)
    fields = (await read_model(request, StoreModify)).given
    return await _answer(request, lambda connection: stores.modify(connection, store_id, fields, now()), writes=True)


async def delete(request: Request) -> Response:
    store_id = _store_id(request)
    await store_of(request).write(stores.delete, store_id)
    return JSONResponse(wire.deleted("vector_store", store_id))


async def add_file(request: Request) -> Response:
    store_id = _store_id(request)
    added = _addition(await read_model(request, FileAdd))
    [row] = await store_of(request).write(members.add, store_id, [added], now())
    server_of(request).search.wake()
    return JSONResponse(objects.file(row))


def _files_page(request: Request) -> tuple[PageQuery, str | None]:
    query = check_page(request.query_params, "filter")
    status = request.query_params.get("filter") or None
    if status is not None and status not in objects.STATES:
        listed = ", ".join(f"'{state}'" for state in objects.STATES)
        raise ApiError(
            f"Invalid value: '{status}'. Supported values are: {listed}.", param="filter", code="invalid_value"
        )
    return query, status


async def list_files(request: Request) -> Response:
    query, status = _files_page(request)
    rows, more = await store_of(request).read(members.listing, _store_id(request), query, status)
    return JSONResponse(wire.page([objects.file(row) for row in rows], more))


async def read_file(request: Request) -> Response:
    return JSONResponse(objects.file(await store_of(request).read(members.read, _store_id(request), _file_id(request))))


async def modify_file(request: Request) -> Response:
    ids = _store_id(request), _file_id(request)
    attributes = check_attributes((await read_model(request, AttributesModify)).attributes)
    return JSONResponse(objects.file(await store_of(request).write(members.modify, *ids, attributes)))


async def remove_file(request: Request) -> Response:
    store_id, file_id = _store_id(request), _file_id(request)
    await store_of(request).write(members.remove, store_id, file_id)
    return JSONResponse(wire.deleted("vector_store.file", file_id))


async def file_content(request: Request) -> Response:
    found = await store_of(request).read(members.content, _store_id(request), _file_id(request))
    return JSONResponse(objects.content_page(found))


async def create_batch(request: Request) -> Response:
    store_id = _store_id(request)
    body = await read_model(request, BatchCreate)
    if body.files is not None:
        added = [_addition(one, index) for index, one in enumerate(body.files)]
    else:
        attributes = check_attributes(body.attributes)
        cut = strategy(body.chunking_strategy)
        added = [members.Addition(file_id, cut, attributes) for file_id in body.file_ids or ()]

    def work(connection: Connection) -> dict[str, Any]:
        row = members.create_batch(connection, store_id, added, now())
        return objects.batch(row, members.batch_states(connection, row["id"]))

    answer = JSONResponse(await store_of(request).write(work))
    server_of(request).search.wake()
    return answer


async def read_batch(request: Request) -> Response:
    return JSONResponse(await store_of(request).read(_batch(members.read_batch, request)))


async def cancel_batch(request: Request) -> Response:
    return JSONResponse(await store_of(request).write(_batch(members.cancel_batch, request)))


def _batch(take: Callable[[Connection, str, str], RowMapping], request: Request) -> Callable[[Connection], Any]:
    """Return what takes a batch, and gives it as an object with the states of its files as they are then."""
    ids = _store_id(request), _batch_id(request)

    def work(connection: Connection) -> dict[str, Any]:
        row = take(connection, *ids)
        return objects.batch(row, members.batch_states(connection, row["id"]))

    return work


async def list_batch_files(request: Request) -> Response:
    query, status = _files_page(request)
    ids = _store_id(request), _batch_id(request)
    rows, more = await store_of(request).read(members.listing, ids[0], query, status, ids[1])
    return JSONResponse(wire.page([objects.file(row) for row in rows], more))


async def search(request: Request) -> Response:
    store_id = _store_id(request)
    body = await read_model(request, Search)
    queries = [body.query] if isinstance(body.query, str) else body.query
    threshold = body.ranking_options.score_threshold if body.ranking_options else 0.0
    wanted = SearchQuery(queries, body.max_num_results, threshold, check_filter(body.filters))
    store = store_of(request)
    row = await store.read(stores.read, store_id)
    if stores.has_expired(row, now()):
        raise ApiError(f"Vector store '{store_id}' has expired.", param="vector_store_id")
    found = await server_of(request).search.find([store_id], wanted)
    await store.write(stores.touch, [store_id], now())
    return JSONResponse(objects.results_page(queries, [_result(passage) for passage in found]))


def _result(passage: Passage) -> dict[str, Any]:
    return {
        "file_id": passage.file_id,
        "filename": passage.filename,
        "score": passage.score,
        "attributes": dict(passage.attributes),
        "content": [{"type": "text", "text": passage.text}],
    }


_STORE = "/vector_stores/{vector_store_id}"
_FILE = f"{_STORE}/files/{{file_id}}"
_BATCH = f"{_STORE}/file_batches/{{batch_id}}"
routes = [
    Route("/vector_stores", create, methods=["POST"]),
    Route("/vector_stores", listing, methods=["GET"]),
    Route(_STORE, read, methods=["GET"]),
    Route(_STORE, modify, methods=["POST"]),
    Route(_STORE, delete, methods=["DELETE"]),
    Route(f"{_STORE}/search", search, methods=["POST"]),
    Route(f"{_STORE}/files", add_file, methods=["POST"]),
    Route(f"{_STORE}/files", list_files, methods=["GET"]),
    Route(_FILE, read_file, methods=["GET"]),
    Route(_FILE, modify_file, methods=["POST"]),
    Route(_FILE, remove_file, methods=["DELETE"]),
    Route(f"{_FILE}/content", file_content, methods=["GET"]),
    Route(f"{_STORE}/file_batches", create_batch, methods=["POST"]),
    Route(_BATCH, read_batch, methods=["GET"]),
    Route(f"{_BATCH}/cancel", cancel_batch, methods=["POST"]),
    Route(f"{_BATCH}/files", list_batch_files, methods=["GET"]),
]
