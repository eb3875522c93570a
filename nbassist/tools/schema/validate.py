"""From the JSON text that a model wrote to arguments, or to `Mistakes` in words that the model can act on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from .argument_errors import Mistakes
from .for_model import takes_null
from .signature import Parameters

_BRANCHES = frozenset({"int", "str", "float", "bool", "none", "dict", "list"})
_SHOWN = 60  # characters of a wrong value that are shown back


def read_arguments(parameters: Parameters, text: str) -> dict[str, Any] | Mistakes:
    """Read a model's arguments.

    Parameters
    ----------
    parameters : Parameters
        Of the function.
    text : str
        As the model wrote it. Empty and ``null`` stand for no arguments; an object inside a JSON string, which some
        models write, is read.

    Returns
    -------
    dict or Mistakes
        The arguments by name, converted to the types of the function, without those that the model left out and the
        function has a default for.
    """
    data = read_object(text)
    if isinstance(data, Mistakes):
        return data
    # Left out of both, so that the function's own default holds.
    defaulted = [name for name, value in data.items() if value is None and _is_null_for_default(parameters, name)]
    if defaulted:
        data = {name: value for name, value in data.items() if name not in defaulted}
        text = json.dumps(data)
    try:
        checked = _check(parameters, text, data)
    except ValidationError as error:
        return Mistakes(_in_words(error, data, parameters))
    except Exception as error:  # noqa: BLE001 - a validator of the person's own
        return Mistakes((f"{type(error).__name__}: {error}",))
    return {
        name: getattr(checked, field)
        for name, field in parameters.fields.items()
        if field in checked.model_fields_set or name in parameters.filled
    }


def read_object(text: str) -> dict[str, Any] | Mistakes:
    """Read JSON text as one object; empty and ``null`` are an empty one, an object inside a JSON string is read."""
    text = text.strip()
    if text in ("", "null"):
        return {}
    try:
        data = json.loads(text)
        # Some models write the object once more as a JSON string.
        if isinstance(data, str):
            data = json.loads(data)
    except json.JSONDecodeError as error:
        return Mistakes((f"not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}{_near(error)}",))
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, thousands of brackets
        return Mistakes((f"not valid JSON: {str(error).splitlines()[0]}",))
    if not isinstance(data, dict):
        return Mistakes((f"the arguments must be one JSON object, not {_said(data)}",))
    return data


def _is_null_for_default(parameters: Parameters, name: str) -> bool:
    """Whether a null stands for a parameter left out, as a strict schema has it; one that takes None gets it."""
    schema = parameters.schema["properties"].get(name)
    if schema is None or name in parameters.schema.get("required", ()):
        return False
    return not takes_null(schema, parameters.schema.get("$defs", {}))


def _near(error: json.JSONDecodeError) -> str:
    rest = error.doc[error.pos : error.pos + 20]
    return f", before {rest!r}" if rest else ", at the end of the text"


def _check(parameters: Parameters, text: str, data: dict[str, Any]) -> BaseModel:
    """Validate by the rules for JSON (a date is a string); what only Python's reader takes, by those for Python."""
    try:
        return parameters.model.model_validate_json(text, context=parameters.namespace)
    except ValidationError as error:
        if not any(
            mistake["type"] in ("json_invalid", "model_type") and not mistake["loc"] for mistake in error.errors()
        ):
            raise
    # Python's `json` takes NaN and doubled strings, which pydantic's own reader does not.
    return parameters.model.model_validate(data, context=parameters.namespace)


def _in_words(error: ValidationError, data: Any, parameters: Parameters) -> tuple[str, ...]:
    grouped: dict[str, list[str]] = {}
    order = {name: place for place, name in enumerate(parameters.fields)}
    mistakes = error.errors(include_url=False, include_context=False)
    # As the signature has them, and what it does not know last: pydantic's own order differs between its versions.
    mistakes.sort(key=lambda mistake: order.get(str(mistake["loc"][0]), len(order)) if mistake["loc"] else -1)
    for mistake in mistakes:
        path, value = _locate(mistake["loc"], data)
        if mistake["type"] == "missing":
            said = f"missing: {path}{_kind_of(parameters, mistake['loc'])}"
        elif mistake["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            said = f"unknown: {path}{_nearest(mistake['loc'], parameters)}"
        else:
            grouped.setdefault(f"{path}\0{_said(value)}", []).append(_lower(mistake["msg"]))
            continue
        grouped.setdefault(said, [])
    lines = []
    for key, messages in grouped.items():
        path, _, value = key.partition("\0")
        lines.append(f"{path}: {', or '.join(dict.fromkeys(messages))} (got {value})" if messages else key)
    return tuple(lines)


def _locate(loc: Sequence[int | str], data: Any) -> tuple[str, Any]:
    """Follow a place in the data, leaving out the names of union branches that pydantic puts between."""
    path, value = "", data
    for index, step in enumerate(loc):
        inside, item = _item(value, step)
        if inside:
            value = item
        elif not _is_key(loc, index, value):
            continue
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path or "arguments", value


def _item(value: Any, step: int | str) -> tuple[bool, Any]:
    if isinstance(value, dict) and step in value:
        return True, value[step]
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return True, value[step]
    return False, None


def _is_key(loc: Sequence[int | str], index: int, value: Any) -> bool:
    """Whether a step that is not in the data is a key that is missing there, not the name of a union's branch."""
    step = loc[index]
    if index != len(loc) - 1 or not isinstance(value, dict) or not isinstance(step, str):
        return False
    return index == 0 or (step.isidentifier() and step not in _BRANCHES)


def _kind_of(parameters: Parameters, loc: Sequence[int | str]) -> str:
    if len(loc) != 1:
        return ""
    said: Mapping[str, Any] = parameters.schema["properties"].get(loc[0], {})
    kind = said.get("type")
    return f" ({kind}, required)" if isinstance(kind, str) else " (required)"


def _nearest(loc: Sequence[int | str], parameters: Parameters) -> str:
    if len(loc) != 1:
        return ""
    known = list(parameters.fields)
    near = get_close_matches(str(loc[0]), known, n=1)
    if near:
        return f" (did you mean {near[0]}?)"
    return f" (known: {', '.join(known)})" if known else " (the tool takes no arguments)"


def _lower(text: str) -> str:
    text = text.removeprefix("Value error, ").removeprefix("Input ").removesuffix(".")
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def _said(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
