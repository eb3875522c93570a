"""Everything nbassist raises, in one tree; each message is one line that says what happened and what to do.

::

    NbassistError
    ├── UsageError                  a flag, a value or an expression in the cell is wrong
    ├── SettingsError               nothing usable is configured, or what is configured contradicts itself
    ├── ToolError                   a function can't be a tool, or a tool's registration is wrong
    ├── ConversationError           a thread can't do that: gone, busy, or the position is not in it
    │   ├── UnreadableError         its file can't be read just now
    │   └── LaterVersionError       its file is of a later version of nbassist
    ├── OrderError                  events came in an order that `core.event_order` does not allow (a bug in a backend)
    ├── JournalError                the journal can't be read or written
    ├── BudgetError                 the next request would pass the budget, or its price is not known
    ├── ReplyFailedError            a reply broke off, or can't be read into its shape; what came is kept
    ├── BackendError                the endpoint, or the way to it
    │   ├── ConnectionFailedError   nothing answered, or the connection broke before any output
    │   ├── AuthenticationError     the key was refused
    │   ├── RateLimitError          too many requests, or the quota is used up
    │   ├── RequestRefusedError     the endpoint understood the request and said no
    │   ├── ServerFailedError       the endpoint failed on its own side (5xx)
    │   ├── NotAnEndpointError      what answered does not speak the protocol (an HTML page, an empty 200)
    │   └── StreamBrokenError       a stream stopped before its terminal event
    └── LocalError                  the embedded server or its engine
        ├── LocalUnavailableError   the extra `local` is not installed, or the server does not start
        └── ModelFileError          the model file is missing, cut or altered
"""

from __future__ import annotations

_LONGEST, _END = 300, 100  # characters of an error, and of its end, which says what to do
_SHOWN: dict[int, str] = dict.fromkeys((*range(32), *range(127, 160)), " ") | dict.fromkeys(range(55296, 57344), "�")


class NbassistError(Exception):
    """Base of all errors of nbassist; shown in a notebook as one line, without a traceback.

    Whatever words of others are in it, it is a line of at most 300 characters and without a control code: a terminal
    obeys those.
    """

    def __str__(self) -> str:
        line = " ".join(super().__str__().translate(_SHOWN).split())
        if len(line) <= _LONGEST:
            return line
        return f"{line[: _LONGEST - _END - 3]} … {line[-_END:]}"

    @property
    def words(self) -> str:
        """The message whole: a secret is looked for here, since the line may be cut within it."""
        return " ".join(map(str, self.args))

    def _render_traceback_(self) -> list[str]:
        """Let IPython print one line: it looks for this method before it formats a traceback."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(NbassistError):
    """A flag, a value or an expression in the cell is wrong."""


class SettingsError(NbassistError):
    """Nothing usable is configured, or what is configured contradicts itself."""


class ToolError(NbassistError):
    """A function can't be a tool, or its registration is wrong."""


class ConversationError(NbassistError):
    """A thread can't do what was asked of it."""


class UnreadableError(ConversationError):
    """The file of a thread is missing, or can't be read just now: it may be whole."""


class LaterVersionError(ConversationError):
    """The file of a thread was written by a later version of nbassist."""


class OrderError(NbassistError):
    """Events came in an order that `core.event_order` does not allow; a bug in a backend, not in the notebook."""


class JournalError(NbassistError):
    """The journal can't be read or written, or has no such run."""


class ReplyFailedError(NbassistError):
    """A reply broke off after its first text, or can't be read into its shape; what came is kept."""


class BudgetError(NbassistError):
    """The next request would pass the budget that the person has set, or its price is not known."""


class BackendError(NbassistError):
    """The endpoint, or the way to it.

    Parameters
    ----------
    message : str
        One line for the person.
    status : int, optional
        The HTTP status, where there was one.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ConnectionFailedError(BackendError):
    """Nothing answered, or the connection broke before any output.

    Parameters
    ----------
    sent : bool
        Whether the request may have reached the endpoint.
    reset : bool
        Whether the connection broke before the first byte of an answer, as one that was kept alive does where the
        endpoint closed it meanwhile: only then is a request sent again that may have reached it.
    """

    def __init__(self, message: str, *, status: int | None = None, sent: bool = False, reset: bool = False) -> None:
        super().__init__(message, status=status)
        self.sent = sent
        self.reset = reset


class AuthenticationError(BackendError):
    """The key was refused (401, 403)."""


class RateLimitError(BackendError):
    """Too many requests, or the quota is used up (429).

    Parameters
    ----------
    retry_after : float, optional
        Seconds that the endpoint asked to wait; None where it did not say.
    code : str
        What the endpoint calls it, such as `insufficient_quota`; empty where it does not say.
    """

    def __init__(
        self, message: str, *, status: int | None = 429, retry_after: float | None = None, code: str = ""
    ) -> None:
        super().__init__(message, status=status)
        self.retry_after = retry_after
        self.code = code


class RequestRefusedError(BackendError):
    """The endpoint understood the request and said no (other 4xx).

    Parameters
    ----------
    code : str
        What the endpoint calls it, such as `model_not_found`; empty where it does not say.
    """

    def __init__(self, message: str, *, status: int | None = None, code: str = "") -> None:
        super().__init__(message, status=status)
        self.code = code


class ServerFailedError(BackendError):
    """The endpoint failed on its own side (5xx, 408, or an error event in the stream).

    Parameters
    ----------
    retry_after : float, optional
        Seconds that the endpoint asked to wait; None where it did not say.
    """

    def __init__(self, message: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message, status=status)
        self.retry_after = retry_after


class NotAnEndpointError(BackendError):
    """What answered does not speak the protocol: an HTML page, an empty 200, bad JSON."""


class StreamBrokenError(BackendError):
    """A stream stopped before its terminal event; what came before it is kept."""


class LocalError(NbassistError):
    """The embedded server or its engine."""


class LocalUnavailableError(LocalError):
    """The extra `local` is not installed, or the server does not start."""


class ModelFileError(LocalError):
    """The model file is missing, cut or altered."""
