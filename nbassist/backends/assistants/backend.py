"""Assistants v2: a thread at the endpoint holds the conversation, and a run works on it until it needs tools or ends.

The stream of a run always ends at `requires_action`; `nbassist.run.flow` submits the outputs with `stream=True` and
reads on, again and again, to a terminal state.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Generator, Mapping
from typing import Any
from urllib.parse import urlencode

from ...config.quirk_names import Access
from ...core.events import Warned
from ...core.messages import Message, Request, ToolOutput
from ...errors import BackendError, ConnectionFailedError, ConversationError, RequestRefusedError, StreamBrokenError
from .. import loose_json
from ..http.backend import HttpBackend
from ..http.requests import STALL, Flow, JsonRequest, Open, Pause, Step
from ..message_content import blind_output
from .decoder import AssistantsDecoder
from .request import EndpointFiles, hosted_tools, run_body, thread_messages, wire_messages

HEADERS = {"OpenAI-Beta": "assistants=v2"}
_TERMINAL = ("completed", "incomplete", "failed", "cancelled", "expired")
_ACTIVE_RUN = re.compile(r"active run (run_\w+)|while a run (run_\w+) is active")
_SUBMISSIONS = 3
_FOUND = "step_details.tool_calls[*].file_search.results[*].content"
_POLL = 0.5
"""Seconds between two looks at a run."""
_PATIENCE = 120
"""How many looks at a run that another client works on, or whose stream was cut."""


class AssistantsBackend(HttpBackend):
    """The Assistants v2 protocol at one endpoint.

    Parameters
    ----------
    base_url : str
        Up to and with `/v1`.
    api_key : str
        Its key, or the token of the embedded server.
    assistant_id : str
        An assistant that is there already; one is created where this is empty.
    stall : float
        Seconds without an event after which a stream is taken for cut.
    """

    name = "assistants"

    def __init__(
        self,
        base_url: str,
        api_key: str,
        assistant_id: str = "",
        *,
        stall: float = STALL,
        access: Access = Access(),
    ) -> None:
        super().__init__(base_url, api_key, HEADERS, stall=stall, access=access)
        self._files = EndpointFiles()
        self._assistant_id = assistant_id

    def cancel(self, cursor: Mapping[str, str], *, forget: bool = False) -> dict[str, str]:
        """Stop the run that `cursor` names and wait until its thread is free.

        Parameters
        ----------
        cursor : mapping of str to str
            From `TurnStarted` or `TurnEnded`.
        forget : bool
            Whether to delete the prompt from the thread, too: nothing came of it.

        Returns
        -------
        dict of str to str
            The cursor to go on from; empty where there is no thread.
        """
        self._transport.run(self._cancel_flow(cursor, forget=forget))
        return {key: value for key, value in cursor.items() if key != "run_id"}

    def open(self, thread_id: str) -> tuple[list[Message], dict[str, str]]:
        """Return the messages of a thread, oldest first, and the cursor to go on from it.

        Raises
        ------
        ConversationError
            Where there is no such thread.
        """
        return self._transport.run(thread_messages(thread_id)), {"thread_id": thread_id}

    def _flow(self, request: Request) -> Flow:
        outputs = [part for message in request.new for part in message.parts if isinstance(part, ToolOutput)]
        custom = [tool.name for tool in request.tools if tool.kind == "custom"]
        decoder = AssistantsDecoder(request.cursor, custom, [tool.name for tool in request.tools])
        if request.cursor.get("run_id") and outputs:
            yield from self._submit(request.cursor, outputs, decoder)
        else:
            yield from self._start(request, decoder)
        # Neither `requires_action` nor a terminal state came: the stream was cut, and the run goes on without it.
        if not decoder.ended:
            yield from self._read_on(decoder)
        yield from self._files.resolve(decoder.pending)
        # Last of all: what the files still had to tell belongs before the end of the turn.
        if decoder.end:
            yield decoder.end

    @staticmethod
    def _submit(cursor: Mapping[str, str], outputs: list[ToolOutput], decoder: AssistantsDecoder) -> Flow:
        """Answer all calls in one request; where the answer to it is lost, the run says whether they arrived."""
        run = f"/threads/{cursor['thread_id']}/runs/{cursor['run_id']}"
        body = {
            "tool_outputs": [{"tool_call_id": o.call_id, "output": blind_output(o)} for o in outputs],
            "stream": True,
        }
        for attempt in range(_SUBMISSIONS):
            try:
                yield Open(f"{run}/submit_tool_outputs", body, decoder)
                return
            except (StreamBrokenError, ConnectionFailedError):
                # Outputs are taken once: sent again after they arrived they are an error, and without them the run
                # waits until it expires.
                status = loose_json.mapping((yield JsonRequest("GET", run))).get("status")
                if status != "requires_action":
                    return
                if attempt == _SUBMISSIONS - 1:
                    raise
            except RequestRefusedError as error:
                if "do not accept tool outputs" not in str(error):  # it expired, or was cancelled, meanwhile
                    raise
                return

    def _start(self, request: Request, decoder: AssistantsDecoder) -> Flow:
        body = run_body(request)
        thread_id = request.cursor.get("thread_id", "")
        ids = yield from self._files.upload(request.new)
        messages = [wire for message in request.new for wire in wire_messages(message, ids, hosted_tools(request))]
        for _ in range(_PATIENCE):
            yield from self._ensure_assistant(request)
            body["assistant_id"] = self._assistant_id
            path = f"/threads/{thread_id}/runs" if thread_id else "/threads/runs"
            # What was found is told without its text otherwise.
            if any(loose_json.mapping(tool).get("type") == "file_search" for tool in hosted_tools(request)):
                path = f"{path}?{urlencode({'include[]': _FOUND})}"
            # With the run, in one request: a message added before it would stay in the thread if the run were refused.
            added = {"additional_messages": messages} if thread_id else {"thread": {"messages": messages}}
            try:
                # The answer may be lost, and the run go on: sent anew without a key, it would be a second one.
                yield Open(path, {**body, **added, "stream": True}, decoder, once=secrets.token_hex(16))
                return
            except RequestRefusedError as error:
                yield from self._after_refusal(error, thread_id)
        raise ConversationError(f"thread {thread_id} stays busy: another client's run does not end")

    def _after_refusal(self, error: RequestRefusedError, thread_id: str) -> Flow:
        """Mend what stands in the way of a run, or raise."""
        busy = _ACTIVE_RUN.search(str(error))
        if busy and thread_id:
            run_id = busy.group(1) or busy.group(2)
            yield Warned(f"the thread is busy with {run_id}: waiting for it")
            yield from self._wait_or_cancel(thread_id, run_id)
        elif error.status == 404 and thread_id and thread_id in str(error):
            raise ConversationError(f"thread {thread_id} is gone at the endpoint; begin a new one") from error
        # Deleted at the endpoint meanwhile: the loop creates another.
        elif error.status == 404 and self._assistant_id and self._assistant_id in str(error):
            self._assistant_id = ""
        else:
            raise error

    def _ensure_assistant(self, request: Request) -> Flow:
        if self._assistant_id:
            return
        model = (yield from self._named(request)).model
        made = yield JsonRequest("POST", "/assistants", {"model": model, "metadata": {"created_by": "nbassist"}})
        self._assistant_id = loose_json.text(loose_json.mapping(made).get("id"))

    def _read_on(self, decoder: AssistantsDecoder) -> Flow:
        """After a cut: the run goes on at the endpoint, so ask how it stands and take what is missing."""
        thread_id, run_id = decoder.cursor.get("thread_id"), decoder.cursor.get("run_id")
        if not (thread_id and run_id):
            yield from decoder.give_up("the stream was cut before the run began")
            return
        yield Warned("the stream was cut: reading on from the run")
        try:
            run = yield from self._poll(thread_id, run_id, ("requires_action", *_TERMINAL))
            if run.get("status") != "requires_action":
                yield from self._missed_messages(decoder, thread_id, run_id)
        except BackendError as error:
            yield from decoder.give_up(f"the stream was cut, and the run can't be read: {error}")
            return
        yield from decoder.feed({"event": "thread.run.polled", "data": run})
        yield from decoder.give_up("the stream was cut, and the run did not end in time")

    @staticmethod
    def _missed_messages(decoder: AssistantsDecoder, thread_id: str, run_id: str) -> Flow:
        query = {"run_id": run_id, "order": "asc", "limit": 100}
        page = yield JsonRequest("GET", f"/threads/{thread_id}/messages", query=query)
        for message in loose_json.listing(loose_json.mapping(page).get("data")):
            yield from decoder.feed({"event": "thread.message.completed", "data": message})

    @staticmethod
    def _poll(
        thread_id: str, run_id: str, until: tuple[str, ...], looks: int = _PATIENCE
    ) -> Generator[Step, Any, Mapping[str, Any]]:
        run: Mapping[str, Any] = {}
        for _ in range(looks):
            run = loose_json.mapping((yield JsonRequest("GET", f"/threads/{thread_id}/runs/{run_id}")))
            if run.get("status") in until:
                break
            yield Pause(_POLL)
        return run

    def _wait_or_cancel(self, thread_id: str, run_id: str) -> Flow:
        """Wait for another client's run; one that waits for tools nobody submits is an orphan, and is cancelled."""
        run = yield from self._poll(thread_id, run_id, ("requires_action", *_TERMINAL))
        if run.get("status") == "requires_action":
            # Ten seconds more for whoever runs its tools; an orphan would lock the thread until it expires, ten minutes
            # after it began.
            run = yield from self._poll(thread_id, run_id, _TERMINAL, looks=20)
        if run.get("status") not in _TERMINAL:
            yield from self._cancel_flow({"thread_id": thread_id, "run_id": run_id}, forget=False)

    def _cancel_flow(self, cursor: Mapping[str, str], *, forget: bool) -> Flow:
        thread_id, run_id = cursor.get("thread_id"), cursor.get("run_id")
        # The interrupt may have come before the run's first event, with its id.
        if thread_id and not run_id and forget:
            run_id = yield from self._unheard(thread_id)
        if thread_id and run_id:
            try:
                yield JsonRequest("POST", f"/threads/{thread_id}/runs/{run_id}/cancel")
            except RequestRefusedError as error:
                if not str(error).startswith("Cannot cancel run"):  # it ended by itself meanwhile
                    raise
            # A cancel answers `cancelling`, and until it is done the thread takes no other run.
            yield from self._poll(thread_id, run_id, _TERMINAL, looks=20)
        if thread_id and forget:
            page = yield JsonRequest("GET", f"/threads/{thread_id}/messages", query={"limit": 1, "order": "desc"})
            for message in loose_json.listing(loose_json.mapping(page).get("data"))[:1]:
                if loose_json.mapping(message).get("role") == "user":
                    yield JsonRequest("DELETE", f"/threads/{thread_id}/messages/{message['id']}")

    @staticmethod
    def _unheard(thread_id: str) -> Generator[Step, Any, str]:
        """Return the id of a run that began, and whose first event had not come; empty where there is none."""
        page = yield JsonRequest("GET", f"/threads/{thread_id}/runs", query={"limit": 1, "order": "desc"})
        for run in map(loose_json.mapping, loose_json.listing(loose_json.mapping(page).get("data"))[:1]):
            if run.get("status") not in _TERMINAL:
                return loose_json.text(run.get("id"))
        return ""
