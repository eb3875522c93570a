"""The rules of the providers: each yields what is wrong with a request, and an empty text for what is right."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from itertools import pairwise
from typing import Any

from stage import Json, Rule, Said

_PLAIN = {"role", "content", "tool_calls", "tool_call_id", "name"}
_CALL = {"id", "type", "function"}


def _of(body: Json, role: str) -> list[tuple[int, Json]]:
    return [(number, message) for number, message in enumerate(body["messages"]) if message["role"] == role]


def _calls(body: Json) -> list[Json]:
    return [call for _, message in _of(body, "assistant") for call in message.get("tool_calls") or ()]


def _arguments(body: Json, said: list[Said]) -> Iterator[str]:
    for call in _calls(body):
        try:
            value = json.loads(call["function"]["arguments"], parse_constant=_no_constant)
        except (TypeError, ValueError) as error:
            yield f"Failed to parse tool call arguments as JSON: {error}"
        else:
            yield "" if isinstance(value, dict) else "Tool call arguments must be a JSON object"


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


ARGUMENTS = Rule("arguments", _arguments)


def _answered(body: Json, said: list[Said]) -> Iterator[str]:
    """Each call is answered once, in the messages right behind it; no other message is between, and none is left."""
    waiting: list[str] = []
    for message in body["messages"]:
        if message["role"] == "tool":
            known = message.get("tool_call_id") in waiting
            yield "" if known else f"tool_call_id {message.get('tool_call_id')!r} answers no call"
            waiting = [one for one in waiting if one != message.get("tool_call_id")]
            continue
        if waiting:
            yield f"An assistant message with 'tool_calls' must be followed by tool messages: {waiting} are missing"
        waiting = [call["id"] for call in message.get("tool_calls") or ()]


ANSWERED = Rule("answered", _answered)


def _not_empty(body: Json, said: list[Said]) -> Iterator[str]:
    for _, message in _of(body, "assistant"):
        yield "" if message.get("content") or message.get("tool_calls") else "all messages must have non-empty content"


NOT_EMPTY = Rule("no empty message", _not_empty)


def ids(pattern: str, words: str, refuses: bool = True) -> Rule:
    """Ids of calls, each used once."""

    def look(body: Json, said: list[Said]) -> Iterator[str]:
        seen: set[str] = set()
        for call in _calls(body):
            if call["id"] in seen:
                yield f"Duplicate value for 'tool_call_id': {call['id']}"
            seen.add(call["id"])
            yield "" if re.fullmatch(pattern, call["id"]) else words

    return Rule("ids", look, refuses)


def fields(
    words: str, own: Collection[str] = (), of_calls: Collection[str] = (), parts: bool = False, refuses: bool = True
) -> Rule:
    """Nothing in the messages but what the protocol and this provider have; `words` names what there is too much."""

    def look(body: Json, said: list[Said]) -> Iterator[str]:
        for number, message in enumerate(body["messages"]):
            allowed = _PLAIN | set(own) if message["role"] == "assistant" else _PLAIN
            extra = sorted(set(message) - allowed)
            yield words.format(number=number, name=extra[0]) if extra else ""
            for call in message.get("tool_calls") or ():
                extra = sorted(set(call) - _CALL - set(of_calls))
                yield words.format(number=number, name=extra[0]) if extra else ""
            kinds = {part["type"] for part in message["content"]} if isinstance(message.get("content"), list) else set()
            if message["role"] == "assistant" and kinds - {"text"} and not parts:
                yield f"Invalid value: messages[{number}].content has parts of type {kinds}"

    return Rule("nothing foreign", look, refuses)


def refused(words: str, *names: str, strict: bool = True, mixed: bool = True) -> Rule:
    """Fields of a request that are not known here; `strict` is taken, `mixed` among tools that are not."""

    def look(body: Json, said: list[Said]) -> Iterator[str]:
        found = [name for name in names if name in body]
        flags = [bool(tool["function"].get("strict")) for tool in body.get("tools") or ()]
        named = any("strict" in tool["function"] for tool in body.get("tools") or ())
        yield words.format(name=found[0]) if found else ""
        if not strict:
            yield words.format(name="tools[0].function.strict") if named else ""
        if not mixed:
            yield "Tools with mixed values for 'strict' are not allowed" if any(flags) and not all(flags) else ""

    return Rule("fields", look)


def _own(body: Json, said: list[Said]) -> Iterator[tuple[int, Json, Said | None]]:
    """Yield each message of the assistant with what was said here, in its order; None for what another said.

    Kimi's ids begin anew in each turn, so they tell whose a call is, and the order which.
    """
    left = [one for one in said if one.text or one.calls]
    for number, message in _of(body, "assistant"):
        ids = [call["id"] for call in message.get("tool_calls") or ()]
        found = None
        for one in left:
            counted = bool(ids and one.calls) and all(i.startswith("functions.") for i in (*ids, *one.calls))
            if (ids and (counted or set(ids) == set(one.calls))) or (
                not ids and one.text and one.text in json.dumps(message["content"])
            ):
                found = one
                left.remove(one)
                break
        yield number, message, found


def _gist(value: Any) -> Any:
    """Return what counts of details that may come back in pieces as they came, or put together."""
    if not isinstance(value, list):
        return value
    return ["".join(str(part.get(name) or "") for part in value) for name in ("text", "signature", "data")]


def gave_back(
    words: str, fields: Collection[str], needed: str = "", with_calls: bool = False, refuses: bool = True
) -> Rule:
    """What this provider sent stands where it came with; `needed` is a field that others' messages carry as well."""

    def look(body: Json, said: list[Said]) -> Iterator[str]:
        for number, message, mine in _own(body, said):
            if mine is not None:
                for name in fields:
                    right = _gist(message.get(name)) == _gist(mine.state.get(name))
                    yield "" if right else words.format(number=number, name=name)
                for call in message.get("tool_calls") or ():
                    for name, value in mine.beside.get(call["id"], {}).items():
                        yield "" if call.get(name) == value else words.format(number=number, name=name)
            elif needed and (message.get("tool_calls") or not with_calls):
                yield "" if message.get(needed) else words.format(number=number, name=needed)

    return Rule("own state back", look, refuses)


