"""Parameters that take the name of a variable: a DataFrame can't be written in JSON, but its name can."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import PydanticCustomError, core_schema


@dataclass(frozen=True)
class NamedVariable:
    """Marks a class whose objects are given by the name of a variable of the notebook.

    The names are looked up in the context of the validation, and then in the module ``__main__``, which is where a
    kernel keeps the notebook's variables.
    """

    kind: type

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return core_schema.with_info_plain_validator_function(self._find)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        return {"type": "string", "description": self.wanted}

    @property
    def wanted(self) -> str:
        """What the schema says that is wanted."""
        return f"The name of a variable in the notebook that holds a {self._kind}."

    @property
    def _kind(self) -> str:
        return self.kind.__name__

    def _find(self, value: Any, info: core_schema.ValidationInfo[Any]) -> Any:
        # The function's own globals first: a tool from a module may mean a variable of its own.
        spaces = [info.context or {}, vars(sys.modules["__main__"])]
        if not isinstance(value, str):
            raise PydanticCustomError(
                "variable", "must be the name of a variable that holds a {kind}", {"kind": self._kind}
            )
        for space in spaces:
            if isinstance(space.get(value), self.kind):
                return space[value]
        known = ", ".join(_names(spaces, self.kind)) or "none"
        raise PydanticCustomError(
            "variable",
            "is not a variable that holds a {kind}; those that do: {known}",
            {"kind": self._kind, "known": known},
        )


def _names(spaces: list[Mapping[str, Any]], kind: type, most: int = 20) -> list[str]:
    found = {n for space in spaces for n, v in list(space.items()) if not n.startswith("_") and isinstance(v, kind)}
    return sorted(found)[:most]
