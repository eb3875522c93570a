"""Parameters whose values JSON can say although pydantic has no schema for their class: they are made of it.

Subclasses of `str`, `int`, `float`, dates and times; the scalars of numpy and pandas; arrays, of lists; classes of
attrs, dataclasses and models of `pydantic.v1`, of objects.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import pathlib
import sys
import typing
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, create_model
from pydantic_core import PydanticCustomError, core_schema

_BASES: tuple[type, ...] = (str, int, float, bytes, datetime.datetime, datetime.date, datetime.time, datetime.timedelta)
_BASES += (decimal.Decimal, uuid.UUID, pathlib.PurePath)
_KINDS: dict[str, Any] = {"b": bool, "i": int, "u": int, "f": float, "M": str, "m": str, "U": str, "S": str}
_OF_PANDAS = {
    "Timestamp": "a date and time, such as 2026-03-04 or 2026-03-04T12:00:00",
    "Timedelta": "a length of time, such as 2 days or 01:30:00",
    "Period": "a period, such as 2026-03 or 2026Q1",
}


@dataclass(frozen=True)
class MadeOf:
    """Marks a class whose objects are made of what JSON can say.

    Parameters
    ----------
    kind : type
        The class.
    form : object
        The type that is read from JSON.
    make : callable
        Makes the object of a value of that type; what it raises is told to the model.
    hint : str
        How the value is written, for the model; may be empty.
    """

    kind: type
    form: Any
    make: Callable[[Any], Any]
    hint: str = ""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return core_schema.no_info_after_validator_function(self._made, handler.generate_schema(self.form))

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        found: dict[str, Any] = handler(schema)
        return {**found, "description": self.hint} if self.hint else found

    def _made(self, value: Any) -> Any:
        if isinstance(value, self.kind):
            return value
        try:
            return self.make(value)
        except Exception as error:
            said = f"must be {_article(self.kind.__name__)}: {type(error).__name__}: {error}"
            raise PydanticCustomError("made_of", "{said}", {"said": " ".join(said.split())}) from error


@dataclass(frozen=True)
class SchemaOf:
    """Marks a model of `pydantic.v1`, which has its own schema and its own way to read an object."""

    kind: Any

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return core_schema.no_info_plain_validator_function(self._made)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        return _inlined(self.kind.schema(ref_template="{model}"))

    def _made(self, value: Any) -> Any:
        try:
            return value if isinstance(value, self.kind) else self.kind.parse_obj(value)
        except ValueError as error:
            found = getattr(error, "errors", list)() or [{"loc": (), "msg": str(error)}]
            said = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found)
            raise PydanticCustomError("v1", "{said}", {"said": said}) from error


def made_of_json(hint: Any, inner: Callable[[Any], Any] = lambda hint: hint) -> Any:
    """Return a type for a hint whose class JSON can say; None for any other.

    `inner` does the same for the hints of its fields, and whatever else is to be done for them.
    """
    origin = typing.get_origin(hint)
    kind = origin or hint
    if not isinstance(kind, type):
        return None
    if _is(kind, "numpy", "ndarray"):
        return _array(hint)
    if origin is not None:
        return None
    marker: MadeOf | SchemaOf | None = (
        _of_pandas(kind) or _of_numpy(kind) or _of_base(kind) or _of_attributes(kind, inner)
    )
    marker = marker or (SchemaOf(kind) if is_v1(kind) else None)
    return None if marker is None else Annotated[kind, marker]


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def _is(kind: type, library: str, name: str) -> bool:
    return any(one.__module__.partition(".")[0] == library and one.__name__ == name for one in kind.__mro__)


def _of_pandas(kind: type) -> MadeOf | None:
    name = next((name for name in _OF_PANDAS if _is(kind, "pandas", name)), "")
    return MadeOf(kind, str, kind, _OF_PANDAS[name]) if name else None


def _of_numpy(kind: type) -> MadeOf | None:
    # A hint of numpy's means that it is imported already.
    numpy = sys.modules.get("numpy")
    if numpy is None or not issubclass(kind, numpy.generic):
        return None
    abstract = {numpy.integer: numpy.int64, numpy.floating: numpy.float64, numpy.number: numpy.float64}
    concrete = abstract.get(kind, kind)
    form = _KINDS.get(numpy.dtype(concrete).kind)
    return None if form is None else MadeOf(kind, form, concrete)


def _of_base(kind: type) -> MadeOf | None:
    base = next((one for one in kind.__mro__ if one in _BASES or one is pathlib.PurePath), None)
    if base is None or base is kind:
        return None
    if base is datetime.datetime:
        return MadeOf(kind, base, lambda value: kind.fromisoformat(value.isoformat()))  # type: ignore[attr-defined]
    if base in (datetime.date, datetime.time):
        return MadeOf(kind, base, lambda value: kind.fromisoformat(value.isoformat()))  # type: ignore[attr-defined]
    if base is datetime.timedelta:
        return MadeOf(kind, base, lambda value: kind(seconds=value.total_seconds()))
    return MadeOf(kind, base, kind)


def _array(hint: Any) -> Any:
    """An array: of a list, or by the name of a variable."""
    from .variables import NamedVariable

    numpy = sys.modules["numpy"]
    kind = typing.get_origin(hint) or hint
    arguments = typing.get_args(hint)
    inner = typing.get_args(arguments[1]) if len(arguments) > 1 else ()
    dtype = inner[0] if inner and isinstance(inner[0], type) and issubclass(inner[0], numpy.generic) else None
    listed = MadeOf(kind, list[Any], lambda value: numpy.asarray(value, dtype=dtype), "The values as a list.")
    return Annotated[kind, listed] | Annotated[kind, NamedVariable(kind)]


@dataclass(frozen=True)
class _Attribute:
    """What a class takes under a name; `default` is its default, None where a function makes one."""

    name: str
    alias: str
    required: bool
    default: Any


def _of_attributes(kind: type, inner: Callable[[Any], Any]) -> MadeOf | None:
    attributes = _attributes(kind)
    if attributes is None:
        return None
    hints = typing.get_type_hints(kind, include_extras=True)
    wanted: dict[str, Any] = {}
    for one in attributes:
        settings: dict[str, Any] = {"alias": one.alias, **({} if one.required else {"default": one.default})}
        # With a prefix: pydantic takes no field whose name begins with an underscore, and none of its own names.
        wanted[f"f_{one.name}"] = (inner(hints.get(one.name, Any)), Field(**settings))
    form = create_model(kind.__name__, **wanted)
    TypeAdapter(form).json_schema()  # raises where a field can't be said; the class is then asked for by name

    def make(value: Any) -> Any:
        # What the model left out is left to the class: its default may be a factory.
        said = value.model_fields_set
        given = {one.alias: getattr(value, f"f_{one.name}") for one in attributes if f"f_{one.name}" in said}
        return kind(**given)

    return MadeOf(kind, form, make)


def _attributes(kind: type) -> list[_Attribute] | None:
    """What a class of attrs, or a dataclass, takes when it is made; None for any other."""
    if (fields := getattr(kind, "__attrs_attrs__", None)) is not None:
        return [
            _Attribute(
                one.name,
                one.alias,
                type(one.default).__name__ == "_Nothing",
                None if hasattr(one.default, "factory") else one.default,
            )
            for one in fields
            if one.init
        ]
    if not dataclasses.is_dataclass(kind):
        return None
    missing = dataclasses.MISSING
    return [
        _Attribute(
            one.name,
            one.name,
            one.default is missing and one.default_factory is missing,
            None if one.default is missing else one.default,
        )
        for one in dataclasses.fields(kind)
        if one.init
    ]


def is_v1(kind: Any) -> bool:
    """Whether it is a model of `pydantic.v1`."""
    return isinstance(kind, type) and any(
        one.__module__.startswith("pydantic.v1.") and one.__name__ == "BaseModel" for one in kind.__mro__
    )


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with its definitions in the places where they are named; one that names itself is any object there."""
    definitions = schema.get("definitions", {})  # it is the class's own copy, kept
    schema = {key: part for key, part in schema.items() if key != "definitions"}

    def put(part: Any, within: frozenset[str]) -> Any:
        if isinstance(part, list):
            return [put(one, within) for one in part]
        if not isinstance(part, dict):
            return part
        name = part.get("$ref")
        if isinstance(name, str):
            return {"type": "object"} if name in within else put(definitions.get(name, {}), within | {name})
        return {key: put(one, within) for key, one in part.items()}

    found: dict[str, Any] = put(schema, frozenset())
    return found
