"""From a function's signature to a JSON schema for the model and a pydantic model that checks its arguments."""

from __future__ import annotations

import inspect
import json
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PydanticUserError, create_model
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from ...errors import ToolError
from .docstrings import read
from .for_model import json_schema, untitled
from .hints import UnresolvedError, usable

_Kind = inspect.Parameter


@dataclass(frozen=True)
class Parameters:
    """What a function takes.

    Parameters
    ----------
    schema : dict
        JSON schema of type object, for the model.
    model : pydantic model class
        It checks the arguments; its fields have the names of `fields`, their aliases are those of the function.
    fields : mapping of str to str
        Parameter to field, in the function's order.
    positional : mapping of str to object
        Parameters that the function takes by position only, with the default of each; `inspect.Parameter.empty` for
        none.
    filled : frozenset of str
        Parameters whose default is in pydantic's `Field`: the function can't find it there, and so is always given a
        value.
    namespace : mapping
        Where the function finds its globals; a parameter that takes a variable's name looks it up here.
    """

    schema: dict[str, Any]
    model: type[BaseModel]
    fields: Mapping[str, str]
    positional: Mapping[str, Any] = field(default_factory=dict)
    filled: frozenset[str] = frozenset()
    namespace: Mapping[str, Any] = field(default_factory=dict)


def describe(function: Callable[..., Any], name: str) -> Parameters:
    """Describe what a function takes.

    Raises
    ------
    ToolError
        Where it has no signature, takes ``*args`` or ``**kwargs``, or a parameter has a type that JSON can't give.
    UnresolvedError
        Where an annotation names what is not defined.
    """
    _refuse_methods(function, name)
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        raise ToolError(f"{name} does not tell its signature: write a def that calls it") from None
    scope = _Scope.of(function)
    documented = read(function).parameters
    fields: dict[str, Any] = {}
    names: dict[str, str] = {}
    for index, parameter in enumerate(parameters):
        if parameter.kind in (_Kind.VAR_POSITIONAL, _Kind.VAR_KEYWORD):
            stars = "*" if parameter.kind is _Kind.VAR_POSITIONAL else "**"
            raise ToolError(f"{name} takes {stars}{parameter.name}, which no schema can describe: name each parameter")
        hint = usable(scope.resolve(parameter, name), parameter.name, name)
        # Fields have names of ours: a parameter may be called `json` or `_x`, which pydantic keeps for itself or
        # refuses.
        names[parameter.name] = f"p{index}"
        if isinstance(parameter.default, FieldInfo):  # x: int = Field(3, ge=1)
            hint = Annotated[hint, parameter.default]
        fields[f"p{index}"] = (hint, _field(hint, parameter, documented.get(parameter.name, "")))
    model = _model(name, fields)
    return Parameters(
        schema=_schema(model, name),
        model=model,
        fields=names,
        positional={p.name: p.default for p in parameters if p.kind is _Kind.POSITIONAL_ONLY},
        filled=frozenset(
            p.name
            for p in parameters
            if (p.default is _Kind.empty or isinstance(p.default, FieldInfo))
            and not model.model_fields[names[p.name]].is_required()
        ),
        namespace=scope.globals,
    )


def _refuse_methods(function: Any, name: str) -> None:
    """Refuse what is called with an object or a class that the model does not have, or that has no one signature."""
    if hasattr(function, "registry") and hasattr(function, "dispatch"):
        raise ToolError(f"{name} is a singledispatch function, one of many signatures: write a def that calls it")
    place = getattr(function, "__qualname__", "").rpartition(".")[0]
    code = getattr(function, "__code__", None)
    first = code.co_varnames[:1] if code is not None and code.co_argcount else ()
    if (
        place
        and not place.endswith("<locals>")
        and first in (("self",), ("cls",))
        and not hasattr(function, "__self__")
    ):
        raise ToolError(
            f"{name} is a method in a class body: make an object, and give the model its method, tool(obj.{name})"
        )


@dataclass(frozen=True)
class _Scope:
    """Where the names in a function's annotations are looked up: its globals, then what it closes over."""

    globals: dict[str, Any]
    closure: dict[str, Any]

    @classmethod
    def of(cls, function: Callable[..., Any]) -> _Scope:
        # The annotations of a wrapper name things of the module of what it wraps.
        inner: Any = inspect.unwrap(function)
        inner = getattr(inner, "__func__", inner)
        if not hasattr(inner, "__globals__"):
            inner = inspect.unwrap(type(inner).__call__)
        closure: dict[str, Any] = {}
        code = getattr(inner, "__code__", None)
        for name, cell in zip(
            getattr(code, "co_freevars", ()), getattr(inner, "__closure__", None) or (), strict=False
        ):
            try:
                closure[name] = cell.cell_contents
            except ValueError:  # not bound yet
                continue
        return cls(getattr(inner, "__globals__", {}), closure)

    def resolve(self, parameter: inspect.Parameter, name: str) -> Any:
        if parameter.annotation is _Kind.empty:
            return Any
        # One parameter at a time, so that the error can say which.
        holder = types.SimpleNamespace(__annotations__={"hint": parameter.annotation})
        try:
            hints = typing.get_type_hints(holder, self.globals, self.closure, include_extras=True)
        except NameError as error:
            raise UnresolvedError(
                f"{name}: the type of {parameter.name} names {error.name!r}, which is not defined"
            ) from error
        except Exception as error:
            raise ToolError(f"{name}: the type of {parameter.name} can't be read: {error}") from error
        return hints["hint"]


def _field(hint: Any, parameter: inspect.Parameter, documented: str) -> Any:
    settings: dict[str, Any] = {"alias": parameter.name}
    description = _described(hint) or documented
    wanted = _wanted(hint)
    if description and wanted:  # what it is, and then how it is to be written
        description = f"{description.rstrip('.')}. {wanted}"
    if description:
        settings["description"] = description
    default = parameter.default
    if default is _Kind.empty or isinstance(default, FieldInfo):
        return Field(**settings)
    try:
        json.dumps(to_jsonable_python(default), allow_nan=False)
    except (ValueError, TypeError):  # nothing to show to the model; the function fills it in
        return Field(default_factory=lambda: default, **settings)
    return Field(default=default, **settings)


def _wanted(hint: Any) -> str:
    """What a marker says about how the value is to be written; a parameter's own description would hide it."""
    for extra in getattr(hint, "__metadata__", ()):
        wanted = getattr(extra, "wanted", None)
        if isinstance(wanted, str):
            return wanted
    return ""


def _described(hint: Any) -> str:
    """What Annotated says: a Field's description, a Doc, or a plain string."""
    if typing.get_origin(hint) is not Annotated:
        return ""
    for extra in hint.__metadata__:
        text = extra if isinstance(extra, str) else getattr(extra, "description", None)
        text = text or getattr(extra, "documentation", None)
        if isinstance(text, str):
            return text
    return ""


def _model(name: str, fields: dict[str, Any]) -> type[BaseModel]:
    try:
        # An argument that the function does not take is told to the model, and not dropped.
        return create_model(name, __config__=ConfigDict(extra="forbid"), **fields)
    except PydanticUserError as error:
        raise ToolError(f"{name}: {str(error).splitlines()[0]}") from error


def _schema(model: type[BaseModel], name: str) -> dict[str, Any]:
    try:
        return {"type": "object", "properties": {}, **untitled(json_schema(model))}
    except PydanticUserError as error:
        raise ToolError(f"{name}: {str(error).splitlines()[0]}") from error
