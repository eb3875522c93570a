"""JSON schemas as the services take them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, PydanticJsonSchemaWarning

_BY_NAME = ("properties", "$defs", "definitions", "patternProperties")  # of these each value is a schema
_BY_POSITION = "pydantic_js_prefer_positional_arguments"
_VALUES = ("default", "const", "enum", "examples")  # these hold values, and no schemas
_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


class _AsValidated(GenerateJsonSchema):
    """Says what is taken, where pydantic would say less or another form of it."""

    def dataclass_schema(self, schema: Any) -> dict[str, Any]:
        # Where no other keys are taken: pydantic says so itself from 2.14 on.
        made = super().dataclass_schema(schema)
        if schema.get("config", {}).get("extra_fields_behavior") == "forbid":
            made.setdefault("additionalProperties", False)
        return made

    # A NamedTuple is read from an object as from a list, and only an object tells the names to the model.
    def named_tuple_schema(self, schema: Any) -> dict[str, Any]:  # from 2.14 on
        made = super().named_tuple_schema(schema)
        names = [field.get("validation_alias", field["name"]) for field in schema["fields"]]
        if not all(isinstance(name, str) for name in names):
            return made
        # Those with a default stand last in any NamedTuple.
        required = {"required": names[: made["minItems"]]} if "minItems" in made else {}
        properties = dict(zip(names, made.get("prefixItems", ()), strict=True))
        return {"type": "object", "properties": properties, **required, "additionalProperties": False}

    def arguments_schema(self, schema: Any) -> dict[str, Any]:  # before 2.14
        by_name: Any = {**schema, "metadata": {**schema.get("metadata", {}), _BY_POSITION: False}}
        return super().arguments_schema(by_name)


def json_schema(form: type[BaseModel] | TypeAdapter[Any]) -> dict[str, Any]:
    """Return the schema of a model or of another type, as `accepted` has it.

    Raises
    ------
    PydanticUserError
        Where pydantic has none.
    """
    make = form.json_schema if isinstance(form, TypeAdapter) else form.model_json_schema
    with warnings.catch_warnings():  # about defaults that JSON can't say, which are then left out
        warnings.simplefilter("ignore", PydanticJsonSchemaWarning)
        return accepted(make(by_alias=True, schema_generator=_AsValidated))


def accepted(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema in which each array says what its items are, and values that are listed of what type they are.

    OpenAI refuses a request for one array that does not: "array schema missing items".
    """
    made: dict[str, Any] = _mapped(schema, lambda part: _with_items(_with_type(part)))
    return made


def untitled(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema without titles, which repeat the names; a property called title stays."""

    def without(part: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in part.items() if not (key == "title" and isinstance(value, str))}

    made: dict[str, Any] = _mapped(schema, without)
    return made


def takes_null(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> bool:
    """Whether a value that the schema allows may be null; `definitions` are what its references name."""
    if isinstance(named := schema.get("$ref"), str):
        return takes_null(definitions.get(named.rpartition("/")[2], {}), definitions)
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return any(takes_null(option, definitions) for option in schema[key])
    if "enum" in schema:
        return None in schema["enum"]
    if "const" in schema:
        return schema["const"] is None
    kinds = schema.get("type", "null")  # without a type it takes anything
    return "null" in ([kinds] if isinstance(kinds, str) else kinds)


def _mapped(schema: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """Return a schema with each schema in it changed, the inner ones first."""
    if isinstance(schema, list):
        return [_mapped(part, change) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _BY_NAME and isinstance(value, Mapping):
            made[key] = {name: _mapped(part, change) for name, part in value.items()}
        else:
            made[key] = value if key in _VALUES else _mapped(value, change)
    return change(made)


def _with_type(schema: dict[str, Any]) -> dict[str, Any]:
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if "type" in schema or not isinstance(values, list):
        return schema
    types = list(dict.fromkeys(_TYPES.get(type(value), "") for value in values))
    if not types or "" in types:
        return schema
    return {**schema, "type": types[0] if len(types) == 1 else types}


def _with_items(schema: dict[str, Any]) -> dict[str, Any]:
    kinds = schema.get("type")
    if "prefixItems" not in schema and kinds != "array" and not (isinstance(kinds, list) and "array" in kinds):
        return schema
    items, first = schema.get("items"), schema.get("prefixItems")
    if isinstance(items, list):  # as it was written before the draft of 2020-12
        first, items = items, schema.get("additionalItems")
        schema = {key: value for key, value in schema.items() if key != "additionalItems"} | {"prefixItems": first}
    if isinstance(items, dict):
        return {**schema, "items": items}
    if not isinstance(first, list) or not first:
        return {**schema, "items": {}}
    if items is not False and schema.get("maxItems") != len(first):  # what comes behind them may be anything
        return {**schema, "items": {}}
    different = [part for index, part in enumerate(first) if part not in first[:index]]
    items = different[0] if len(different) == 1 else {"anyOf": different}
    return {**schema, "maxItems": len(first), "items": items}
