"""From what pydantic finds wrong to the hosted service's words for it, and the reading of queries."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar, cast

from pydantic import ValidationError
from starlette.datastructures import QueryParams

from ..store.queries import PageQuery
from ..text import IDENTIFIER
from .bodies import Body
from .errors import ApiError, unsupported
from .field_checks import TAKEN

B = TypeVar("B", bound=Body)

_INCLUDE = "step_details.tool_calls[*].file_search.results[*].content"
_NO_PLACE = re.compile(r"\[key\]|str|list\[.*\]")
_EXPECTED = {
    "string_type": "a string",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a decimal",
    "bool_type": "a boolean",
    "list_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}


def check_body(kind: type[B], value: Any, *, taken: Sequence[str] = ()) -> B:
    """Return `value`, parsed from JSON, as a body of that kind.

    `taken` names those of the hosted service's tools that may stand in it; others are an error.

    Raises
    ------
    ApiError
        Of status 400, for the first thing that is wrong; it names the parameter.
    """
    try:
        return kind.model_validate(value, context={TAKEN: taken})
    except ValidationError as error:
        # The first only, as the service told one mistake at a time.
        raise _explain(cast("dict[str, Any]", error.errors(include_url=False)[0])) from error


def check_page(query: QueryParams, *further: str, usual: int = 20, most: int = 100) -> PageQuery:
    """Return the cursor paging that `query` asks for; `further` names what else may stand in it.

    `usual` and `most` are the default and the greatest length of a page.

    Raises
    ------
    ApiError
        Of status 400, which names the parameter.
    """
    check_query(query, "limit", "order", "after", "before", *further)
    limit, order = query.get("limit", str(usual)), query.get("order", "desc")
    # `isdigit` takes digits of other scripts, too, and `int` refuses numbers of thousands of digits.
    if not (limit.isascii() and limit.isdigit() and len(limit) < 9):
        raise ApiError(
            f"Invalid type for 'limit': expected an integer, but got '{limit}' instead.",
            param="limit",
            code="invalid_type",
        )
    if not 1 <= int(limit) <= most:
        side: Literal["above", "below"] = "below" if int(limit) < 1 else "above"
        raise _outside(side)("limit", {"ge": 1, "le": most}, int(limit))
    if order not in ("asc", "desc"):
        raise _wrong_word("order", order, ("asc", "desc"))
    cursors = {name: query.get(name) or None for name in ("after", "before")}
    for name, cursor in cursors.items():
        if cursor is not None and not IDENTIFIER.fullmatch(cursor):
            raise ApiError(f"Invalid '{name}': this is no id.", param=name, code="invalid_value")
    return PageQuery(int(limit), cast(Literal["asc", "desc"], order), **cursors)


def check_query(query: QueryParams, *known: str) -> None:
    """Refuse a parameter that is none of those known; `include[]` may ask only for what there can't be.

    Raises
    ------
    ApiError
        Of status 400, which names the parameter.
    """
    for name, value in query.multi_items():
        if name in ("include[]", "include") and "include[]" in known:
            if value != _INCLUDE:
                raise _wrong_word("include[]", value, (_INCLUDE,))
        # What Azure's clients add to every request, also where their `base_url` is this server's.
        elif name not in known and name != "api-version":
            raise ApiError(f"Unknown query parameter: '{name}'.", param=name, code="unknown_parameter")


def wants_found(query: QueryParams) -> bool:
    """Return whether a client asks, by `include[]`, for the texts that a file search found."""
    return any(name in ("include[]", "include") for name, _ in query.multi_items())


def json_type(value: Any) -> str:
    """Return what a value is, in JSON's words, with its article."""
    if value is None:
        return "null"
    # By the very type: a bool is an int in Python, and none in JSON.
    kinds = {bool: "a boolean", int: "an integer", float: "a decimal", str: "a string", list: "an array"}
    return kinds.get(type(value), "an object")


def _explain(error: dict[str, Any]) -> ApiError:
    param = _path(error["loc"])
    # pydantic's own types of errors, and ours from `field_checks`; its words are for Python, not for a client.
    explain = _EXPLANATIONS.get(error["type"])
    if explain is not None:
        return explain(param, error.get("ctx") or {}, error.get("input"))
    if error["type"] in _EXPECTED:
        return _wrong_type(param, _EXPECTED[error["type"]], error.get("input"))
    words = str(error["msg"]).removeprefix("Value error, ")
    return ApiError(f"Invalid '{param}': {words}." if param else f"{words}.", param=param or None, code="invalid_value")


