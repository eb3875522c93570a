"""`/files`, whole.

Sources: recordings of the hosted service of 2025 and 2026, and its description for `expires_after`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import objects
from ..hosted.multipart import with_plain_names
from ..hosted.stores import members
from ..state import now, path_id, server_of, store_of
from ..store import files
from ..text import clean
from .checks import check_page
from .errors import ApiError
from .request_body import PIECE, read_body

_PURPOSES = ("fine-tune", "assistants", "batch", "user_data", "vision", "evals")
_LISTED = (*_PURPOSES, "assistants_output")
"""What a list can be asked for: files that the interpreter wrote can't be uploaded."""
_LIFE = (3600, 2_592_000)
_ANCHOR, _SECONDS = "expires_after[anchor]", "expires_after[seconds]"


async def create(request: Request) -> Response:
    server = server_of(request)
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise ApiError("Send the file as multipart/form-data, with the fields 'file' and 'purpose'.")
    # Read within its limits first: the parser by itself takes a body of any length.
    raw = await read_body(request, server.limits.file_bytes, server.limits.body_seconds)

    async def pieces() -> AsyncGenerator[bytes, None]:
        plain = with_plain_names(raw, request.headers["content-type"])
        # Bit by bit: the parser goes over a whole piece at once, and over some, such as many line ends, slowly.
        for start in range(0, len(plain), PIECE):
            await asyncio.sleep(0)
            yield plain[start : start + PIECE]

    try:
        form = await MultiPartParser(request.headers, pieces(), max_files=1, max_fields=8).parse()
    except (MultiPartException, KeyError) as error:
        raise ApiError("The body is no multipart/form-data with one file.") from error
    try:
        file, purpose = form.get("file"), form.get("purpose")
        for name, value in (("file", file), ("purpose", purpose)):
            if value is None:
                raise ApiError(f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")
        if not isinstance(file, UploadFile):
            raise ApiError("Invalid type for 'file': expected a file.", param="file", code="invalid_type")
        if purpose not in _PURPOSES:
            raise ApiError(f"'{purpose}' is not one of {list(_PURPOSES)} - 'purpose'", param="purpose")
        life = _life(form.get(_ANCHOR), form.get(_SECONDS))
        content = await file.read()
        name = clean(file.filename or "file")[:512]
    finally:
        await form.close()
    time = now()
    row = await store_of(request).write(files.create, name, purpose, content, time, time + life if life else None)
    return JSONResponse(objects.file(row))


def _life(anchor: Any, seconds: Any) -> int:
    """Return after how many seconds a file is to go; 0 for never.

    Raises
    ------
    ApiError
        Where one of the two fields is missing, or wrong.
    """
    if anchor is None and seconds is None:
        return 0
    if anchor != "created_at":
        raise ApiError(f"'{anchor}' is not one of ['created_at'] - '{_ANCHOR}'", param=_ANCHOR)
    if not (isinstance(seconds, str) and seconds.isascii() and seconds.isdigit() and len(seconds) < 9):
        raise ApiError(f"'{seconds}' is not of type 'integer' - '{_SECONDS}'", param=_SECONDS)
    least, most = _LIFE
    if not least <= int(seconds) <= most:
        raise ApiError(f"{seconds} is not between {least} and {most} - '{_SECONDS}'", param=_SECONDS)
    return int(seconds)


async def listing(request: Request) -> Response:
    # The description's own figures for files, of which there were more to a page than of anything else.
    query = check_page(request.query_params, "purpose", usual=10_000, most=10_000)
    purpose = request.query_params.get("purpose")
    # No file can have it; a filter that nothing passes is no mistake.
    if purpose is not None and purpose not in _LISTED:
        return JSONResponse(objects.page([], False))
    rows, more = await store_of(request).read(files.listing, query, purpose)
    return JSONResponse(objects.page([objects.file(row) for row in rows], more))


async def read(request: Request) -> Response:
    row = await store_of(request).read(files.read, path_id(request, "file_id", "file"))
    return JSONResponse(objects.file(row))


async def content(request: Request) -> Response:
    found = await store_of(request).read(files.content, path_id(request, "file_id", "file"))
    # Never as what it is: a browser would run the HTML or SVG that somebody uploaded.
    return Response(found, media_type="application/octet-stream")


async def delete(request: Request) -> Response:
    file_id = path_id(request, "file_id", "file")
    await store_of(request).write(members.delete_file, file_id)
    return JSONResponse(objects.deleted("file", file_id))


routes = [
    Route("/files", create, methods=["POST"]),
    Route("/files", listing, methods=["GET"]),
    Route("/files/{file_id}", read, methods=["GET"]),
    Route("/files/{file_id}", delete, methods=["DELETE"]),
    Route("/files/{file_id}/content", content, methods=["GET"]),
]