def _signed(body: Json, said: list[Said]) -> Iterator[str]:
    """Gemini: each turn of calls begins with a signed one, its own with its own signature."""
    for _, message, mine in _own(body, said):
        for number, call in enumerate(message.get("tool_calls") or ()):
            signature = ((call.get("extra_content") or {}).get("google") or {}).get("thought_signature", "")
            wanted = mine.beside.get(call["id"], {}) if mine else {}
            if wanted:
                right = call.get("extra_content") == wanted["extra_content"]
            else:
                right = bool(signature) or number > 0 or mine is not None
            yield "" if right else "Function call is missing a thought_signature in functionCall parts."


SIGNED = Rule("own state back", _signed)


def _order(body: Json, said: list[Said]) -> Iterator[str]:
    roles = [message["role"] for message in body["messages"]]
    for before, role in pairwise(roles):
        yield "Unexpected role 'user' after role 'tool'" if (before, role) == ("tool", "user") else ""


ORDER = Rule("order", _order)


def _named(body: Json, said: list[Said]) -> Iterator[str]:
    if _calls(body):
        offered = {tool["function"]["name"] for tool in body.get("tools") or ()}
        words = "Bedrock doesn't support tool calling without `tools=` param specified for messages with tool calls"
        yield "" if offered >= {call["function"]["name"] for call in _calls(body)} else words


NAMED = Rule("tools named", _named)


def _items(body: Json, said: list[Said]) -> Iterator[str]:
    """Responses: calls and outputs in pairs, ids used once, and no reasoning of another endpoint."""
    calls = [item["call_id"] for item in body["input"] if item.get("type") == "function_call"]
    outputs = [item["call_id"] for item in body["input"] if item.get("type") == "function_call_output"]
    yield "" if len(calls) == len(set(calls)) else f"Duplicate item found with call_id {calls}"
    yield (
        ""
        if sorted(calls) == sorted(outputs)
        else f"No tool output found for function call {set(calls) ^ set(outputs)}"
    )


def _item_arguments(body: Json, said: list[Said]) -> Iterator[str]:
    for item in body["input"]:
        if item.get("type") == "function_call":
            try:
                yield "" if isinstance(json.loads(item["arguments"]), dict) else "arguments must be an object"
            except ValueError as error:
                yield f"Invalid arguments: {error}"


def _item_state(body: Json, said: list[Said]) -> Iterator[str]:
    """Encrypted reasoning comes back as it was, before its calls."""
    sent = {state["encrypted_content"]: state for one in said for state in one.state.get("items", ())}
    found = [item for item in body["input"] if item.get("type") == "reasoning"]
    for item in found:
        mine = sent.get(item.get("encrypted_content"), {})
        yield "" if mine.get("id") == item.get("id") else "Encrypted content could not be verified"
    called = [item["call_id"] for item in body["input"] if item.get("type") == "function_call"]
    turns = [one for one in said if set(one.calls) & set(called)]
    yield "" if len(found) >= len(turns) else "function_call was provided without its required reasoning item"


def _phases(body: Json, said: list[Said]) -> Iterator[str]:
    for item in body["input"]:
        for one in said:
            if item.get("type") == "message" and one.text and one.text in json.dumps(item):
                yield "" if item.get("phase") == one.state["phase"] else "message item without its phase"


def _items_not_empty(body: Json, said: list[Said]) -> Iterator[str]:
    for item in body["input"]:
        if item.get("type") == "message":
            yield "" if "".join(part.get("text", "") for part in item["content"]).strip() else "empty message"


ITEMS = (
    Rule("arguments", _item_arguments),
    Rule("answered", _items),
    Rule("no empty message", _items_not_empty),
    Rule("own state back", _item_state),
    Rule("own state back", _phases, refuses=False),  # without it the model does worse, and nothing is said
)
