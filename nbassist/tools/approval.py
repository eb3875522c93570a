"""Which calls a person has to allow, and what is said for them: by a policy, by an earlier "always", or by no one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, get_args

from ..errors import ToolError
from ..events import ApprovalAnswered, ApprovalAsked
from ..messages import ToolCall
from .definition import Tool
from .mistakes import Mistakes

Ask: TypeAlias = Callable[[ApprovalAsked], ApprovalAnswered]
"""Asks the person about one call; called on the thread that runs the tools. An interrupt may come out of it."""

Policy: TypeAlias = Literal["ask", "allow", "deny"]
POLICIES: tuple[str, ...] = get_args(Policy)

NO_ONE = "no one is here to allow it"
_EDITS = 5  # how often wrong arguments are asked about again


@dataclass(frozen=True)
class Refused:
    """A call that does not run, and the word to the model about it; may be empty."""

    comment: str = ""


@dataclass
class Approvals:
    """What a person allows in one run.

    Parameters
    ----------
    ask : Ask, optional
        None where there is no person: what needs approval is denied.
    policy : {"ask", "allow", "deny"}
        What is done with calls that need approval.

    Attributes
    ----------
    always : set of str
        Tools that the person allowed for the rest of the run.

    Raises
    ------
    ToolError
        Where the policy is none of these.
    """

    ask: Ask | None = None
    policy: str = "ask"
    always: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        if self.policy not in POLICIES:
            raise ToolError(f"approval is {self.policy!r}; known are {', '.join(POLICIES)}")

    def answer(self, asked: ApprovalAsked) -> ApprovalAnswered:
        """Ask the person, where there is one."""
        if self.ask is None:
            return ApprovalAnswered(asked.call_id, "refused", NO_ONE)
        return self._remembered(asked, self.ask(asked))

    async def aanswer(self, asked: ApprovalAsked) -> ApprovalAnswered:
        """Ask as `answer` does; an `ask` that is a coroutine function is awaited."""
        if self.ask is None:
            return self.answer(asked)
        answered: Any = self.ask(asked)
        return self._remembered(asked, await answered if inspect.isawaitable(answered) else answered)

    def _remembered(self, asked: ApprovalAsked, answered: ApprovalAnswered) -> ApprovalAnswered:
        if answered.decision == "always":
            self.always.add(asked.name)
        return answered

    def said_already(self, call: ToolCall) -> ApprovalAnswered | None:
        """Return what is settled without asking; None where the person is to be asked."""
        if call.name in self.always:
            return ApprovalAnswered(call.id, "always")
        if self.policy == "allow":
            return ApprovalAnswered(call.id, "allowed")
        if self.policy == "deny":
            return ApprovalAnswered(call.id, "refused", "the settings of this notebook do not allow such calls")
        return None


Settling: TypeAlias = Generator[ApprovalAsked | ApprovalAnswered, ApprovalAnswered | None, dict[str, Any] | Refused]


def settle(approvals: Approvals, tool: Tool, call: ToolCall, arguments: dict[str, Any]) -> Settling:
    """Settle whether a call whose arguments are valid may run.

    Yields
    ------
    ApprovalAsked, to be answered with `send`, or ApprovalAnswered
        What the run tells.

    Returns
    -------
    dict or Refused
        The arguments to call with.
    """
    if not needs_approval(tool, arguments):
        return arguments
    said = approvals.said_already(call)
    if said is not None:
        yield said
        return Refused(said.comment) if said.decision == "refused" else arguments
    asked = ApprovalAsked(call.id, call.name, call.arguments, kind=call.kind)
    for _ in range(_EDITS):
        answered = yield asked
        assert answered is not None
        yield answered
        if answered.decision == "refused":
            return Refused(answered.comment)
        if answered.decision != "edited":
            return arguments
        edited = tool.arguments(answered.arguments, raw=call.kind == "custom")
        if not isinstance(edited, Mistakes):
            return edited
        asked = replace(asked, arguments=answered.arguments, problem=str(edited))
    return Refused("the person's own arguments for it were wrong")


def settle_hosted(approvals: Approvals, call: ToolCall) -> Settling:
    """Settle whether a service may run a tool of its own, which it asks for with a call of kind `approval`."""
    said = approvals.said_already(call)
    if said is None:
        asked = ApprovalAsked(call.id, call.name, call.arguments, kind=call.kind)
        said = yield asked
        assert said is not None
        if said.decision == "edited":  # a service takes yes or no
            said = ApprovalAnswered(call.id, "refused", f"call it with {said.arguments} in place of these arguments")
    yield said
    return Refused(said.comment) if said.decision == "refused" else {}


def needs_approval(tool: Tool, arguments: dict[str, Any]) -> bool:
    """Whether a person has to allow a call with these arguments."""
    if not callable(tool.approve):
        return bool(tool.approve)
    try:
        return bool(tool.approve(**arguments))
    except Exception:  # noqa: BLE001 - the person's own code; where it can't say, the person is asked
        return True
