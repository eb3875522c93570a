"""From what the SDK and httpx raise to our own errors: one line that says what happened and what to do."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import openai

from ...core import runtime_environment
from ...errors import (
    AuthenticationError,
    BackendError,
    ConnectionFailedError,
    NotAnEndpointError,
    RateLimitError,
    RequestRefusedError,
    ServerFailedError,
    StreamBrokenError,
)
from ..error_bodies import error_code, error_message, wait_in_words
from .answer_stream import NoJsonError
from .http_package import httpx

_LONGEST_WAIT = 60.0
"""Seconds; an endpoint that asks for more is not waited for."""
_ATTEMPTS = 3
_AGAIN = (408, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529)
"""What a server says that is too busy, or behind which one is; the 52x are Cloudflare's."""
_USED_UP = (
    "insufficient_quota",
    "insufficient_user_quota",
    "exceeded_current_quota_error",
    "billing_hard_limit_reached",
    "billing_not_active",
)
"""Codes of a 429 that no waiting helps against: OpenAI's, and those of its followers."""
_RESET = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError, httpx.CloseError)


def read_failure(
    error: Exception, base_url: str, secrets: Sequence[str] = (), *, streaming: bool = False, key_from: str = ""
) -> BackendError:
    """Return `error` as one of ours, with every secret replaced in its text.

    Parameters
    ----------
    error : Exception
        What was raised.
    base_url : str
        The endpoint, to name it.
    secrets : sequence of str
        Never shown.
    streaming : bool
        Whether the answer had begun: what breaks then is a stream, not a request.
    key_from : str
        Where the key came from, such as the name of a variable, to name it where the key is refused; may be empty.
    """
    found = _read(error, base_url, streaming=streaming, key_from=key_from if any(secrets) else None)
    found.args = (without_keys(found.words, secrets),)
    return found


def without_keys(text: str, secrets: Sequence[str]) -> str:
    """Return what an endpoint said without the keys that were sent to it.

    Some servers quote the key that they refuse, and what an error says goes into the notebook and the journal.
    """
    for secret in secrets:
        # The "x" that a local server is given for a key would be blotted out of every word.
        if len(secret) > 3:
            text = text.replace(secret, "[key]")
    return text


def _read(error: Exception, base_url: str, *, streaming: bool, key_from: str | None) -> BackendError:
    if isinstance(error, BackendError):
        return error
    if isinstance(error, openai.APIStatusError):
        return read_status(error.status_code, _body(error), base_url, error.response.headers, key_from)
    if isinstance(error, openai.APITimeoutError | httpx.TimeoutException):
        kind = StreamBrokenError if streaming else ConnectionFailedError
        return kind(f"{base_url} sent nothing for too long; is the model still loading, or the server stuck?")
    if streaming:
        if isinstance(error, openai.APIError) and not isinstance(error, openai.APIConnectionError):
            return ServerFailedError(f"the endpoint reports: {error_message(error.body) or error.message}")
        if isinstance(error, UnicodeDecodeError):
            return StreamBrokenError("the stream broke: it holds bytes that are no UTF-8")
        if isinstance(error, ValueError):
            held = error if isinstance(error, NoJsonError) else "an event that is no JSON"
            return StreamBrokenError(f"the stream broke: it holds {held}")
        return StreamBrokenError(f"the stream was cut: {_words(error)}")
    if isinstance(error, openai.APIConnectionError | httpx.HTTPError):
        cause = error if isinstance(error, httpx.HTTPError) else error.__cause__ or error
        # What never connected can be sent again without harm; what went out may have been worked on.
        sent = not isinstance(cause, httpx.ConnectError | httpx.ConnectTimeout)
        words = _words(cause)
        return ConnectionFailedError(
            f"no answer from {base_url}: {words}; is it running, and is base_url right?"
            if runtime_environment.THREADS
            # A page is not told why a request failed: one that the endpoint does not allow it looks like no answer.
            else f"no answer from {base_url}: {words}; is it running, and does it allow this page (CORS)? Ollama does "
            "by OLLAMA_ORIGINS",
            sent=sent,
            reset=isinstance(cause, _RESET),
        )
    if isinstance(error, ValueError):
        return NotAnEndpointError(f"{base_url} answered with something that is no JSON; check base_url")
    return BackendError(f"{base_url} failed: {_words(error)}")


