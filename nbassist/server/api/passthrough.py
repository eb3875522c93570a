"""What goes on to the upstream: `/models` and `/chat/completions`, so that one URL serves all, and paths not ours.

`/embeddings` goes to the small model of this server's own, where it has one.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

import httpx2
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ...errors import LocalError
from ..access.rewriting import DEPLOYMENT
from ..runs.transport import pieces_of
from ..runs.upstream import UpstreamError, is_unknown_model
from ..runs.upstream_client import UpstreamClient
from ..state import server_of
from .errors import ApiError
from .event_stream import with_comments
from .request_body import check_values, read_body, read_json

_SENT = ("content-type", "accept", "openai-beta")
_RETURNED = ("content-type", "content-disposition", "retry-after")
_OURS = ("assistants", "threads", "files", "vector_stores", "chat", "models")
"""What never goes to the upstream, whether there is such a method or path here or not."""
_METHODS = ["GET", "POST", "DELETE", "PUT", "PATCH"]


async def handed_on(request: Request) -> Response:
    """Ask the upstream the same, with its own key."""
    server = server_of(request)
    path = request.path_params["path"]
    parts = path.split("/")
    if parts[0] in _OURS or any(part in ("", ".", "..") for part in parts):
        raise ApiError(f"Invalid URL ({request.method} {request.url.path})", status=404)
    content = await read_body(request, server.limits.file_bytes, server.limits.body_seconds)
    client = server.client
    headers = {name: value for name in _SENT if (value := request.headers.get(name))} | client.headers()
    if deployment := request.scope.get(DEPLOYMENT):
        await check_values(content, server.limits.body_values)
        content = _with_model(content, deployment, headers)
    try:
        url = httpx2.URL(await server.config.upstream.base_url())
        url = url.copy_with(path=f"{url.path.rstrip('/')}/{path}", query=request.url.query.encode() or None)
        asked = client.http.build_request(request.method, url, content=content or None, headers=headers)
        answer = await client.http.send(asked, stream=True)
    except LocalError as error:
        raise ApiError(str(error), status=503) from error
    except httpx2.HTTPError as error:
        raise ApiError(str(client.failure(error)), status=502) from error
    return StreamingResponse(pieces(client, answer), _status(answer.status_code), returned(answer.headers))


def _with_model(content: bytes, deployment: str, headers: Mapping[str, str]) -> bytes:
    """Name the deployment of an Azure path as the model, where the body is JSON and names none."""
    if "json" not in headers.get("content-type", "json"):
        return content
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return content
    if not isinstance(body, dict) or body.get("model"):
        return content
    return json.dumps({**body, "model": deployment}).encode()


def returned(headers: Mapping[str, str]) -> dict[str, str]:
    """Return those headers of the upstream's that are a client's business."""
    return {name: value for name in _RETURNED if (value := headers.get(name))}


def _status(status: int) -> int:
    # Its 401 is about this server's key, not about the client's.
    return 502 if status in (401, 403) else status


async def pieces(client: UpstreamClient, answer: httpx2.Response) -> AsyncIterator[bytes]:
    """Yield an answer as it comes, without the upstream's key; where it breaks off, an error event of a stream."""
    try:
        async for piece in client.redacted(pieces_of(answer)):
            yield piece
    except (httpx2.HTTPError, httpx2.StreamError) as error:
        if "event-stream" not in answer.headers.get("content-type", ""):
            raise
        refusal = ApiError(str(client.failure(error)), status=502)
        yield b"\n\ndata: " + json.dumps(refusal.to_dict()).encode() + b"\n\n"
    finally:
        await answer.aclose()


other_routes = [Route("/{path:path}", handed_on, methods=_METHODS)]


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
    # A program that looks for its model before it begins: whatever answers for that name is there.
    answering = await server_of(request).names.find(name)
    if answering.model and answering.model != name:
        return JSONResponse({"id": name, "object": "model", "created": 0, "owned_by": "nbassist"})
    raise ApiError(f"The model '{name}' does not exist.", status=404, param="model", code="model_not_found")


async def completions(request: Request) -> Response:
    server = server_of(request)
    body = await read_json(request, server.limits)
    if not isinstance(body, dict):
        raise ApiError("Invalid type: expected an object.", code="invalid_type")
    named = body.get("model") or request.scope.get(DEPLOYMENT) or ""
    name = named if isinstance(named, str) else ""
    # What the client chose goes before what this engine does best with.
    body = {**server.config.upstream.extra, **body}
    answering = await server.names.find(name)
    try:
        answer = await _ask(server.client, body, answering.model)
        if not answer.is_success and is_unknown_model(
            answer.status_code, (await answer.aread()).decode(errors="replace")
        ):
            instead = await server.names.after_refusal(name)
            if instead is not None:
                answering = instead
                answer = await _ask(server.client, body, answering.model)
        if answering.note:
            server.told_once(answering.note)
        return await _answered(server.client, answer, server.limits.silent_seconds)
    except LocalError as error:
        raise ApiError(str(error), status=503) from error
    except httpx2.HTTPError as error:
        raise ApiError(str(server.client.failure(error)), status=502) from error


async def embeddings(request: Request) -> Response:
    server = server_of(request)
    engine = server.embedding_engine
    if engine is None:
        raise ApiError("This server has no model for embeddings: `nbassist model get embeddings`.", status=404)
    body = await read_json(request, server.limits)
    try:
        headers = {"Authorization": f"Bearer {engine.api_key}"}
        url = f"{await engine.base_url()}/embeddings"
        answer = await server.client.http.post(url, json=body, headers=headers)
    except LocalError as error:
        raise ApiError(str(error), status=503) from error
    except httpx2.HTTPError as error:
        raise ApiError(f"The engine did not answer ({type(error).__name__}).", status=502) from error
    return Response(answer.content, _status(answer.status_code), media_type="application/json")


async def _ask(client: UpstreamClient, body: dict[str, Any], model: str) -> httpx2.Response:
    url = f"{await client.upstream.base_url()}/chat/completions"
    asked = client.http.build_request(
        "POST", url, json={**body, "model": model} if model else body, headers=client.headers()
    )
    return await client.http.send(asked, stream=True)


async def _answered(client: UpstreamClient, answer: httpx2.Response, silent_seconds: float) -> Response:
    kind = answer.headers.get("content-type", "application/json")
    # Whether it streams is read off the answer: an upstream need not do what it was asked for.
    if answer.is_success and "json" not in kind:
        stream = with_comments(pieces(client, answer), silent_seconds)
        return StreamingResponse(stream, answer.status_code, media_type=kind)
    async with aclosing(answer):
        words = client.redact((await answer.aread()).decode(errors="replace"))
    try:
        json.loads(words)
    except ValueError:
        raise ApiError(f"The upstream answered {answer.status_code}.", status=502) from None
    # Its 401 is about this server's key, not about the client's.
    return Response(words, 502 if answer.status_code in (401, 403) else answer.status_code, media_type=kind)


routes = [
    Route("/models", models, methods=["GET"]),
    Route("/models/{model:path}", model, methods=["GET"]),
    Route("/chat/completions", completions, methods=["POST"]),
]
embedding_routes = [Route("/embeddings", embeddings, methods=["POST"])]
