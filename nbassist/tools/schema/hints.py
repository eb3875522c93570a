"""Types as pydantic takes them: what JSON can't say is made of what it can, or asked for by a variable's name."""

from __future__ import annotations

import types
import typing
import warnings
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Union

import typing_extensions
from pydantic import PydanticUserError, TypeAdapter
from pydantic.errors import PydanticUndefinedAnnotation

from ...errors import ToolError
from .from_json import is_v1, made_of_json
from .variables import NamedVariable

_MARKS = (typing.Required, typing.NotRequired, typing_extensions.Required, typing_extensions.NotRequired)


class UnresolvedError(ToolError):
    """An annotation names something that is not defined (yet)."""


def usable(hint: Any, parameter: str, name: str) -> Any:
    """Return the hint as pydantic takes it: classes that JSON can't give become the names of variables."""
    if has_schema(hint):
        return hint
    hint = by_variable(hint)
    if not has_schema(hint):
        raise ToolError(f"{name}: a model can't write a {_type_name(hint)}, the type of {parameter}")
    return hint


def has_schema(hint: Any) -> bool:
    if is_v1(hint):
        return False
    try:
        with warnings.catch_warnings():  # about models of pydantic.v1 inside the hint, which are mended
            warnings.simplefilter("ignore", UserWarning)
            TypeAdapter(hint).json_schema()
    except PydanticUndefinedAnnotation as error:
        raise UnresolvedError(f"{_type_name(hint)} names {error.name!r}, which is not defined") from error
    except (PydanticUserError, TypeError):
        return False
    return True


def by_variable(hint: Any) -> Any:
    """Return the hint with what JSON can't say made of what it can, or else asked for by the name of a variable."""
    if typing.is_typeddict(hint):
        return _typed_dict(hint, by_variable)
    if (made := _made_of_json(hint)) is not None:
        return made
    if isinstance(hint, type) and typing.get_origin(hint) is None:
        return hint if has_schema(hint) else Annotated[hint, NamedVariable(hint)]
    return _with_inner(hint, by_variable)


def with_typed_dicts(hint: Any) -> Any:
    """Return the hint with each TypedDict in it as pydantic takes it: before Python 3.12 it refuses those of typing."""
    return _typed_dict(hint, with_typed_dicts) if typing.is_typeddict(hint) else _with_inner(hint, with_typed_dicts)


def _with_inner(hint: Any, change: Callable[[Any], Any]) -> Any:
    """Return the hint with the types that it is made of changed."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return Annotated[(change(args[0]), *hint.__metadata__)]
    if origin in (Union, types.UnionType):
        return Union[tuple(change(arg) for arg in args)]  # noqa: UP007 - built from a list
    if isinstance(origin, type) and issubclass(origin, Iterable) and args:
        return origin[tuple(arg if arg is Ellipsis else change(arg) for arg in args)]  # type: ignore[index]
    return hint


def _made_of_json(hint: Any) -> Any:
    try:
        made = None if has_schema(hint) else made_of_json(hint, by_variable)
        return made if made is None or has_schema(made) else None
    except (PydanticUserError, TypeError, NameError):  # a field of it can't be said in JSON
        return None


def _typed_dict(hint: Any, change: Callable[[Any], Any]) -> Any:
    """Say it again with typing_extensions."""
    keys: dict[str, Any] = {}
    for key, value in typing.get_type_hints(hint, include_extras=True).items():
        mark = typing.get_origin(value)
        # Where annotations are texts, the class knows nothing of the marks in them.
        if mark in _MARKS:
            value = typing.get_args(value)[0]
        elif key in hint.__required_keys__:
            mark = typing_extensions.Required
        else:
            mark = typing_extensions.NotRequired
        keys[key] = mark[value if has_schema(value) else change(value)]
    return typing_extensions.TypedDict(hint.__name__, keys)  # type: ignore[operator]


def _type_name(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")