def _path(loc: Sequence[int | str]) -> str:
    path = ""
    for item in loc:
        # pydantic's own words for a key of an object and for the members of a union, which are no place in the body.
        if isinstance(item, str) and _NO_PLACE.fullmatch(item):
            continue
        path += f"[{item}]" if isinstance(item, int) else f".{item}" if path else item
    return path


def _wrong_type(param: str, expected: str, value: Any) -> ApiError:
    where = f" for '{param}'" if param else ""
    return ApiError(
        f"Invalid type{where}: expected {expected}, but got {json_type(value)} instead.",
        param=param or None,
        code="invalid_type",
    )


def _wrong_word(param: str, value: Any, supported: Sequence[str]) -> ApiError:
    words = [f"'{word}'" for word in supported]
    listed = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
    return ApiError(f"Invalid value: '{value}'. Supported values are: {listed}.", param=param, code="invalid_value")


def _missing(param: str) -> ApiError:
    return ApiError(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")


def _outside(side: Literal["above", "below"]) -> Callable[[str, Mapping[str, Any], Any], ApiError]:
    def explain(param: str, context: Mapping[str, Any], value: Any) -> ApiError:
        kind = "integer" if isinstance(value, int) else "decimal"
        bound, sign = ("maximum", "<=") if side == "above" else ("minimum", ">=")
        limit = context["le" if side == "above" else "ge"]
        return ApiError(
            f"Invalid '{param}': {kind} {side} {bound} value. "
            f"Expected a value {sign} {limit:.16g}, but got {value} instead.",
            param=param,
            code=f"{kind}_{side}_{bound[:3]}_value",
        )

    return explain


def _too_long(unit: str) -> Callable[[str, Mapping[str, Any], Any], ApiError]:
    kind = "string" if unit == "length" else "array"

    def explain(param: str, context: Mapping[str, Any], value: Any) -> ApiError:
        return ApiError(
            f"Invalid '{param}': {kind} too long. Expected {'a string' if kind == 'string' else 'an array'} with "
            f"maximum length {context['max_length']}, but got one with length {len(value)} instead.",
            param=param,
            code=f"{kind}_above_max_length",
        )

    return explain


_EXPLANATIONS: dict[str, Callable[[str, Mapping[str, Any], Any], ApiError]] = {
    "missing": lambda param, _, __: _missing(param),
    "missing_part": lambda param, context, _: _missing(f"{param}.{context['name']}" if param else context["name"]),
    "extra_forbidden": lambda param, _, __: ApiError(
        f"Unknown parameter: '{param}'.", param=param, code="unknown_parameter"
    ),
    # pydantic keeps the words only as one text: "'a', 'b' or 'c'".
    "literal_error": lambda param, context, value: _wrong_word(
        param, value, [word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")]
    ),
    "word": lambda param, context, _: _wrong_word(param, context["value"], context["supported"]),
    "shape": lambda param, context, _: _wrong_type(param, context["expected"], context["got"]),
    "not_here": lambda param, context, _: unsupported(param, context["name"]),
    "unfit": lambda param, context, _: ApiError(
        f"Invalid '{f'{param}.' if param else ''}{context['name']}': {context['why']}.",
        param=f"{f'{param}.' if param else ''}{context['name']}",
        code="invalid_value",
    ),
    "less_than_equal": _outside("above"),
    "greater_than_equal": _outside("below"),
    "string_too_long": _too_long("length"),
    "too_long": _too_long("items"),
    "too_short": lambda param, context, _: ApiError(
        f"Invalid '{param}': empty array. Expected an array with minimum length {context['min_length']}, but got an "
        "empty array instead.",
        param=param,
        code="empty_array",
    ),
    "too_many_pairs": lambda param, context, _: ApiError(
        f"Invalid '{param}': too many properties. Expected an object with at most 16 properties, but got an object "
        f"with {context['actual']} properties instead.",
        param=param,
        code="object_above_max_properties",
    ),
    "string_pattern_mismatch": lambda param, context, value: ApiError(
        f"Invalid '{param}': string does not match pattern. Expected a string that matches the pattern "
        f"'{context['pattern']}'.",
        param=param,
        code="invalid_value",
    ),
    "pattern": lambda param, context, _: ApiError(
        f"Invalid '{param}.{context['field']}': string does not match pattern. Expected a string that matches the "
        f"pattern '{context['pattern']}'.",
        param=f"{param}.{context['field']}",
        code="invalid_value",
    ),
}
