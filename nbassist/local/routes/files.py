"""`/files`: images that messages show."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import wire
from ..body import read_body
from ..checks import check_page
from ..refusals import ApiError
from ..server import now, path_id, server_of
from ..store import files
from ..text import clean

_PURPOSES = ("assistants", "vision", "user_data")


async def create(request: Request) -> Response:
    server = server_of(request)
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise ApiError("Send the file as multipart/form-data, with the fields 'file' and 'purpose'.")
    raw = await read_body(request, server.limits.file_bytes, server.limits.body_seconds)

    async def pieces() -> AsyncGenerator[bytes, None]:
        yield raw

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
            listed = ", ".join(f"'{word}'" for word in _PURPOSES)
            raise ApiError(f"Invalid value: this 'purpose' is none of {listed}.", param="purpose", code="invalid_value")
        content = await file.read()
        name = clean(file.filename or "file")[:512]
    finally:
        await form.close()
    row = await server.database.write(files.create, name, purpose, content, now())
    return JSONResponse(wire.file(row))


async def listing(request: Request) -> Response:
    query = check_page(request.query_params, "purpose", usual=10_000, most=10_000)
    purpose = request.query_params.get("purpose")
    if purpose is not None and purpose not in _PURPOSES:
        return JSONResponse(wire.page([], False))
    rows, more = await server_of(request).database.read(files.listing, query, purpose)
    return JSONResponse(wire.page([wire.file(row) for row in rows], more))


async def read(request: Request) -> Response:
    row = await server_of(request).database.read(files.read, path_id(request, "file_id", "file"))
    return JSONResponse(wire.file(row))


async def content(request: Request) -> Response:
    found = await server_of(request).database.read(files.content, path_id(request, "file_id", "file"))
    return Response(found, media_type="application/octet-stream")


async def delete(request: Request) -> Response:
    file_id = path_id(request, "file_id", "file")
    await server_of(request).database.write(files.delete, file_id)
    return JSONResponse(wire.deleted("file", file_id))


routes = [
    Route("/files", create, methods=["POST"]),
    Route("/files", listing, methods=["GET"]),
    Route("/files/{file_id}", read, methods=["GET"]),
    Route("/files/{file_id}", delete, methods=["DELETE"]),
    Route("/files/{file_id}/content", content, methods=["GET"]),
]
