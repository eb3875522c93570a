"""Types as pydantic takes them: what JSON can't say is made of what it can, or asked for by a variable's name."""

from __future__ import annotations

import types
import typing
import warnings
from typing import Annotated, Any, Union

import typing_extensions
from pydantic import PydanticUserError, TypeAdapter
from pydantic.errors import PydanticUndefinedAnnotation

from ...errors import ToolError
from .from_json import is_v1, made_of_json
from .variables import NamedVariable


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
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if typing.is_typeddict(hint):
        return _typed_dict(hint)
    if (made := _made_of_json(hint)) is not None:
        return made
    if isinstance(hint, type) and origin is None:
        return hint if has_schema(hint) else Annotated[hint, NamedVariable(hint)]
    if origin is Annotated:
        return Annotated[(by_variable(args[0]), *hint.__metadata__)]
    if origin in (Union, types.UnionType):
        return Union[tuple(by_variable(arg) for arg in args)]  # noqa: UP007 - built from a list
    if origin in (list, dict, tuple, set, frozenset):
        return origin[tuple(arg if arg is Ellipsis else by_variable(arg) for arg in args)]
    return hint


def _made_of_json(hint: Any) -> Any:
    try:
        made = None if has_schema(hint) else made_of_json(hint, by_variable)
        return made if made is None or has_schema(made) else None
    except (PydanticUserError, TypeError, NameError):  # a field of it can't be said in JSON
        return None


def _typed_dict(hint: Any) -> Any:
    """Say it again with typing_extensions: before Python 3.12 pydantic takes no other."""
    hints = typing.get_type_hints(hint, include_extras=True)
    keys = {
        key: (typing_extensions.Required if key in hint.__required_keys__ else typing_extensions.NotRequired)[
            value if has_schema(value) else by_variable(value)
        ]
        for key, value in hints.items()
    }
    return typing_extensions.TypedDict(hint.__name__, keys)  # type: ignore[operator]


def _type_name(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")
