"""From what the SDK and httpx2 raise to our own errors: one line that says what happened and what to do."""

from __future__ import annotations

from collections.abc import Sequence

import httpx2
import openai

from ..errors import (
    AuthenticationError,
    BackendError,
    ConnectionFailedError,
    NotAnEndpointError,
    RateLimitError,
    RequestRefusedError,
    ServerFailedError,
    StreamBrokenError,
)
from .reading import error_message

_LONGEST_WAIT = 60.0
"""Seconds; an endpoint that asks for more is not waited for."""
_ATTEMPTS = 3


def read_failure(
    error: Exception, base_url: str, secrets: Sequence[str] = (), *, streaming: bool = False
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
    """
    found = _read(error, base_url, streaming=streaming)
    text = str(found)
    for secret in secrets:
        if len(secret) > 3:
            text = text.replace(secret, "[key]")
    found.args = (text,)
    return found


def _read(error: Exception, base_url: str, *, streaming: bool) -> BackendError:
    if isinstance(error, BackendError):
        return error
    if isinstance(error, openai.APIStatusError):
        return _read_status(error, base_url)
    if isinstance(error, openai.APITimeoutError | httpx2.TimeoutException):
        kind = StreamBrokenError if streaming else ConnectionFailedError
        return kind(f"{base_url} sent nothing for too long; is the model still loading, or the server stuck?")
    if streaming:
        if isinstance(error, openai.APIError) and not isinstance(error, openai.APIConnectionError):
            return ServerFailedError(f"the endpoint reports: {error_message(error.body) or error.message}")
        if isinstance(error, UnicodeDecodeError):
            return StreamBrokenError("the stream broke: it holds bytes that are no UTF-8")
        if isinstance(error, ValueError):
            return StreamBrokenError("the stream broke: it holds an event that is no JSON")
        return StreamBrokenError(f"the stream was cut: {_words(error)}")
    if isinstance(error, openai.APIConnectionError | httpx2.HTTPError):
        cause = error if isinstance(error, httpx2.HTTPError) else error.__cause__ or error
        sent = not isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout)
        return ConnectionFailedError(
            f"no answer from {base_url}: {_words(cause)}; is it running, and is base_url right?",
            sent=sent,
        )
    if isinstance(error, ValueError):
        return NotAnEndpointError(f"{base_url} answered with something that is no JSON; check base_url")
    return BackendError(f"{base_url} failed: {_words(error)}")


def _read_status(error: openai.APIStatusError, base_url: str) -> BackendError:
    status = error.status_code
    message = error_message(error.body) or f"HTTP {status}"
    if status in (401, 403):
        return AuthenticationError(f"{base_url} refused the key ({status}); check api_key", status=status)
    if status == 429:
        return RateLimitError(f"{base_url}: {message}", retry_after=_retry_after(error.response))
    if 300 <= status < 400:
        where = error.response.headers.get("location", "another place")
        return RequestRefusedError(
            f"{base_url} redirects to {where}, which is not followed; set base_url to it", status=status
        )
    if status >= 500:
        return ServerFailedError(f"{base_url} failed ({status}): {message}", status=status)
    return RequestRefusedError(message, status=status, code=error.code if isinstance(error.code, str) else "")


def _retry_after(response: httpx2.Response) -> float | None:
    try:
        return max(0.0, float(response.headers.get("retry-after", "")))
    except ValueError:
        return None


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__


def seconds_to_wait(error: BackendError, attempt: int) -> float | None:
    """Return how long to wait before the request goes out again, or None where it should not.

    Only what surely had no effect, or failed at the server, is sent again, and only before any output.
    """
    if attempt > _ATTEMPTS or isinstance(error, NotAnEndpointError | StreamBrokenError):
        return None
    if isinstance(error, RateLimitError):
        if "insufficient_quota" in str(error) or "quota" in str(error).lower():
            return None
        wait = error.retry_after if error.retry_after is not None else 2.0**attempt
        return wait if wait <= _LONGEST_WAIT else None
    if isinstance(error, ServerFailedError):
        return 0.5 * 2.0**attempt if error.status in (500, 502, 503, 504) else None
    if isinstance(error, ConnectionFailedError):
        return None if error.sent else 0.25 * 2.0**attempt
    return None