def read_status(
    status: int,
    body: Any,
    base_url: str,
    headers: Mapping[str, str] | None = None,
    key_from: str | None = "",
) -> BackendError:
    """Return what an answer with `status` means, also one that an error in a stream names.

    Parameters
    ----------
    body : object
        The JSON of the answer, or its text.
    headers : mapping, optional
        Of the answer.
    key_from : str, optional
        Where the key came from; empty where that is not known, None where none was sent.
    """
    words, code = error_message(body), error_code(body)
    message = words or f"HTTP {status}"
    wait = _retry_after(headers or {})
    if wait is not None and wait > _LONGEST_WAIT:
        message = f"{message}; it asks to wait {wait:.0f} s"
    if status in (401, 403):
        return AuthenticationError(_refused_key(status, words, base_url, key_from), status=status)
    if status == 429:
        wait = wait_in_words(body) if wait is None else wait
        return RateLimitError(f"{base_url}: {message}", retry_after=wait, code=code)
    if 300 <= status < 400:
        where = (headers or {}).get("location", "another place")
        return RequestRefusedError(
            f"{base_url} redirects to {where}, which is not followed; set base_url to it", status=status
        )
    if status >= 500 or status in _AGAIN:
        return ServerFailedError(f"{base_url} failed ({status}): {message}", status=status, retry_after=wait)
    # A catch-all that takes GET alone answers 405 to a wrong path.
    if status in (404, 405) and (wrong := what_is_wrong(base_url, message, code)):
        message = f"{message}; {wrong}"
    return RequestRefusedError(message, status=status, code=code)


def _refused_key(status: int, words: str, base_url: str, key_from: str | None) -> str:
    reason = f": {words.rstrip('. ')}" if words else ""
    if key_from is None:
        # A key of the environment alone is not enough: a URL of `%assistant use` does not get it, nor does a profile's.
        where = "set NBASSIST_BASE_URL and NBASSIST_API_KEY, or key_env in a profile"
        return f"{base_url} refused a request without a key ({status}){reason}; {where}"
    named = f"the key from {key_from}" if key_from else "the key"
    return f"{base_url} refused {named} ({status}){reason}; check {key_from or 'api_key'}"


def _body(error: openai.APIStatusError) -> Any:
    """Return the whole body: the package gives what stands under `error` alone, and Groq and others add to it."""
    try:
        return error.response.json()
    except (ValueError, httpx.StreamError):
        return error.body


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that `Retry-After` asks for, given as such or as a date; None where there is none."""
    if milliseconds := headers.get("retry-after-ms", ""):  # Azure
        try:
            return max(0.0, float(milliseconds) / 1000)
        except ValueError:
            pass  # the header that all others send counts
    value = headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass  # no number: a date, or nothing
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__


def seconds_to_wait(error: BackendError, attempt: int) -> float | None:
    """Return how long to wait before the request goes out again, or None where it should not.

    Only what failed at the server, or was never answered, is sent again, and only before any output. Status and code
    decide, never a word of the text: Azure's rate limit links to a page about quota.
    """
    if attempt > _ATTEMPTS:
        return None
    wait: float | None = None
    if isinstance(error, RateLimitError) and error.code not in _USED_UP:
        wait = error.retry_after if error.retry_after is not None else 2.0**attempt
    elif isinstance(error, ServerFailedError) and error.status in _AGAIN:
        wait = error.retry_after if error.retry_after is not None else 0.5 * 2.0**attempt
    elif isinstance(error, ConnectionFailedError) and (error.reset or not error.sent):
        wait = 0.25 * 2.0**attempt
    return wait if wait is not None and wait <= _LONGEST_WAIT else None


def asks_all_to_wait(error: BackendError) -> bool:
    """Whether a failure is about the endpoint (429, or 503 with Retry-After), and not about this one request."""
    if isinstance(error, ServerFailedError):
        return error.status == 503 and error.retry_after is not None
    return isinstance(error, RateLimitError)


_ADDED = re.compile(
    r"/(chat/completions|completions|responses|models|assistants|threads|embeddings|messages)(/[^/]*)?$"
)
_VERSION = re.compile(r"/(v\d+\w*|openai|api|deployments)(/|$)")
_MODEL = ("model_not_found", "deploymentnotfound")


def what_is_wrong(base_url: str, words: str, code: str = "") -> str:
    """Return what to do about `base_url`, one half of a line; empty where another thing is missing, such as a model.

    Parameters
    ----------
    words, code : str
        What the endpoint said.
    """
    path = urlsplit(base_url).path.rstrip("/")
    root = base_url.rstrip("/").removesuffix(path)
    if added := _ADDED.search(path):
        return f"base_url has {added[0]} at its end, which is added to it: set it to {root}{path[: added.start()]}"
    if re.search(r"/(v\d+)/\1(/|$)", path):
        return "base_url has its version twice"
    if "model" in words.lower() or code.lower() in _MODEL:
        return ""
    if not _VERSION.search(path + "/"):
        return f"base_url most often ends in /v1: is it {root}{path}/v1?"
    return f"is base_url right? {base_url} is what stands before /chat/completions"
