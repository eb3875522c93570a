"""Responses: the protocol of the hosted service, and of the servers that follow it.

Hosted tools are asked for by their own names on the wire: `parameters["tools"]` is a list of them, sent behind the
notebook's tools, such as `[{"type": "web_search"}]`. `background` and `conversation` are parameters, too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..errors import BackendError, ConversationError, RequestRefusedError
from ..events import Event, Retrying, Warned
from ..messages import Message, Request
from . import reading
from .abilities import is_hosted
from .responses_decoder import ResponsesDecoder
from .responses_history import conversation_messages
from .responses_request import History, build_responses_request
from .steps import STALL, Call, Flow, Open, Pause, Step
from .wire import WireBackend

_CORRECTIONS = 6
"""How often a refused request is mended: once for each thing that can be left out, and for a lost history."""
_LOST = ("previous_response", "previous response", "no tool output found")
_UNSUPPORTED = ("not support", "unsupported", "unknown parameter", "unrecognized", "not permitted")
_OPTIONAL = {
    "include": ("include", "encrypted content"),
    "summary": ("summar",),
    "store": ("store",),
    "items": ("encrypted",),
}
"""What is sent unasked, and the words that tell that it was refused."""
_RECONNECTIONS = 5
_POLL = 2.0
"""Seconds between two looks at a background response whose stream can't be read."""
_LOOKS = 300


class ResponsesBackend(WireBackend):
    """The Responses protocol at one endpoint.

    Parameters
    ----------
    base_url, api_key, stall
        As every `WireBackend` takes them.
    history : {"previous", "conversation", "ours"}, optional
        Who keeps the conversation; by default the hosted service does and others do not. `store=False` among the
        parameters of a request makes it ours, and `conversation` there names one at the service.
    """

    name = "responses"

    def __init__(self, base_url: str, api_key: str, *, history: History | None = None, stall: float = STALL) -> None:
        super().__init__(base_url, api_key, stall=stall)
        self._hosted = is_hosted(base_url)
        self._history: History = history or ("previous" if self._hosted else "ours")
        self._without: set[str] = set()
        """What this endpoint refused, and is not sent again."""

    def read_on(self, cursor: Mapping[str, str]) -> Iterator[Event]:
        """Yield the rest of a background response that was left, from the event behind the last one that was read.

        Parameters
        ----------
        cursor : mapping of str to str
            `run_id`, the id of the response, and `sequence`, the number of the last event; without that, from its
            beginning. `TurnStarted.cursor` holds both.

        Raises
        ------
        BackendError
            Where the endpoint does not have it any more, or can't be reached.
        """
        return self._transport.drive(self._reading_on(cursor))

    def aread_on(self, cursor: Mapping[str, str]) -> AsyncIterator[Event]:
        """As `read_on`, on an event loop."""
        return self._transport.adrive(self._reading_on(cursor))

    def cancel(self, cursor: Mapping[str, str], *, forget: bool = False) -> dict[str, str] | None:
        """Cancel the background response that `cursor` names; any other ends with its stream.

        Returns
        -------
        None
            The endpoint stands as before that response: it is never gone on from.
        """
        if response_id := cursor.get("run_id"):
            self._transport.run(_cancel(response_id))
        return {} if cursor.get("conversation_id") else None

    def open(self, conversation_id: str) -> tuple[list[Message], dict[str, str]]:
        """Return the messages of a conversation at the service, oldest first, and the cursor to go on from it.

        Raises
        ------
        ConversationError
            Where there is no such conversation.
        """
        return self._transport.run(conversation_messages(conversation_id)), {"conversation_id": conversation_id}

    def _reading_on(self, cursor: Mapping[str, str]) -> Flow:
        decoder = ResponsesDecoder(self._history, cursor.get("conversation_id", ""), background=True)
        decoder.response_id = cursor.get("run_id", "")
        decoder.sequence = int(cursor.get("sequence") or -1)
        return _read_on(decoder, lost=False)

    def _flow(self, request: Request) -> Flow:
        request = yield from self._named(request)
        for _ in range(_CORRECTIONS):
            history, conversation = self._mode(request), ""
            if history == "conversation":
                conversation = yield from self._conversation(request)
            decoder = self._decoder(request, history, conversation)
            body = build_responses_request(
                request, history=history, conversation=conversation, without=self._without, hosted=self._hosted
            )
            try:
                yield Open("/responses", body, decoder)
            except RequestRefusedError as error:
                request = yield from self._after_refusal(error, body, request)
                continue
            if not decoder.ended:
                yield from _read_on(decoder, lost=True)
            return

    def _decoder(self, request: Request, history: str, conversation: str) -> ResponsesDecoder:
        background = bool(request.parameters.get("background"))
        if self._hosted:
            return ResponsesDecoder(history, conversation, background=background)
        limit = request.parameters.get("max_output_tokens")
        return ResponsesDecoder(
            history,
            conversation,
            background=background,
            tools=[tool.name for tool in request.tools],
            limit=limit if isinstance(limit, int) else None,
        )

    def _mode(self, request: Request) -> History:
        if request.parameters.get("conversation") or request.cursor.get("conversation_id"):
            return "conversation"
        return "ours" if request.parameters.get("store") is False else self._history

    def _conversation(self, request: Request) -> Generator[Step, Any, str]:
        """Return the id of the conversation at the service: the one named, the one in use, or a new one."""
        known = reading.text(request.parameters.get("conversation")) or request.cursor.get("conversation_id", "")
        if known:
            return known
        if any(not message.complete for message in request.messages):
            yield Warned("the conversation at the endpoint may hold half a reply: another one is begun, with all of it")
        return reading.text(reading.mapping((yield Call("POST", "/conversations"))).get("id"))

    def _after_refusal(
        self, error: RequestRefusedError, body: Mapping[str, Any], request: Request
    ) -> Generator[Step, Any, Request]:
        """Mend what the endpoint refused and nobody asked for, or raise; return the request to send next."""
        said = str(error).lower()
        if "previous_response_id" in body and (error.status == 404 or any(word in said for word in _LOST)):
            if any(word in said for word in _UNSUPPORTED):
                self._history = "ours"
            yield Warned("the endpoint does not hold what was said before: the history is sent again")
            return replace(request, since=0, cursor={})
        if "conversation" in body and error.status == 404:
            raise ConversationError(
                f"conversation {body['conversation']} is gone at the endpoint; begin a new thread"
            ) from error
        if error.status == 404 and "model" not in said:
            raise RequestRefusedError(
                f"{error}; does this endpoint speak Responses? Most speak Chat Completions: the backend chat",
                status=404,
            ) from error
        for name, words in _OPTIONAL.items():
            if any(word in said for word in words) and name not in self._without and _is_ours(name, body, request):
                self._without.add(name)
                return request
        raise error


