"""The body of a request to Responses."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal, TypeAlias

from ...config.quirk_names import Quirks
from ...core.messages import Message, Request, ToolSpec
from .. import loose_json
from ..call_names import sendable_name
from ..message_content import function, json_schema, schema_in_words
from ..provider_quirks import reasons
from .history import input_items

History: TypeAlias = Literal["previous", "conversation", "ours"]
"""Who keeps the conversation: the service behind the id of its last response, the service as a conversation, or we."""
_GONE = "Not to be called any more; it stands here because it was called before."
_ENCRYPTED = "reasoning.encrypted_content"
_ASKED_FOR = {"file_search": "file_search_call.results", "code_interpreter": "code_interpreter_call.outputs"}
"""What the service tells of its own tools only where it is asked: what was found, what the code printed and drew."""


def build_responses_request(
    request: Request,
    *,
    history: History = "ours",
    conversation: str = "",
    without: Collection[str] = (),
    hosted: bool = False,
    habits: Quirks = Quirks(),
    home: str = "",
) -> dict[str, Any]:
    """Return the body of `POST /responses` for `request`.

    Parameters
    ----------
    request : Request
        Its cursor says what the endpoint holds; with `history="ours"` it holds nothing.
    history : {"previous", "conversation", "ours"}
        Who keeps the conversation.
    conversation : str
        The id of the conversation, where the service keeps it as one.
    without : collection of str
        What this endpoint refused: "include", "summary", "store", "items", "strict", "tool_choice", "response_format",
        "parallel_tool_calls".
    hosted : bool
        Whether this is the hosted service, which tells the reasoning of its models in summaries.
    habits : Quirks
        Of the endpoint.
    home : str
        The endpoint: what it sent to be sent back goes to it, and to no other.
    """
    given = {name: value for name, value in request.parameters.items() if name not in ("tools", "conversation")}
    body: dict[str, Any] = {"model": request.model, "stream": True}
    if request.instructions:
        body["instructions"] = request.instructions
    held: tuple[Message, ...] = request.messages
    if history == "previous" and request.cursor.get("response_id"):
        body["previous_response_id"] = request.cursor["response_id"]
        held = request.new
    elif history == "conversation":
        body["conversation"] = conversation
        # A conversation that was just begun, or named by the person, holds nothing of this thread yet.
        held = request.new if request.cursor.get("conversation_id") == conversation else request.messages
    elif history == "ours" and "store" not in without and not given.get("background"):
        body["store"] = False  # what runs in the background is stored, or could not be read on
    # The reasoning of a turn is lost between a call and its output otherwise, where nothing is stored.
    if history == "ours" and reasons(request.model) and "include" not in without:
        body["include"] = [_ENCRYPTED]
    body["input"] = input_items(
        held, model=request.model, calls=request.messages, keep="items" not in without, home=home, habits=habits
    )
    if reasoning := _reasoning(request, hosted=hosted, summary="summary" not in without):
        body["reasoning"] = reasoning
    body |= _tools(request, without, habits.runs, named=history == "ours" and not hosted)
    kinds = {loose_json.text(loose_json.mapping(tool).get("type")) for tool in body.get("tools", ())}
    asked_for = [name for kind, name in _ASKED_FOR.items() if kind in kinds]
    if asked_for and "include" not in without:
        body["include"] = [*body.get("include", ()), *asked_for]
    if isinstance(given.get("include"), list):
        given["include"] = [*dict.fromkeys([*body.get("include", ()), *given["include"]])]
    body.update(given)
    if request.output and "response_format" in without:
        words = schema_in_words(request.output.schema)
        body["instructions"] = "\n\n".join(filter(None, (body.get("instructions"), words)))
    elif request.output:
        form = {"type": "json_schema", **json_schema(request.output)}
        # `text` may hold the person's own verbosity.
        body["text"] = {**loose_json.mapping(body.get("text")), "format": form}
    return body


def _tools(request: Request, without: Collection[str], runs: Collection[str], *, named: bool) -> dict[str, Any]:
    """Return the tools and the choice of them; `named` to name those that the history calls where none are offered."""
    # What the service `runs` itself is its own; its files and sessions are in a container that it makes.
    own = [{"type": tool.service, "container": {"type": "auto"}} for tool in request.tools if tool.service in runs]
    ours = [_tool(tool) for tool in request.tools if tool.service not in runs]
    tools: list[Any] = [*ours, *own, *loose_json.listing(request.parameters.get("tools"))]
    choice = request.tool_choice
    calls = [
        sendable_name(call.name)
        for message in request.messages
        for call in message.tool_calls
        if call.kind != "approval"
    ]
    if named and calls and not tools:
        empty: Mapping[str, Any] = {"type": "object", "properties": {}}
        tools = [_tool(ToolSpec(name, _GONE, empty)) for name in dict.fromkeys(map(sendable_name, calls))]
        choice = "none"
    if not tools:
        return {}
    if "strict" in without:
        tools = [{name: value for name, value in tool.items() if name != "strict"} for tool in tools]
    chosen = {} if choice == "auto" or "tool_choice" in without else {"tool_choice": choice}
    return {"tools": tools, **chosen}


def _reasoning(request: Request, *, hosted: bool, summary: bool) -> dict[str, Any]:
    asked = {"effort": request.reasoning} if request.reasoning else {}
    told = {"summary": "auto"} if summary and (asked or (hosted and reasons(request.model))) else {}
    return {**asked, **told}


def _tool(tool: ToolSpec) -> dict[str, Any]:
    if tool.kind == "custom":
        form = {"format": dict(tool.parameters)} if tool.parameters else {}
        return {"type": "custom", "name": tool.name, "description": tool.description, **form}
    # Said in any case: the endpoint's own choice would be strict, which most schemas are not.
    return {"type": "function", **function(tool), "strict": tool.strict}
