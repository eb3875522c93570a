"""Responses: the protocol of the hosted service, and of the servers that follow it.

Hosted tools are asked for by their own names on the wire: `parameters["tools"]` is a list of them, sent behind the
notebook's tools, such as `[{"type": "web_search"}]`. `background` and `conversation` are parameters, too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ...config.quirk_names import Access, Quirks
from ...core.events import Event, Retrying, Warned
from ...core.messages import Message, Request
from ...errors import BackendError, ConversationError, RequestRefusedError
from .. import loose_json
from ..http.backend import HttpBackend
from ..http.requests import STALL, Flow, JsonRequest, Open, Pause, Step
from ..provider_quirks import Learnt, home_of, is_hosted, learnt, quirks_of
from ..refused_options import CORRECTIONS
from ..reply_files import fetch_container_files
from .decoder import ResponsesDecoder
from .history import conversation_messages
from .request import History, build_responses_request

# Neither has a code of its own: the words are all that tells.
_LOST = ("previous_response", "previous response", "no tool output found")
_UNSUPPORTED = ("not support", "unsupported", "unknown parameter", "unrecognized", "not permitted")
_RETAINS_NOTHING = ("data retention", "zdr")
_OPTIONAL = {
    "include": ("include", "encrypted content"),
    "summary": ("summar",),
    "store": ("store",),
    "items": ("encrypted", "reasoning"),
    "strict": ("strict",),
    "tool_choice": ("tool_choice", "tool choice"),
    "response_format": ("text.format", "json_schema", "structured output", "response_format"),
    "parallel_tool_calls": ("parallel_tool",),
    "tool_images": ("input_image", "function_call_output", "output must be a string"),
}
"""What is sent unasked, and the words that tell that it was refused."""
# About sixteen seconds in all, each wait twice the last; behind that, the response is asked for whole.
_RECONNECTIONS = 5
_POLL = 2.0
"""Seconds between two looks at a background response whose stream can't be read."""
# With the pause between, ten minutes.
_LOOKS = 300


