from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nbassist.core.events import ToolFinished
from nbassist.core.messages import ToolCall
from nbassist.tools import Toolbox, registry


@pytest.fixture(autouse=True)
def _own_registry() -> Iterator[None]:
    before = dict(registry())
    registry().clear()
    yield
    registry().clear()
    registry().update(before)


@pytest.fixture
def call() -> Callable[..., ToolFinished]:
    """Call one function as a model would: `call(function, table="orders")`."""

    def call(function: Any, /, **arguments: Any) -> ToolFinished:
        box = Toolbox([function])
        [finished] = box.run([ToolCall("call_1", next(iter(box)).name, json.dumps(arguments))])
        return finished

    return call
