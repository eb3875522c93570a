"""Attributes of files in a vector store, and the filters over them.

Source: OpenAI's description of the API: at most 16 keys of up to 64 characters, whose values are a string of up to 512
characters, a number or a boolean; `{type: eq | ne | gt | gte | lt | lte | in | nin, key, value}`, and
`{type: and | or, filters: [...]}`, nested.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...api.errors import ApiError

_MOST_KEYS = 16
_LONGEST_KEY = 64
_LONGEST_VALUE = 512
_DEEPEST = 16
_MOST_FILTERS = 200
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda have, want: have == want,
    "gt": lambda have, want: have > want,
    "gte": lambda have, want: have >= want,
    "lt": lambda have, want: have < want,
    "lte": lambda have, want: have <= want,
}
_LISTS = ("in", "nin")
KINDS = ("eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "and", "or")


def check_attributes(value: Any, param: str = "attributes") -> dict[str, Any]:
    """Return attributes as they are kept; null stands for none.

    Raises
    ------
    ApiError
        Of status 400, which names the key.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong(param, "expected an object")
    if len(value) > _MOST_KEYS:
        raise _wrong(param, f"at most {_MOST_KEYS} keys, but got {len(value)}", "object_above_max_properties")
    for key, item in value.items():
        if len(key) > _LONGEST_KEY:
            raise _wrong(param, f"a key has at most {_LONGEST_KEY} characters", "string_above_max_length")
        if not isinstance(item, str | int | float | bool):
            raise _wrong(f"{param}.{key}", "expected a string, a number or a boolean", "invalid_type")
        if isinstance(item, str) and len(item) > _LONGEST_VALUE:
            raise _wrong(f"{param}.{key}", f"at most {_LONGEST_VALUE} characters", "string_above_max_length")
    return dict(value)


def check_filter(value: Any, param: str = "filters") -> dict[str, Any] | None:
    """Return a filter that `passes` can apply, None where there is none.

    Raises
    ------
    ApiError
        Of status 400, which names the part that is wrong.
    """
    if value is None:
        return None
    left = [_MOST_FILTERS]
    _check(value, param, 0, left)
    return dict(value)


def _check(value: Any, param: str, depth: int, left: list[int]) -> None:
    left[0] -= 1
    if depth > _DEEPEST or left[0] < 0:
        raise _wrong(param, f"at most {_MOST_FILTERS} filters, nested at most {_DEEPEST} deep")
    if not isinstance(value, dict):
        raise _wrong(param, "expected an object", "invalid_type")
    kind = value.get("type")
    if kind not in KINDS:
        listed = ", ".join(f"'{word}'" for word in KINDS)
        raise _wrong(f"{param}.type", f"'{kind}' is none of {listed}")
    if kind in ("and", "or"):
        inner = value.get("filters")
        if not isinstance(inner, list):
            raise _wrong(f"{param}.filters", "expected an array", "invalid_type")
        for index, item in enumerate(inner):
            _check(item, f"{param}.filters[{index}]", depth + 1, left)
        return
    if not isinstance(value.get("key"), str):
        raise _wrong(f"{param}.key", "expected a string", "invalid_type")
    wanted = value.get("value")
    if kind in _LISTS:
        if not isinstance(wanted, list) or not all(isinstance(item, str | int | float) for item in wanted):
            raise _wrong(f"{param}.value", "expected an array of strings or numbers", "invalid_type")
    elif not isinstance(wanted, str | int | float | bool):
        raise _wrong(f"{param}.value", "expected a string, a number or a boolean", "invalid_type")


def passes(attributes: Mapping[str, Any], filter_: Mapping[str, Any] | None) -> bool:
    """Return whether a file with these attributes passes a filter that `check_filter` took.

    A file without the key passes `ne` and `nin` alone; values of two types are different, and neither is greater.
    """
    if filter_ is None:
        return True
    kind: str = filter_["type"]
    if kind in ("and", "or"):
        found = (passes(attributes, inner) for inner in filter_["filters"])
        return all(found) if kind == "and" else any(found)
    wanted = filter_["value"]
    if filter_["key"] not in attributes:
        return kind in ("ne", "nin")
    have = attributes[filter_["key"]]
    if kind in _LISTS:
        among: bool = any(_same_type(have, item) and have == item for item in wanted)
        return among == (kind == "in")
    if kind == "ne":
        return not (_same_type(have, wanted) and have == wanted)
    return _same_type(have, wanted) and bool(_COMPARISONS[kind](have, wanted))


def _same_type(one: Any, other: Any) -> bool:
    # A bool is an int in Python, and none in JSON.
    return _kind(one) is _kind(other)


def _kind(value: Any) -> type:
    return bool if isinstance(value, bool) else float if isinstance(value, int | float) else str


def _wrong(param: str, why: str, code: str = "invalid_value") -> ApiError:
    return ApiError(f"Invalid '{param}': {why}.", param=param, code=code)
