"""Chat Completions: every compatible engine speaks it, and keeps nothing, so each request holds the whole history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...config.quirk_names import Access, Quirks
from ...core.events import Warned
from ...core.messages import Message, Request, ToolSpec
from ...errors import ConversationError, RequestRefusedError, ServerFailedError
from .. import loose_json
from ..http.backend import HttpBackend
from ..http.requests import STALL, Flow, Open
from ..message_content import function, json_schema, schema_in_words
from ..provider_quirks import home_of, is_settled, learnt, quirks_of
from ..refused_options import CORRECTIONS, mend
from .decoder import ChatDecoder
from .history import wire_messages

__all__ = ["ChatBackend", "ChatDecoder", "build_chat_request"]

_PATH = "/chat/completions"


class ChatBackend(HttpBackend):
    """The Chat Completions protocol at one endpoint; for the parameters see `HttpBackend`."""

    name = "chat"

    def __init__(self, base_url: str, api_key: str, *, stall: float = STALL, access: Access = Access()) -> None:
        super().__init__(base_url, api_key, stall=stall, access=access)
        self._home = home_of(base_url)

    def cancel(self, cursor: Mapping[str, str], *, forget: bool = False) -> dict[str, str]:
        """Do nothing: a turn ends with its stream, and the endpoint holds no history."""
        return {}

    def open(self, held: str) -> tuple[list[Message], dict[str, str]]:
        """Raise ConversationError: an endpoint of this protocol keeps no threads."""
        raise ConversationError(f"there is no thread {held} to open: Chat Completions keeps none at the endpoint")

    def _flow(self, request: Request) -> Flow:
        request = yield from self._named(request)
        known = learnt(self._base_url, request.model)
        for _ in range(CORRECTIONS):
            habits = quirks_of(self._base_url, request.model, self._access.entries)
            body = build_chat_request(request, habits, self._home)
            # A model that has made one real call writes the others into its text only to show them.
            decoder = self._decoder(request, habits, known.calls_natively)
            try:
                yield Open(_PATH, body, decoder)
            # Also a 500: LiteLLM's proxy answers that to a parameter that it does not know.
            except (RequestRefusedError, ServerFailedError) as error:
                told = mend(error, body, request.parameters, known)
                if not told:
                    raise
                yield Warned(told)
                continue
            known.calls_natively = known.calls_natively or decoder.native_calls
            known.answers_as = decoder.model or known.answers_as
            return

    def _decoder(self, request: Request, habits: Quirks, calls_natively: bool) -> ChatDecoder:
        custom = [tool.name for tool in request.tools if tool.kind == "custom"]
        limit = request.parameters.get("max_completion_tokens", request.parameters.get("max_tokens"))
        return ChatDecoder(
            {tool.name: tool.parameters if tool.kind == "function" else {} for tool in request.tools},
            custom=custom,
            limit=limit if isinstance(limit, int) else None,
            habits=habits,
            home=self._home,
            calls_natively=calls_natively,
            settled=is_settled(self._base_url, request.model, self._access.entries),
        )


_GONE = "Not to be called any more; it stands here because it was called before."


def build_chat_request(request: Request, habits: Quirks = Quirks(), home: str = "") -> dict[str, Any]:
    """Return the body of `POST /chat/completions` for `request`; all of its history is sent.

    Parameters
    ----------
    habits : Quirks
        Of the endpoint: what it refuses is not in the body.
    home : str
        The endpoint: what it sent to be sent back goes to it, and to no other.
    """
    messages = wire_messages(request, habits, home)
    if request.instructions:
        messages.insert(0, {"role": "system", "content": request.instructions})
    body: dict[str, Any] = {"messages": messages, "stream": True, "stream_options": {"include_usage": True}}
    if request.model:
        body["model"] = request.model
    if request.reasoning:
        body["reasoning_effort"] = request.reasoning
    if request.output:
        body["response_format"] = {"type": "json_schema", "json_schema": json_schema(request.output)}
    tools = [*map(_tool, request.tools), *loose_json.listing(request.parameters.get("tools"))]
    if tools:
        body["tools"] = tools
        if request.tool_choice != "auto":
            body["tool_choice"] = request.tool_choice
    # What a person gave by name goes in behind it: it is sent as it is, whatever the table says.
    body = fitted(body, habits)
    given = {name: value for name, value in request.parameters.items() if name != "tools"}
    return {**body, **{habits.names.get(name, name): value for name, value in given.items()}}


def fitted(body: Mapping[str, Any], habits: Quirks) -> dict[str, Any]:
    """Return a body without what the endpoint refuses, with its own names; tools that the history calls are named.

    Bedrock behind a gateway refuses calls in the history of a request that offers no tools.
    """
    found = {habits.names.get(name, name): value for name, value in body.items()}
    called = [call["function"]["name"] for message in body["messages"] for call in message.get("tool_calls") or ()]
    if called and not found.get("tools"):
        empty = {"type": "object", "properties": {}}
        found["tools"] = [
            {"type": "function", "function": {"name": name, "description": _GONE, "parameters": empty}}
            for name in dict.fromkeys(called)
        ]
        found["tool_choice"] = "none"
    if found.get("tools"):
        found["tools"] = _as_strict_as_may_be(found["tools"], habits)
    form = loose_json.mapping(found.get("response_format"))
    if "response_format" in habits.refuses and "json_schema" in form:
        schema = loose_json.mapping(loose_json.mapping(form["json_schema"]).get("schema"))
        found["messages"] = _with_words(found["messages"], schema_in_words(schema))
    for name in ("stream_options", "response_format", "tool_choice", "parallel_tool_calls"):
        if name in habits.refuses:
            found.pop(name, None)
    return found


def _as_strict_as_may_be(tools: list[Any], habits: Quirks) -> list[Any]:
    strict = [bool(loose_json.mapping(loose_json.mapping(tool).get("function")).get("strict")) for tool in tools]
    mixed = "mixed_strict" in habits.refuses and any(strict) and not all(strict)
    if not (mixed or "strict" in habits.refuses):
        return tools
    return [
        {**tool, "function": {name: value for name, value in tool["function"].items() if name != "strict"}}
        if isinstance(tool.get("function"), Mapping)
        else tool
        for tool in map(loose_json.mapping, tools)
    ]


def _with_words(messages: list[dict[str, Any]], words: str) -> list[dict[str, Any]]:
    """Return messages with `words` behind the instructions."""
    if messages and messages[0]["role"] == "system":
        return [{**messages[0], "content": f"{messages[0]['content']}\n\n{words}"}, *messages[1:]]
    return [{"role": "system", "content": words}, *messages]


def _tool(tool: ToolSpec) -> dict[str, Any]:
    """Return `tool` as a function, a custom one, too: few servers take custom tools here."""
    strict = {"strict": True} if tool.strict and tool.kind == "function" else {}
    return {"type": "function", "function": {**function(tool), **strict}}
