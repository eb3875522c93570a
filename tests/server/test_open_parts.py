"""The step of calls while it is written."""

from __future__ import annotations

from typing import Any

from nbassist.server.runs.open_parts import OpenCalls


def test_the_place_of_a_call_is_known_without_looking_through_all_of_them() -> None:
    class Unread(list[Any]):
        def __iter__(self) -> Any:
            raise AssertionError("all calls are gone through for one piece")

    step = OpenCalls("step_1", Unread())
    told = [step.add(f"call_{number}", "f") for number in range(3)]
    assert [one["index"] for one in told] == [0, 1, 2]
    assert step.index("call_2") == 2
