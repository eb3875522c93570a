"""The errors of the API, with the texts that the hosted service gave (recorded, or quoted in public issues)."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """What a client is told in place of an answer.

    Parameters
    ----------
    message : str
        For the person.
    status : int
        Of HTTP.
    param : str, optional
        The parameter that is wrong, as a path: `tools[0].function.name`.
    code : str, optional
        A word for programs.
    detailed : bool
        Whether the body says it once more under a second key, `detail`, as the service did of files.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        param: str | None = None,
        code: str | None = None,
        detailed: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.param = param
        self.code = code
        self.detailed = detailed

    def to_dict(self) -> dict[str, Any]:
        """Return the body: `{"error": {"message", "type", "param", "code"}}`."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        body = {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}
        return {**body, "detail": {"message": self.message, "code": self.code}} if self.detailed else body


def not_found(noun: str, identifier: str) -> ApiError:
    """Refuse an id that is not there: `No run step found with id 'step_123'.`, and of files as files do."""
    if noun == "file":
        return ApiError(f"No such File object: {identifier}", status=404, param="id", detailed=True)
    return ApiError(f"No {noun} found with id '{identifier}'.", status=404)


def in_use(noun: str, identifier: str) -> ApiError:
    """Refuse an id that a client chose, and that something has, or had."""
    return ApiError(f"The id '{identifier}' is in use: choose another for this {noun}.", param="id", code="id_in_use")


def unsupported(param: str, name: str) -> ApiError:
    """Refuse what the hosted service had and this server does not."""
    return ApiError(
        f"'{name}' is not run by this server: start it with --code-interpreter, or without --hosted-tools refuse to "
        "keep the tool and answer without it.",
        param=param,
        code="unsupported_parameter",
    )


def invalid_thread(thread_id: str) -> ApiError:
    """Refuse a run for which there is nothing to answer."""
    return ApiError(
        f"Thread {thread_id} is empty: add a message, or instructions, before a run.", code="invalid_thread"
    )


def thread_is_busy(thread_id: str, run_id: str) -> ApiError:
    """Refuse a second run on a thread."""
    return ApiError(f"Thread {thread_id} already has an active run {run_id}.")


def thread_is_locked(thread_id: str, run_id: str) -> ApiError:
    """Refuse a message while a run works on the thread."""
    return ApiError(f"Can't add messages to {thread_id} while a run {run_id} is active.")


def not_cancellable(status: str) -> ApiError:
    """Refuse to cancel a run that is over."""
    return ApiError(f"Cannot cancel run with status '{status}'")


def not_changeable(status: str) -> ApiError:
    """Refuse to change a run that is being worked on."""
    return ApiError(f"Cannot update run with status '{status}'.")


def takes_no_outputs(status: str) -> ApiError:
    """Refuse tool outputs that no run waits for."""
    return ApiError(f'Runs in status "{status}" do not accept tool outputs.')


def wrong_outputs(expected: list[str], got: list[str]) -> ApiError:
    """Refuse outputs that do not answer each call once."""
    return ApiError(f"Expected tool outputs for call_ids {expected}, got {got}")
