"""`RunSpec`: all that one run is, made in one place from the assistant's defaults and the prompt's options.

The driver, the flow, the journal and the cache read it, and nothing else about a run is handed on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..context import Shape, attach_files, attach_images, fill_in, look_at, unknown
from ..context.template import Filled
from ..core.conversation import Conversation
from ..core.events import Usage
from ..core.messages import Part, Request, Text
from ..core.protocols import Look, Metered, MeterView, ProgressView, View
from ..core.redaction import Redactor
from ..tools import Ask, Toolbox, asker, current
from .context_window import tokens_of
from .flow import Limits
from .meter import Budget
from .options import PromptOptions, Tools

_LONG = 1_000
"""Tokens of a thread that fits into every context window."""


class Defaults(Protocol):
    """What holds for all prompts; see `nbassist.Assistant`, whose attributes these are."""

    instructions: str
    tools: Tools | None
    limits: Limits
    ask_person: Ask | None
    approval: str
    parameters: dict[str, Any]
    window: int
    cache: str
    budget: Budget

    @property
    def model(self) -> str: ...
    @property
    def home(self) -> str: ...
    @property
    def hosted(self) -> bool: ...
    def known_window(self, model: str) -> int: ...
    def price(self, model: str, usage: Usage) -> float | None: ...


@dataclass(frozen=True)
class RunSpec:
    """All that one run is, but for the conversation that it goes on.

    Parameters
    ----------
    prompt : str
        What is said, `{{ expression }}` filled in; empty for a run that is resumed.
    attachments : tuple of Part
        Images and files that go with it.
    see : mapping of str to str
        What the model is shown, by its label: looked at once.
    names : tuple of str
        What was asked to be shown, as it was said.
    model, instructions, reasoning : str
        As they are asked for; empty for the endpoint's own choice, or none.
    parameters : mapping
        Of the model, by their names on the wire.
    shape : Shape, optional
        What the reply has to be, which is asked of the model and held against what it wrote; None for free text.
    toolbox : Toolbox
        What the model may call.
    hosted : bool
        Whether the endpoint is the hosted service, which can hold a model to strict schemas.
    ask : callable, optional
        Asks a person about calls that need approval; None where nobody can be asked.
    approval : str
        What is done with such calls: "ask", "allow" or "deny".
    limits : Limits
        What ends a run that does not end by itself.
    window : callable
        From a conversation to the tokens that its requests may take; 0 where that is not known.
    price : callable
        From a model and usage to US dollars; None where unknown.
    redact : Redactor
        Replaces secrets.
    home : str
        What tells its endpoint from others.
    cell, journal_cell, note : str
        The notebook cell whose turn it replaces, that which the journal names, and one line for the view; all may be
        empty.
    cache : str
        How recorded replies are used; see `nbassist.journal.cache`.
    repeat : int
        Tells prompts apart that are alike, for the cache.
    variant : mapping
        What was varied, for the journal.
    off : bool
        Whether it is kept out of the journal.
    show : callable, optional
        Gets the text that goes out.
    leave, resume : bool
        Whether its turns may be left to the endpoint, and whether it reads on one that was.
    watch : callable
        Told that a call runs now, with what gives what it has shown so far.
    budget : Budget
        What it may not pass.
    meter : callable
        Told the meter of the run, when it begins.
    """

    prompt: str
    attachments: tuple[Part, ...]
    see: Mapping[str, str]
    names: tuple[str, ...]
    model: str
    instructions: str
    reasoning: str
    parameters: Mapping[str, Any]
    shape: Shape | None
    toolbox: Toolbox
    hosted: bool
    ask: Ask | None
    approval: str
    limits: Limits
    window: Callable[[Conversation], int]
    price: Callable[[str, Usage], float | None]
    redact: Redactor
    home: str
    cell: str
    journal_cell: str
    note: str
    cache: str
    repeat: int
    variant: Mapping[str, Any]
    off: bool
    show: Callable[[str], None] | None
    leave: bool
    resume: bool
    watch: Callable[[str, Look], None]
    budget: Budget
    meter: Callable[[Metered], None]

    def parts(self, conversation: Conversation) -> tuple[Part, ...]:
        """Return the message of the prompt: what `conversation` has not been shown yet, the words, the attachments."""
        # What is shown goes before the words that speak of it.
        parts = (*unknown(self.see, conversation), Text(self.prompt), *self.attachments)
        found = tuple(map(self._redacted, parts))
        if self.show is not None:
            self.show("".join(part.text for part in found if isinstance(part, Text)))
        return found

    def request(self) -> Request:
        """Return the request without messages; each turn fills in its own."""
        shape = self.shape
        return Request(
            (),
            model=self.model,
            instructions=self.redact.text(
                "\n\n".join(filter(None, (self.instructions, shape.instructions if shape else "")))
            ),
            # Only the hosted service can hold a model to a strict schema; others refuse the word, or take no notice.
            tools=self.toolbox.strict_specs if self.hosted else self.toolbox.specs,
            parameters=self.parameters,
            reasoning=self.reasoning,
            # Small engines hold to a shape by a grammar, which a call written as text can't get through: where tools
            # are offered, only the hosted service is asked.
            output=shape.output if shape and (self.hosted or not self.toolbox.tools) else None,
        )

    def mistakes(self, text: str) -> str:
        """Return what is wrong with the text of an answer, in words for the model; empty for nothing."""
        try:
            if self.shape is not None:
                self.shape.read(text)
        except ValueError as error:
            return str(error)
        return ""

    def _redacted(self, part: Part) -> Part:
        return Text(self.redact.text(part.text), part.label) if isinstance(part, Text) else part


def make_spec(
    prompt: str, options: PromptOptions, defaults: Defaults, view: View | None = None, *, resume: bool = False
) -> RunSpec:
    """Return the run of a prompt: read from the notebook once, before anything is asked.

    Parameters
    ----------
    prompt : str
        As it was written.
    options : PromptOptions
        Complete; see `nbassist.run.options.complete`.
    defaults : Defaults
        What holds where an option says nothing.
    view : View, optional
        Where a question to the person may be asked by buttons.
    resume : bool
        Whether it reads on a reply that was left, in place of a prompt.

    Raises
    ------
    UsageError
        Where an expression, a name, a file or a type can't be had.
    """
    namespace = options["namespace"]
    filled = Filled(prompt) if namespace is None or not options["template"] else fill_in(prompt, namespace)
    names = namespace or {}
    leave = options["leave"] or resume
    model = options["model"] or defaults.model
    toolbox = _toolbox(defaults.tools if options["tools"] is None else options["tools"])
    files, toolbox = _files(options["files"], toolbox, may_search=options["tools"] is None)
    return RunSpec(
        prompt=filled.text,
        attachments=(*attach_images(options["images"], namespace), *files),
        see=look_at(options["see"], names, options["cells"]),
        names=tuple(options["see"]),
        model=model,
        instructions=defaults.instructions if options["instructions"] is None else options["instructions"],
        reasoning=options["reasoning"],
        parameters={
            **defaults.parameters,
            **(options["parameters"] or {}),
            **({"background": True} if leave else {}),
        },
        shape=_shape(options["as_"], names),
        toolbox=toolbox,
        hosted=defaults.hosted,
        ask=options["ask"] or defaults.ask_person or asker(view),
        approval=options["approval"] or defaults.approval,
        limits=defaults.limits,
        window=_window(defaults, model, may_ask=(options["cache"] or defaults.cache) != "replay"),
        price=defaults.price,
        # Made for each run: keys are set in a notebook's environment at any time.
        redact=Redactor(),
        home=defaults.home,
        cell=options["cell"],
        journal_cell=options["journal_cell"] or options["cell"],
        note="; ".join(filter(None, (options["note"], filled.note))),
        cache=options["cache"] or defaults.cache,
        repeat=options["repeat"],
        variant=options["variant"],
        off=options["off"],
        show=options["show"],
        leave=leave,
        resume=resume,
        watch=view.tool_running if isinstance(view, ProgressView) else _unwatched,
        budget=defaults.budget,
        meter=view.metered if isinstance(view, MeterView) else _unmetered,
    )


def _unwatched(call_id: str, look: Look) -> None:
    """Show nothing of a tool while it runs."""


def _unmetered(meter: Metered) -> None:
    """Show nothing of what a run takes while it goes on."""


def _toolbox(tools: Tools | None) -> Toolbox:
    if tools is None:
        # Looked up at each prompt: a cell that defines a tool anew replaces it for the next one.
        tools = current().values()
    return tools if isinstance(tools, Toolbox) else Toolbox(tools)


def _files(paths: Sequence[Any], toolbox: Toolbox, *, may_search: bool) -> tuple[tuple[Part, ...], Toolbox]:
    """Return files as parts of the prompt, and the tools, among them one that searches the files that are long.

    A prompt that says which tools it has, or that it has none, gets no other: its files go whole.
    """
    if not paths or not may_search:
        return attach_files(paths), toolbox
    from ..context.searched_files import attach_or_search

    parts, tool = attach_or_search(paths)
    return parts, toolbox if tool is None else Toolbox([*toolbox, tool], limit=toolbox.limit)


def _shape(form: Any, namespace: Mapping[str, Any]) -> Shape | None:
    if form is None or form == "":
        return None
    return Shape.named(form, namespace) if isinstance(form, str) else Shape(form)


def _window(defaults: Defaults, model: str, *, may_ask: bool) -> Callable[[Conversation], int]:
    """Return what gives the tokens of the model's context: as set, else as the endpoint says, once a thread is long."""

    def window(conversation: Conversation) -> int:
        # The hosted service does not say what its models take, and to ask an engine costs a request before the first
        # token.
        if defaults.window or defaults.hosted or tokens_of(conversation.messages) < _LONG:
            return defaults.window
        return defaults.known_window(model) if may_ask else 0

    return window