def _is_ours(name: str, body: Mapping[str, Any], request: Request) -> bool:
    """Whether what was refused is in `body`, and not because the person asked for it."""
    if name == "items":
        return any(item.get("encrypted_content") for item in body["input"])
    if name == "summary":
        return "summary" in body.get("reasoning", {}) and "reasoning" not in request.parameters
    return name in body and name not in request.parameters


def _read_on(decoder: ResponsesDecoder, *, lost: bool) -> Flow:
    """Read a background response on from its last event, and where that can't be, ask for it until it ended."""
    path = f"/responses/{decoder.response_id}"
    for attempt in range(1, _RECONNECTIONS + 1):
        if not decoder.response_id or (decoder.started and decoder.sequence < 0):
            break
        if lost:
            yield Retrying(0.25 * 2.0**attempt, attempt, "the connection was lost: reading on from the last event")
            yield Pause(0.25 * 2.0**attempt)
        lost = True
        after = {"starting_after": decoder.sequence} if decoder.sequence >= 0 else {}
        try:
            yield Open(path, {"stream": "true", **after}, decoder, method="GET")
        except RequestRefusedError:
            break  # it was not begun as a stream, or the endpoint can't do this
        except BackendError:
            continue
        if decoder.ended:
            return
    try:
        for _ in range(_LOOKS if decoder.response_id else 0):
            response = reading.mapping((yield Call("GET", path)))
            status = reading.text(response.get("status"))
            if status not in ("queued", "in_progress"):
                yield from decoder.feed({"type": f"response.{status}", "response": response})
                break
            yield Pause(_POLL)
    except BackendError as error:
        if not decoder.started:
            raise
        yield from decoder.give_up(f"the connection was lost, and the response can't be read: {error}")
    yield from decoder.give_up("the connection was lost, and the response did not end in time")


def _cancel(response_id: str) -> Flow:
    try:
        yield Call("POST", f"/responses/{response_id}/cancel")
    except RequestRefusedError:
        return  # it ended by itself meanwhile
