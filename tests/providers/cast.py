"""The providers as they are played: how each speaks, what it holds a request to, and how it says no.

What is known of them is from public reports and their own references; no byte here was recorded at one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from rules import (
    ANSWERED,
    ARGUMENTS,
    ITEMS,
    NAMED,
    NOT_EMPTY,
    ORDER,
    SIGNED,
    fields,
    gave_back,
    ids,
    refused,
)
from stage import Json, Part, Said, delta, named, sse

_CITIES = ('{"city": "Paris"}', '{"city": "Rome"}')
_BROKEN = '{"city": "Ro"me"}'
_ANY = ids(r".+", "")


def _last_prompt(body: Json) -> str:
    history = body.get("messages") or body["input"]
    content = next(message["content"] for message in reversed(history) if message.get("role") == "user")
    return content if isinstance(content, str) else json.dumps(content)


def speaker(
    name: str,
    *,
    think: Callable[[str], tuple[list[Json], Json]] = lambda thought: ([], {}),
    call_id: Callable[[int, int], str] | None = None,
    beside: Callable[[int, int], Json] = lambda turn, number: {},
    whole: bool = False,
    malformed: bool = False,
    first: tuple[Json, ...] = (),
    ending: Callable[[str, Json], list[Json]] | None = None,
) -> Callable[[int, Json, bool], tuple[list[bytes], Said]]:
    """Return how a provider of Chat Completions speaks.

    Parameters
    ----------
    think : callable
        Returns the deltas of a thought, and what has to come back of it.
    call_id, beside : callable
        The id of a call and what stands beside it, by the turn and its number.
    whole : bool
        Whether a call comes in one piece.
    malformed : bool
        Whether the second call of each later cell is no JSON.
    first : tuple of dict
        Chunks before all others.
    ending : callable, optional
        Returns the last chunks, by the finish reason and the usage.
    """
    usage = {"prompt_tokens": 30, "completion_tokens": 10, "total_tokens": 40}
    named_id = call_id or (lambda turn, number: f"call_{name}_{turn}_{number}")

    def speak(turn: int, body: Json, calls: bool) -> tuple[list[bytes], Said]:
        thoughts, state = think(f"{name} thinks of turn {turn}")
        chunks = [*first, *(delta(**one) for one in thoughts)]
        said = Said(state=state)
        finish = "tool_calls" if calls else "stop"
        if _last_prompt(body).endswith("say nothing at all."):
            finish = "length"
        elif calls:
            said.calls = tuple(named_id(turn, number) for number in range(2))
            said.beside = {one: beside(turn, number) for number, one in enumerate(said.calls)}
            for number, one in enumerate(said.calls):
                source = _BROKEN if malformed and number and turn > 2 else _CITIES[number]
                function = {"name": "weather", "arguments": source if whole else ""}
                entry = {"index": number, "id": one, "type": "function", "function": function, **said.beside[one]}
                chunks.append(delta(tool_calls=[entry]))
                if not whole:
                    halves = source[:9], source[9:]
                    chunks += [
                        delta(tool_calls=[{"index": number, "function": {"arguments": half}}]) for half in halves
                    ]
        else:
            said.text = f"{name} answers in turn {turn}."
            chunks += [delta(content=piece) for piece in (said.text[:7], said.text[7:])]
        last = ending(finish, usage) if ending else [delta(finish), {**delta(), "choices": [], "usage": usage}]
        return sse([*chunks, *last]), said

    return speak


def reasoning(field: str) -> Callable[[str], tuple[list[Json], Json]]:
    """Think under a field of the delta, in two pieces."""
    return lambda thought: ([{field: thought[:5]}, {field: thought[5:]}], {field: thought})


def _details(thought: str) -> tuple[list[Json], Json]:
    text = {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0}
    pieces = [{**text, "text": thought[:5]}, {**text, "text": thought[5:]}, {**text, "text": "", "signature": "c2ln"}]
    hidden = {"type": "reasoning.encrypted", "data": "gAAAA", "index": 1}
    whole = [{**text, "text": thought, "signature": "c2ln"}, hidden]
    deltas = [{"reasoning": piece["text"], "reasoning_details": [piece]} for piece in pieces]
    return [*deltas, {"reasoning_details": [hidden]}], {"reasoning_details": whole, "reasoning": thought}


def _parts(thought: str) -> tuple[list[Json], Json]:
    return [{"content": [{"type": "thinking", "thinking": [{"type": "text", "text": thought}]}]}], {}


def _kimi_end(finish: str, usage: Json) -> list[Json]:
    last = delta(finish)
    last["choices"][0]["usage"] = {name: float(count) for name, count in usage.items()}
    return [last]


def error(status: int = 400, **extra: Any) -> Callable[[str], tuple[int, Any]]:
    """Say no as OpenAI does."""
    return lambda fault: (status, {"error": {"message": fault, "type": "invalid_request_error", **extra}})


def _detail(fault: str) -> tuple[int, Any]:
    found = [{"type": "extra_forbidden", "loc": ["body", *fault.split(".")], "msg": "Extra inputs are not permitted"}]
    return (
        (422, {"detail": found}) if "." in fault and " " not in fault else (400, {"object": "error", "message": fault})
    )


def _gemini_no(fault: str) -> tuple[int, Any]:
    return 400, [{"error": {"code": 400, "message": fault, "status": "INVALID_ARGUMENT"}}]


_COMMON = (ARGUMENTS, ANSWERED, NOT_EMPTY)
_UNKNOWN = "Unrecognized request argument supplied: {name}"
_GROQ = (
    "'messages.{number}' : for 'role:assistant' the following must be satisfied"
    "[('messages.{number}' : property '{name}' is unsupported)]"
)
_FILTER: Json = {
    "choices": [],
    "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}],
    "model": "",
}
_FORTY = ids(r".{1,40}", "Invalid 'messages[1].tool_calls[0].id': string too long, maximum length 40")
_NINE = ids(r"[a-zA-Z0-9]{9}", "Tool call id has to be a-z, A-Z, 0-9, with a length of 9: tool_call_id is wrong")
CHAT = "/chat/completions"


def _chat(name: str, row: str, speak: Any, rules: tuple[Any, ...], refuse: Any = error(), model: str = "m") -> Part:
    return Part(name, CHAT, "chat", row, (*_COMMON, *rules), speak, refuse, model)


def _responses(turn: int, body: Json, calls: bool) -> tuple[list[bytes], Said]:
    """Speak Responses: encrypted reasoning, then calls, or a message with a phase."""
    base: Json = {"id": f"resp_{turn}", "object": "response", "created_at": 1, "model": "m", "output": []}
    base |= {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    secret = {"type": "reasoning", "id": f"rs_{turn}", "summary": [], "encrypted_content": f"gAAAA{turn}"}
    said, items = Said(state={"items": [secret], "phase": "final_answer"}), [secret]
    if calls:
        said.calls = ("weather:0", "weather:1") if turn < 2 else (f"call_{turn}_0", f"call_{turn}_1")
        for one, source in zip(said.calls, _CITIES, strict=True):
            call = {"type": "function_call", "id": f"fc_{turn}{one}", "call_id": one, "name": "weather"}
            items.append({**call, "arguments": source, "status": "completed"})
    else:
        said.text = (
            "" if _last_prompt(body).endswith("say nothing at all.") else f"openai responses answers in turn {turn}."
        )
        content = [{"type": "output_text", "text": said.text, "annotations": []}]
        message = {"type": "message", "id": f"msg_{turn}", "role": "assistant", "phase": "final_answer"}
        items += [{**message, "status": "completed", "content": content}] if said.text else []
    details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 4}}
    usage = {"input_tokens": 30, "output_tokens": 10, "total_tokens": 40, **details}
    events = [{"type": "response.created", "response": {**base, "status": "in_progress"}}]
    for number, item in enumerate(items):
        events += _item_events(number, item)
    ended = {**base, "status": "completed", "output": items, "usage": usage}
    events.append({"type": "response.completed", "response": ended})
    return named({**event, "sequence_number": number} for number, event in enumerate(events)), said


def _item_events(index: int, item: Json) -> list[Json]:
    """Return the events of one output item as the hosted service sends them."""
    at = {"item_id": item["id"], "output_index": index}
    begun = {"content": []} if item["type"] == "message" else {"arguments": ""} if "arguments" in item else {}
    events: list[Json] = [{"type": "response.output_item.added", "output_index": index, "item": {**item, **begun}}]
    if item["type"] == "function_call":
        events.append({"type": "response.function_call_arguments.delta", **at, "delta": item["arguments"]})
        events.append({"type": "response.function_call_arguments.done", **at, "arguments": item["arguments"]})
    elif item["type"] == "message":
        text, part = item["content"][0]["text"], {"content_index": 0}
        empty = {"type": "output_text", "text": "", "annotations": []}
        events.append({"type": "response.content_part.added", **at, **part, "part": empty})
        events.append({"type": "response.output_text.delta", **at, **part, "delta": text, "logprobs": []})
        events.append({"type": "response.output_text.done", **at, **part, "text": text, "logprobs": []})
        events.append({"type": "response.content_part.done", **at, **part, "part": item["content"][0]})
    return [*events, {"type": "response.output_item.done", "output_index": index, "item": item}]


def _signature(turn: int, number: int) -> Json:
    return {"extra_content": {"google": {"thought_signature": f"c2lnbmVk{turn}"}}} if number == 0 else {}


PARTS: tuple[Part, ...] = (
    _chat(
        "OpenAI (Chat)",
        "openai",
        speaker("openai", call_id=lambda turn, number: f"call_{turn:011d}_{number:011d}"),
        (_FORTY, fields("Unknown parameter: 'messages[{number}].{name}'."), refused(_UNKNOWN)),
    ),
    Part("OpenAI (Responses)", "/responses", "responses", "openai", ITEMS, _responses, error()),
    _chat(
        "Azure",
        "azure",
        speaker("azure", first=(_FILTER,)),
        (_FORTY, fields("Unknown parameter: 'messages[{number}].{name}'."), refused(_UNKNOWN)),
    ),
    _chat(
        "Gemini",
        "gemini",
        speaker("gemini", whole=True, beside=_signature, call_id=lambda turn, n: f"function-call-{turn}{n}"),
        (
            _ANY,
            SIGNED,
            fields('Invalid JSON payload received. Unknown name "{name}"', of_calls=("extra_content",)),
        ),
        _gemini_no,
    ),
    _chat(
        "Mistral",
        "mistral",
        speaker("mistral", think=_parts, whole=True, call_id=lambda turn, number: f"abc{turn:04d}{number:02d}"),
        (
            _NINE,
            ORDER,
            fields("messages.{number}.assistant.{name}", parts=True),
            refused("{name}", "stream_options.include_usage", "stream_options"),
        ),
        _detail,
    ),
    _chat(
        "DeepSeek",
        "deepseek",
        speaker("deepseek", think=reasoning("reasoning_content")),
        (
            _ANY,
            gave_back(
                "The {name} in the thinking mode must be passed back to the API (index {number}).",
                ("reasoning_content",),
                needed="reasoning_content",
            ),
            fields("messages[{number}]: unknown field `{name}`", ("reasoning_content",), refuses=False),
        ),
    ),
    _chat(
        "Kimi",
        "kimi",
        speaker(
            "kimi",
            think=reasoning("reasoning_content"),
            call_id=lambda turn, number: f"functions.weather:{number}",
            ending=_kimi_end,
        ),
        (
            ids(r".+", "", refuses=False),  # it counts its own from 0 in each turn
            gave_back(
                "thinking is enabled but {name} is missing in assistant tool call message at index {number}",
                ("reasoning_content",),
                needed="reasoning_content",
                with_calls=True,
            ),
            fields("unknown field {name}", ("reasoning_content",), refuses=False),
        ),
    ),
    _chat(
        "OpenRouter",
        "openrouter",
        speaker("openrouter", think=_details),
        (
            _ANY,
            gave_back("reasoning_details of messages.{number} were changed", ("reasoning_details",)),
            fields("messages.{number}.{name}", ("reasoning_details", "reasoning"), refuses=False),
        ),
    ),
    _chat(
        "Groq",
        "groq",
        speaker("groq", think=lambda thought: (reasoning("reasoning")(thought)[0], {})),
        (_ANY, fields(_GROQ)),
    ),
    _chat(
        "Cerebras",
        "cerebras",
        speaker("cerebras", think=reasoning("reasoning")),
        (
            _ANY,
            gave_back("messages.{number}.assistant.{name} was changed", ("reasoning",), refuses=False),
            fields("messages.{number}.assistant.{name}: property is unsupported", ("reasoning",)),
            refused("property '{name}' is unsupported", mixed=False),
        ),
    ),
    _chat("Bedrock (gateway)", "", speaker("bedrock", whole=True), (_ANY, NAMED)),
    _chat(
        "Fireworks",
        "fireworks",
        speaker("fireworks", think=reasoning("reasoning_content")),
        (
            _ANY,
            gave_back("{name} of messages[{number}] was changed", ("reasoning_content",), refuses=False),
            fields("Extra inputs are not permitted, field: 'messages[{number}].{name}'", ("reasoning_content",)),
        ),
    ),
    _chat(
        "vLLM",
        "",
        speaker(
            "vllm", think=reasoning("reasoning"), malformed=True, call_id=lambda t, n: f"chatcmpl-tool-{t:024d}{n}"
        ),
        (
            _ANY,
            gave_back("{name} was changed", ("reasoning",), refuses=False),
            fields("messages[{number}].{name}", ("reasoning",), refuses=False),
        ),
    ),
    _chat("llama.cpp", "", speaker("llama.cpp", malformed=True), (_ANY,), error(500, code=500)),
)
