"""Find out which protocol an endpoint speaks: one small request, two seconds at most, and remembered."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from ...config.quirk_names import Access
from ...core import runtime_environment
from .. import loose_json
from ..assistants.backend import HEADERS
from ..provider_quirks import is_hosted, is_known
from .http_package import httpx

_SECONDS = 2.0
_LONGEST = 64 * 1024
"""Bytes; a list of one assistant is shorter."""
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SPEAKS: dict[str, str] = {}


def protocol(base_url: str, api_key: str, access: Access = Access()) -> str:
    """Return the name of the backend for the endpoint; asks it where its address does not tell.

    Only a list of assistants says that it has them. Every other answer, and none in time, means Chat Completions, which
    all speak: a refusal of this question is none of the prompt. It is asked once in the life of this process; where
    nothing answers at all, again the next time.
    """
    if is_hosted(base_url):
        return "responses"
    if is_known(base_url):
        return "chat"
    if base_url not in _SPEAKS:
        found = speaks_assistants(base_url, api_key, access)
        if found is None:
            return "chat"
        _SPEAKS[base_url] = "assistants" if found else "chat"
    return _SPEAKS[base_url]


def speaks_assistants(base_url: str, api_key: str, access: Access = Access()) -> bool | None:
    """Return whether the endpoint has assistants; None where nothing answers at its address.

    It takes two seconds at most: what has not answered by then is taken to have none.
    """
    found: list[bool | None] = []

    def ask() -> None:
        found.append(_ask(base_url, api_key, access))

    if not runtime_environment.THREADS:
        ask()
    else:
        # Each step of a request has a limit of its own, so only a clock beside it holds the whole to its time.
        asking = threading.Thread(target=ask, name="nbassist-probe", daemon=True)
        asking.start()
        asking.join(_SECONDS)
    return found[0] if found else False


def _ask(base_url: str, api_key: str, access: Access) -> bool | None:
    url = f"{base_url.rstrip('/')}/assistants?{urlencode({'limit': 1, **access.query})}"
    authorization = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    headers = {**HEADERS, **authorization, **access.headers}
    # As in `clients`: no proxy for this machine, no certificates without TLS.
    local = urlsplit(base_url).hostname in _LOOPBACK
    until = time.monotonic() + _SECONDS
    body = b""
    try:
        with (
            httpx.Client(timeout=_SECONDS, trust_env=not local, verify=not base_url.startswith("http://")) as client,
            client.stream("GET", url, headers=headers) as response,
        ):
            # A refusal says nothing about the prompt's own route: a gateway answers 403, and LiteLLM's proxy 500, to
            # what it does not know.
            if not response.is_success:
                return False
            for piece in response.iter_bytes():
                body += piece
                if len(body) > _LONGEST or time.monotonic() > until:
                    return False
        return _is_list_of_assistants(json.loads(body), response.headers)
    except httpx.ConnectError:
        return None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError):
        return False


def _is_list_of_assistants(answer: Any, headers: Mapping[str, str]) -> bool:
    """Tell the list from the empty one, or the models, that a catch-all gives to any question."""
    data = loose_json.mapping(answer)
    entries = data.get("data")
    if data.get("object") != "list" or not isinstance(entries, list):
        return False
    if entries:
        return all(loose_json.mapping(entry).get("object") == "assistant" for entry in entries)
    # An empty list is what a catch-all may also say; only lists that are paged carry these three. As nulls they may be
    # made up: the hosted service and our own server, which give nulls, name the version of the API beside them.
    if not {"first_id", "last_id", "has_more"} <= data.keys():
        return False
    ids = (data["first_id"], data["last_id"])
    return all(isinstance(one, str) for one in ids) or "openai-version" in headers
