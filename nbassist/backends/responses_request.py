"""The body of a request to Responses."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal, TypeAlias

from ..messages import Message, Request, ToolSpec
from . import reading
from .abilities import reasons
from .contents import function, json_schema
from .responses_items import input_items

History: TypeAlias = Literal["previous", "conversation", "ours"]
"""Who keeps the conversation: the service behind the id of its last response, the service as a conversation, or we."""
_ENCRYPTED = "reasoning.encrypted_content"


def build_responses_request(
    request: Request,
    *,
    history: History = "ours",
    conversation: str = "",
    without: Collection[str] = (),
    hosted: bool = False,
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
        What this endpoint refused: "include", "summary", "store", "items".
    hosted : bool
        Whether this is the hosted service, which tells the reasoning of its models in summaries.
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
        held = request.new if request.cursor.get("conversation_id") == conversation else request.messages
    elif history == "ours" and "store" not in without and not given.get("background"):
        body["store"] = False  # what runs in the background is stored, or could not be read on
    if history == "ours" and reasons(request.model) and "include" not in without:
        body["include"] = [_ENCRYPTED]
    body["input"] = input_items(held, model=request.model, calls=request.messages, keep="items" not in without)
    if reasoning := _reasoning(request, hosted=hosted, summary="summary" not in without):
        body["reasoning"] = reasoning
    tools = [*map(_tool, request.tools), *reading.listing(request.parameters.get("tools"))]
    if tools:
        body["tools"] = tools
        if request.tool_choice != "auto":
            body["tool_choice"] = request.tool_choice
    if isinstance(given.get("include"), list):
        given["include"] = [*dict.fromkeys([*body.get("include", ()), *given["include"]])]
    body.update(given)
    if request.output:
        form = {"type": "json_schema", **json_schema(request.output)}
        body["text"] = {**reading.mapping(body.get("text")), "format": form}
    return body


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
