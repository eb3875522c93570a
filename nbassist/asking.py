"""What can be said for one prompt alone, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from .context import Shape, attach_files, attach_images, fill, see
from .conversation import Conversation
from .errors import UsageError
from .messages import OutputSchema, Part, Text
from .tools import Ask, Tool, Toolbox

Tools: TypeAlias = Toolbox | Iterable[Tool | Callable[..., Any]]


@dataclass(frozen=True)
class Asking:
    """What can be said for one prompt alone; what is None or empty is left to the assistant.

    Parameters
    ----------
    thread : str
        The name of the thread to go on with; empty for the current one.
    turn : int, optional
        The number of the turn to replace; the thread goes on from there.
    cell : str
        The id of the notebook cell: its earlier turn is replaced.
    conversation : Conversation, optional
        In place of a thread.
    model, instructions, reasoning : str
        The model, the system prompt, and how much it thinks ("none", "minimal", "low", "medium", "high").
    tools : Toolbox or iterable of functions, optional
        What the model may call; an empty one for none.
    parameters : mapping, optional
        Of the model, by their names on the wire.
    namespace : mapping of str to object, optional
        The notebook's: `{{ expression }}` in the prompt is filled in from it, and `see` and `images` look there.
    template : bool
        Whether `{{ expression }}` is filled in; without a namespace it never is.
    see : sequence of str
        Names of variables that the model is shown, or `cells`; later turns show only what changed.
    images : sequence
        Figures, images, paths or expressions; see `nbassist.context.attach_images`.
    files : sequence of path
        Files that go with the prompt.
    as_ : type or str, optional
        What the reply is read into: anything pydantic validates, the name of such a type, or "json".
    ask : callable, optional
        Asks about calls that need approval.
    approval : str
        What is done with calls that need approval: "ask", "allow" or "deny".
    note : str
        One line for the view.
    cache : str
        How recorded replies are used: "off", "auto", "refresh" or "replay"; see `nbassist.journal.cache`.
    repeat : int
        Tells prompts apart that are alike, for the cache.
    variant : mapping
        What was varied, for the journal.
    off : bool
        Whether the run is kept out of the journal.
    leave : bool
        Whether an interrupt leaves the reply to the endpoint, to be read on by `resume`, in place of cancelling it.
    """

    thread: str = ""
    turn: int | None = None
    cell: str = ""
    conversation: Conversation | None = None
    model: str = ""
    instructions: str | None = None
    reasoning: str = ""
    tools: Tools | None = None
    parameters: Mapping[str, Any] | None = None
    namespace: Mapping[str, Any] | None = None
    template: bool = True
    see: Sequence[str] = ()
    images: Sequence[Any] = ()
    files: Sequence[str | Path] = ()
    as_: Any = None
    ask: Ask | None = None
    approval: str = ""
    note: str = ""
    cache: str = ""
    repeat: int = 0
    variant: Mapping[str, Any] = field(default_factory=dict)
    off: bool = False
    leave: bool = False

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Asking:
        """Read keyword arguments.

        Raises
        ------
        UsageError
            Where one is not known.
        """
        unknown = [name for name in options if name not in cls.__dataclass_fields__]
        if unknown:
            known = ", ".join(cls.__dataclass_fields__)
            raise UsageError(f"ask has no option {unknown[0]!r}; known are {known}")
        return cls(**options)


@dataclass(frozen=True)
class Prepared:
    """A prompt and all that goes with it, read from the notebook once, before anything is asked."""

    prompt: str
    attachments: tuple[Part, ...]
    shape: Shape | None
    asking: Asking

    @classmethod
    def of(cls, prompt: str, asking: Asking) -> Prepared:
        """Fill in, look up and read what `asking` names.

        Raises
        ------
        UsageError
            Where an expression, a name, a file or a type can't be had.
        """
        namespace = asking.namespace
        if namespace is not None and asking.template:
            prompt = fill(prompt, namespace)
        see(asking.see, namespace or {}, Conversation())
        attachments = (*attach_images(asking.images, namespace), *attach_files(asking.files))
        return cls(prompt, attachments, _shape(asking.as_, namespace or {}), asking)

    def context(self, conversation: Conversation) -> tuple[Text, ...]:
        """Return what stands before the prompt and `conversation` does not have yet."""
        return see(self.asking.see, self.asking.namespace or {}, conversation)

    def instructions(self, own: str) -> str:
        """Return the system prompt, with the shape of the reply where one is asked for."""
        return "\n\n".join(filter(None, (own, self.shape.instructions if self.shape else "")))

    def output(self, *, with_tools: bool, hosted: bool) -> OutputSchema | None:
        """Return what the endpoint is to hold the model to.

        Small engines do so by a grammar, which a call written as text can't get through: where tools are offered,
        only the hosted service is asked.
        """
        return self.shape.output if self.shape and (hosted or not with_tools) else None


def _shape(form: Any, namespace: Mapping[str, Any]) -> Shape | None:
    if form is None or form == "":
        return None
    return Shape.named(form, namespace) if isinstance(form, str) else Shape(form)
