"""The shape that a reply has to have: asked of the model, held against what it wrote, and read into a value."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from ..core.messages import OutputSchema
from ..errors import UsageError
from .namespace import evaluate, is_expression

_BRACKETS = re.compile(r"\{.*\}|\[.*\]", re.DOTALL)
_WORDS = ("true", "false", "null")
_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)


class Shape:
    """What a reply is to be read into.

    Parameters
    ----------
    form : type or "json"
        Anything pydantic can validate: a model, a dataclass, a TypedDict, ``list[int]``; "json" for any JSON.
    name : str
        What it is called; the type's own name by default.

    Raises
    ------
    UsageError
        Where pydantic can't validate it.
    """

    def __init__(self, form: Any, name: str = "") -> None:
        self.form = form
        self.name = name or getattr(form, "__name__", "") or str(form)
        # Made at once, so that a type that can't be a shape is refused before anything is sent.
        _ = self._adapter

    @classmethod
    def named(cls, source: str, namespace: Mapping[str, Any]) -> Shape:
        """Return the shape that a person named: `json`, or a type of the notebook.

        Raises
        ------
        UsageError
            Where there is no such type.
        """
        if source == "json":
            return cls("json")
        if not is_expression(source):
            raise UsageError(f"--as {source}: name a type of this notebook, or json")
        return cls(evaluate(source, namespace, f"--as {source}"), source)

    @cached_property
    def _adapter(self) -> Any:
        from pydantic import PydanticSchemaGenerationError, PydanticUserError, TypeAdapter

        from ..tools.schema.hints import with_typed_dicts

        if self.form == "json":
            return TypeAdapter(Any)
        if inspect.isroutine(self.form):
            raise UsageError(f"{self.name} can't be the shape of a reply: it is a function, and no type")
        try:
            return TypeAdapter(with_typed_dicts(self.form))
        except (PydanticSchemaGenerationError, PydanticUserError, TypeError) as error:
            raise UsageError(f"{self.name} can't be the shape of a reply: {str(error).splitlines()[0]}") from error

    @cached_property
    def _schema(self) -> dict[str, Any]:
        from ..tools.schema.for_model import json_schema

        return json_schema(self._adapter)

    @property
    def output(self) -> OutputSchema | None:
        """What an endpoint can hold the model to; None where any JSON will do, or the value is no object."""
        if self.form == "json":
            return None
        schema = self._schema
        # The hosted endpoints take no schema whose root is anything but an object: of a list it is told in words alone.
        if schema.get("type") != "object":
            return None
        # What the wire allows in the name of a schema: 64 letters, digits, dashes and underscores.
        return OutputSchema(re.sub(r"[^A-Za-z0-9_-]", "_", self.name)[:64], schema)

    @property
    def instructions(self) -> str:
        """What the model is told."""
        if self.form == "json":
            return "Reply with JSON and nothing else."
        schema = json.dumps(self._schema, ensure_ascii=False)
        return f"Reply with JSON that this schema allows, and nothing else:\n{schema}"

    def read(self, text: str) -> Any:
        """Return the value that a reply holds.

        Raises
        ------
        ValueError
            Where it holds none: the mistakes, one on each line.
        """
        from pydantic import ValidationError

        source = _json_in(text)
        try:
            return json.loads(source) if self.form == "json" else self._adapter.validate_json(source)
        except ValidationError as error:
            raise ValueError("\n".join(_mistake(one) for one in error.errors(include_url=False))) from error
        except ValueError as error:
            raise ValueError(f"it is no JSON: {error}") from error


def _json_in(text: str) -> str:
    """Return the JSON of a reply: the last fenced block, else the text itself."""
    fenced = _FENCED.findall(text)
    source = str(fenced[-1] if fenced else text).strip()
    # Words, or the rest of an unclosed fence, may stand around it; the greedy search takes the widest pair of brackets.
    if source[:1] in ("{", "[", '"') or source in _WORDS or not (found := _BRACKETS.search(source)):
        return source
    return found[0]  # words before or after it


def _mistake(error: Any) -> str:
    where = ".".join(str(step) for step in error["loc"])
    return f"{where}: {error['msg']}" if where else str(error["msg"])