class ResponsesBackend(HttpBackend):
    """The Responses protocol at one endpoint.

    Parameters
    ----------
    base_url, api_key, stall
        As every `HttpBackend` takes them.
    history : {"previous", "conversation", "ours"}, optional
        Who keeps the conversation; by default the hosted service does and others do not. `store=False` among the
        parameters of a request makes it ours, and `conversation` there names one at the service.
    """

    name = "responses"

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        history: History | None = None,
        stall: float = STALL,
        access: Access = Access(),
    ) -> None:
        super().__init__(base_url, api_key, stall=stall, access=access)
        self._hosted = is_hosted(base_url)
        # Servers that follow the protocol mostly store nothing, and an id would mean nothing to them the next time.
        self._history: History = history or ("previous" if self._hosted else "ours")
        self._home = home_of(base_url)
        self._given: set[str] = set()
        """The ids of the responses that came here."""

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
        conversation = cursor.get("conversation_id", "")
        decoder = ResponsesDecoder(self._history, conversation, background=True, home=self._home, keeps_files=True)
        decoder.response_id = cursor.get("run_id", "")
        decoder.sequence = int(cursor.get("sequence") or -1)
        yield from _read_on(decoder, lost=False)
        yield from _end(decoder)

    def _flow(self, request: Request) -> Flow:
        request = yield from self._named(request)
        known = learnt(self._base_url, request.model)
        for _ in range(CORRECTIONS):
            history, conversation = self._mode(request), ""
            if history == "conversation":
                conversation = yield from self._conversation(request)
            habits = quirks_of(self._base_url, request.model, self._access.entries)
            decoder = self._decoder(request, history, conversation, habits)
            body = build_responses_request(
                request,
                history=history,
                conversation=conversation,
                without=habits.refuses,
                hosted=self._hosted,
                habits=habits,
                home=self._home,
            )
            try:
                yield Open("/responses", body, decoder)
            except RequestRefusedError as error:
                request = yield from self._after_refusal(error, body, request, known)
                continue
            # Only one in the background gets here: any other ended with its stream, whole or cut.
            if not decoder.ended:
                yield from _read_on(decoder, lost=True)
            self._given.add(decoder.response_id)
            known.calls_natively = known.calls_natively or decoder.native_calls
            if decoder.keeps_nothing:
                learnt(self._base_url).keeps_nothing = True
            yield from _end(decoder)
            return

    def _decoder(self, request: Request, history: str, conversation: str, habits: Quirks) -> ResponsesDecoder:
        background, offered = bool(request.parameters.get("background")), [tool.name for tool in request.tools]
        if self._hosted:
            return ResponsesDecoder(
                history, conversation, background=background, home=self._home, keeps_files=True, offered=offered
            )
        limit = request.parameters.get("max_output_tokens")
        in_text = habits.text_calls and not learnt(self._base_url, request.model).calls_natively
        return ResponsesDecoder(
            history,
            conversation,
            background=background,
            tools={tool.name: tool.parameters for tool in request.tools} if in_text else (),
            limit=limit if isinstance(limit, int) else None,
            home=self._home,
            keeps_files=True,
            offered=offered,
        )

    def _mode(self, request: Request) -> History:
        if request.parameters.get("conversation") or request.cursor.get("conversation_id"):
            return "conversation"
        if request.parameters.get("store") is False or learnt(self._base_url).keeps_nothing:
            return "ours"
        return self._history

    def _conversation(self, request: Request) -> Generator[Step, Any, str]:
        """Return the id of the conversation at the service: the one named, the one in use, or a new one."""
        known = loose_json.text(request.parameters.get("conversation")) or request.cursor.get("conversation_id", "")
        if known:
            return known
        if any(not message.complete for message in request.messages):
            yield Warned("the conversation at the endpoint may hold half a reply: another one is begun, with all of it")
        return loose_json.text(loose_json.mapping((yield JsonRequest("POST", "/conversations"))).get("id"))

    def _after_refusal(
        self, error: RequestRefusedError, body: Mapping[str, Any], request: Request, known: Learnt
    ) -> Generator[Step, Any, Request]:
        """Mend what the endpoint refused and nobody asked for, or raise; return the request to send next."""
        said = str(error).lower()
        if "previous_response_id" in body and (error.status == 404 or any(word in said for word in _LOST)):
            # One that refuses to go on from what it has just given would do so each time.
            given = body["previous_response_id"] in self._given and "previous" in said
            if given or any(word in said for word in (*_UNSUPPORTED, *_RETAINS_NOTHING)):
                learnt(self._base_url).keeps_nothing = True
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
            if any(word in said for word in words) and name not in known.refused and _is_ours(name, body, request):
                known.refused.append(name)
                yield Warned(f"the endpoint refuses {name}: it is asked again without, here and from now on")
                return request
        raise error


def _is_ours(name: str, body: Mapping[str, Any], request: Request) -> bool:
    """Whether what was refused is in `body`, and not because the person asked for it."""
    if name == "items":
        return any(item.get("type") == "reasoning" for item in body["input"])
    if name == "strict":
        return any("strict" in tool for tool in body.get("tools", ()))
    if name == "response_format":
        return request.output is not None
    if name == "tool_images":
        return any(isinstance(item.get("output"), list) for item in body["input"])
    if name == "summary":
        return "summary" in body.get("reasoning", {}) and "reasoning" not in request.parameters
    return name in body and name not in request.parameters


def _end(decoder: ResponsesDecoder) -> Flow:
    """Yield the files that a reply cites, and the end of its turn where they held it up."""
    if decoder.end:
        yield from fetch_container_files(decoder.files, decoder.pictures)
        yield decoder.end


def _read_on(decoder: ResponsesDecoder, *, lost: bool) -> Flow:
    """Read a background response on from its last event, and where that can't be, ask for it until it ended."""
    path = f"/responses/{decoder.response_id}"
    for attempt in range(1, _RECONNECTIONS + 1):
        # Without numbers it can't be read on from a place, and from the beginning all would be told twice.
        if not decoder.response_id or (decoder.started and (decoder.sequence < 0 or not decoder.numbered)):
            break
        # The first look at a response that somebody left comes at once; behind a cut, the server gets time.
        if lost:
            yield Retrying(0.25 * 2.0**attempt, attempt, "the connection was lost: reading on from the last event")
            yield Pause(0.25 * 2.0**attempt)
        lost = True
        decoder.reconnect()
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
            response = loose_json.mapping((yield JsonRequest("GET", path)))
            status = loose_json.text(response.get("status"))
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
        yield JsonRequest("POST", f"/responses/{response_id}/cancel")
    except RequestRefusedError:
        return  # it ended by itself meanwhile
