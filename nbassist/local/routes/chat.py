"""`/models` and `/chat/completions`, passed through to the upstream, so that one URL serves both protocols."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import httpx2
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ...errors import LocalError
from ..body import read_json
from ..refusals import ApiError
from ..server import server_of
from ..upstream import UpstreamClient, UpstreamError


async def _found(request: Request) -> list[dict[str, Any]]:
    try:
        return await server_of(request).client.models()
    except UpstreamError as error:
        raise ApiError(str(error), status=502) from error


async def models(request: Request) -> Response:
    return JSONResponse({"object": "list", "data": await _found(request)})


async def model(request: Request) -> Response:
    name = request.path_params["model"]
    for entry in await _found(request):
        if entry["id"] == name:
            return JSONResponse(entry)
    raise ApiError(f"The model '{name}' does not exist.", status=404, param="model", code="model_not_found")


async def completions(request: Request) -> Response:
    server = server_of(request)
    body = await read_json(request, server.limits)
    if not isinstance(body, dict):
        raise ApiError("Invalid type: expected an object.", code="invalid_type")
    upstream, client = server.config.upstream, server.client
    body = {**upstream.extra, **body}
    if not body.get("model") and upstream.default_model:
        body["model"] = upstream.default_model
    try:
        url = f"{await upstream.base_url()}/chat/completions"
        asked = client.http.build_request("POST", url, json=body, headers=client.headers())
        answer = await client.http.send(asked, stream=True)
        kind = answer.headers.get("content-type", "application/json")
        if answer.is_success and "json" not in kind:
            return StreamingResponse(_pieces(client, answer), answer.status_code, media_type=kind)
        async with aclosing(answer):
            words = client.redact((await answer.aread()).decode(errors="replace"))
    except LocalError as error:
        raise ApiError(str(error), status=503) from error
    except httpx2.HTTPError as error:
        raise ApiError(str(client.failure(error)), status=502) from error
    try:
        json.loads(words)
    except ValueError:
        raise ApiError(f"The upstream answered {answer.status_code}.", status=502) from None
    # Its 401 is about this server's key, not about the client's.
    return Response(words, 502 if answer.status_code in (401, 403) else answer.status_code, media_type=kind)


async def _pieces(client: UpstreamClient, answer: httpx2.Response) -> AsyncIterator[bytes]:
    async with aclosing(answer):
        try:
            async for piece in client.redacted(answer.aiter_bytes()):
                yield piece
        except (httpx2.HTTPError, httpx2.StreamError) as error:
            refusal = ApiError(str(client.failure(error)), status=502)
            yield b"\n\ndata: " + json.dumps(refusal.to_dict()).encode() + b"\n\n"


routes = [
    Route("/models", models, methods=["GET"]),
    Route("/models/{model:path}", model, methods=["GET"]),
    Route("/chat/completions", completions, methods=["POST"]),
]
