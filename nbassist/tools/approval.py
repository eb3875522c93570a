"""Which calls a person has to allow, and what is said for them: by a policy, by an earlier "always", or by no one.

The person is asked in words, with `input`, wherever one sits before the notebook or the terminal.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, get_args

from ..core.events import ApprovalAnswered, ApprovalAsked
from ..core.messages import ToolCall
from ..errors import ToolError
from . import capture
from .definition import Tool
from .results.reprs import cut
from .schema.argument_errors import Mistakes

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
        # Before the policy: what the person said in this run goes before what was set for all.
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
    # A person who gets the JSON wrong again and again is asked no more, and the call is not run with the model's
    # arguments.
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


_SHOWN = 2_000  # characters of one argument
# Controls, and what changes the direction of text or takes no room: what is shown has to be what is called.
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_CHOICES = "[y]es / [n]o, with a word to the model / [a]lways for this run / [e]dit the arguments: "
_CHOICES_HOSTED = "[y]es / [n]o, with a word to the model / [a]lways for this run: "


def asker(view: Any = None) -> Ask:
    """Return what asks the person: the view where it can (buttons), else `input`; with no one there it says no.

    A view that can ask has a method `ask(asked)`, which gives the answer, or None where no click would be heard.
    """
    by_view = getattr(view, "ask", None)

    def ask(asked: ApprovalAsked) -> ApprovalAnswered:
        answered = by_view(asked) if by_view is not None else None
        return in_words(asked) if answered is None else answered

    return ask


def in_words(asked: ApprovalAsked) -> ApprovalAnswered:
    """Show the call, one argument on each line, and take an answer; an interrupt passes through."""
    if not capture.someone_is_there():
        return ApprovalAnswered(asked.call_id, "refused", NO_ONE)
    try:
        with capture.uncaptured():
            return _conversation(asked)
    except (EOFError, NotImplementedError, RuntimeError):  # the end of the input; a frontend that takes none
        return ApprovalAnswered(asked.call_id, "refused", NO_ONE)


def _conversation(asked: ApprovalAsked) -> ApprovalAnswered:
    choices = _CHOICES_HOSTED if asked.kind == "approval" else _CHOICES
    prompt = f"{described(asked)}\n{choices}"
    while True:
        said = input(prompt).strip()
        # One line takes both, as a frontend's `input` has one: "n use the other table".
        letter, _, word = said.partition(" ")
        match letter.lower().rstrip(",:"):
            case "y" | "yes":
                return ApprovalAnswered(asked.call_id, "allowed")
            case "n" | "no":
                return ApprovalAnswered(asked.call_id, "refused", word.strip() or "the person said no")
            case "a" | "always":
                return ApprovalAnswered(asked.call_id, "always")
            case "e" | "edit" if asked.kind != "approval":
                edited = word.strip() or input(f"{asked.arguments}\nthe arguments to call it with: ").strip()
                if edited:
                    return ApprovalAnswered(asked.call_id, "edited", arguments=edited)
        prompt = f"{said[:40]!r} is no answer\n{choices}" if said else choices


def described(asked: ApprovalAsked) -> str:
    """Return the call as it would be made, one argument on each line; what can't be seen is escaped."""
    lines = [f"The model wants to call {asked.name}"]
    if asked.problem:
        lines = [f"{asked.name} can't be called so: {asked.problem}"]
    arguments = _arguments(asked)
    if isinstance(arguments, dict):
        width = max((len(str(name)) for name in arguments), default=0)
        lines += [f"  {name!s:<{width}} = {_value(value, width)}" for name, value in arguments.items()]
    else:
        lines.append(_value(arguments, 0))
    return _UNSEEN.sub(_escaped, "\n".join(lines))


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")


def _arguments(asked: ApprovalAsked) -> Any:
    if asked.kind == "custom":
        return asked.arguments
    try:
        return json.loads(asked.arguments or "{}")
    except (ValueError, RecursionError):
        return asked.arguments


def _value(value: Any, width: int) -> str:
    """Write a value; code keeps its lines, so that a person can read it."""
    # As JSON it would be one line of `\n`, in which nobody reads code.
    if isinstance(value, str) and "\n" in value:
        return "\n" + "\n".join(f"  {'':<{width}}   {line}" for line in cut(value.rstrip("\n"), _SHOWN).split("\n"))
    return cut(json.dumps(value, ensure_ascii=False), _SHOWN)
