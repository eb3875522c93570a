"""`Assistant`: a prompt in, the reply out; puts a backend, a toolbox and a view together for a run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from copy import copy
from typing import TYPE_CHECKING, Any

from .asking import Asking, Prepared, Tools
from .backends import Backend, connect
from .conversation import Conversation
from .events import Event
from .journal import Journal
from .journal.cache import Store
from .launch import Launch, View
from .messages import Request
from .prices import price_of
from .reply import Reply
from .run import Limits
from .settings import Settings, resolve
from .threads import Threads
from .threads.keeping import KeptRun, Run
from .tools import Ask

if TYPE_CHECKING:
    from .local.launcher import Endpoint

__all__ = ["Assistant", "Reply", "Tools", "View"]


class Assistant:
    """An assistant at one endpoint, with threads of its own.

    Parameters
    ----------
    backend, base_url, api_key, model : str
        Where it goes; what is empty is settled by `nbassist.settings`, and by the embedded server in the end. A
        `Backend` in place of a name is used as it is; `nbassist.testing` has one for tests.
    profile : str
        An endpoint by name, or its URL; see `nbassist.profiles`.
    instructions : str
        The system prompt; may be empty.
    tools : Toolbox or iterable of functions, optional
        What the model may call. None for all functions marked `@tool`, at each prompt anew; an empty one for none.
    max_turns : int
        Requests to the model in one run; the last is asked to answer without tools.
    nudge_after, stop_after : int
        How often the same call may come in one run before the model is told so, and before the run is stopped.
    ask : callable, optional
        Asks about calls that need approval: takes an `ApprovalAsked`, returns an `ApprovalAnswered`. None to ask the
        person by the view's buttons or by `input()`; where no one sits there, such calls are denied.
    approval : {"ask", "allow", "deny"}
        What is done with calls that need approval.
    parameters : mapping, optional
        Further parameters of the model, by their names on the wire.
    settings : Settings, optional
        Already settled, in place of the first five.
    window : int
        Tokens of the model's context; older turns that do not fit are left out, and that is told. 0 to go by what the
        endpoint says.
    threads : Threads, optional
        The conversations by name; one, in memory alone, by default.
    journal : Journal, optional
        Where each run is written; None for nowhere.
    replies : Store, optional
        Where replies are kept to be given again: the journal by default, or a `nbassist.journal.replies.ReplyFile`.
    cache : {"off", "auto", "refresh", "replay"}
        How kept replies are used; see `nbassist.journal.cache`.
    timed : bool
        Whether a kept reply takes the time again that it took; else it comes at once.

    Raises
    ------
    SettingsError
        Where nothing usable is configured.
    """

    def __init__(
        self,
        *,
        backend: str | Backend = "",
        base_url: str = "",
        api_key: str = "",
        model: str = "",
        profile: str = "",
        instructions: str = "",
        tools: Tools | None = None,
        max_turns: int = 10,
        nudge_after: int = 3,
        stop_after: int = 5,
        ask: Ask | None = None,
        approval: str = "ask",
        parameters: Mapping[str, Any] | None = None,
        settings: Settings | None = None,
        threads: Threads | None = None,
        window: int = 0,
        journal: Journal | None = None,
        replies: Store | None = None,
        cache: str = "off",
        timed: bool = False,
    ) -> None:
        if not isinstance(backend, str):
            settings = Settings(backend.name, f"object:{backend.name}", model=model, free=True)
        self.settings = settings or resolve(
            arguments={
                "profile": profile,
                "backend": str(backend),
                "base_url": base_url,
                "api_key": api_key,
                "model": model,
            }
        )
        self.instructions = instructions
        self.tools = tools
        self.limits = Limits(max_turns, nudge_after, stop_after)
        self.ask_person = ask
        self.approval = approval
        self.parameters = dict(parameters or {})
        self.window = window
        self.journal = journal
        self.replies = replies
        self.cache = cache
        self.timed = timed
        self.threads = Threads() if threads is None else threads
        self._backend: Backend | None = None if isinstance(backend, str) else backend
        self._stands = not isinstance(backend, str)
        self._endpoint: Endpoint | None = None
        self._windows: dict[tuple[str, str], int] = {}
        self.batch = False
        self.took = 0.0

    def __repr__(self) -> str:
        where = self.settings.base_url or "the embedded server"
        return f"<Assistant at {where}, {len(self.conversation)} messages>"

    @property
    def conversation(self) -> Conversation:
        """The current thread: what `ask` goes on from, unless another is named."""
        return self.threads[""]

    @property
    def backend(self) -> Backend:
        """The backend, connected on first use; the embedded server is started or found again at each use.

        Raises
        ------
        LocalUnavailableError
            Where the embedded server can't start.
        BackendError
            Where the endpoint has to be asked what it speaks, and does not answer.
        """
        if self._backend is not None and self._stands:
            return self._backend
        if self.settings.local:
            from .local.launcher import ensure

            endpoint = ensure()
            if self._backend is None or self._endpoint != endpoint:
                self._backend = connect("assistants", endpoint.base_url, endpoint.token)
                self._endpoint = endpoint
        elif self._backend is None:
            self._backend = connect(self.settings.backend, self.settings.base_url, self.settings.api_key)
        return self._backend

    @property
    def connected(self) -> bool:
        """Whether `backend` is there at once; the embedded server is looked for at each use."""
        return self._backend is not None and (self._stands or not self.settings.local)

    def answered_by(self, backend: Backend, *, batch: bool = False, took: float = 0.0) -> Assistant:
        """Return this assistant with another backend in the place of its endpoint's: what was asked another way.

        `batch` says that it was asked through the Batch API, which has prices of its own, `took` how many seconds that
        was, where it is known: the journal keeps them.
        """
        other = copy(self)
        other._backend, other._stands, other.batch, other.took = backend, True, batch, took
        return other

    def known_window(self, model: str) -> int:
        """Return the tokens of a model's context, as the endpoint says; 0 where it does not. It is asked once."""
        where = (Launch.where(self.settings), model)
        if where not in self._windows:
            self._windows[where] = self.backend.window(model)
        return self._windows[where]

    def ask(self, prompt: str, *, view: View | None = None, **options: Any) -> Reply:
        """Ask, run the tools that the model calls, and return when the answer is there.

        Parameters
        ----------
        prompt : str
            What to say to the model.
        view : View, optional
            Shows the run while it goes on.
        **options
            For this prompt alone: the fields of `nbassist.asking.Asking`, such as `thread`, `model`, `instructions`,
            `tools`, `parameters`, `reasoning`, `see`, `images`, `files`, `as_`, `namespace`.

        Returns
        -------
        Reply
            Also after an interrupt, a cut or a failure in the middle: what came is in it, and `finish` says how it
            ended.

        Raises
        ------
        NbassistError
            Where nothing came at all.
        """
        return _run(self._begin(prompt, options, view), view)

    def resume(self, *, view: View | None = None, **options: Any) -> Reply:
        """Read on the reply that was left in a thread, from its first event, and go on as `ask` does.

        Parameters
        ----------
        view : View, optional
            Shows the run while it goes on.
        **options
            As for `ask`; `thread` says which, and what the endpoint was asked stays as it was.

        Raises
        ------
        NbassistError
            Where no reply was left, or the endpoint does not have it any more.
        """
        return _run(self._begin("", options, view, resume=True), view)

    async def aresume(self, *, view: View | None = None, **options: Any) -> Reply:
        """As `resume`, on the running event loop."""
        return await _arun(self._begin("", options, view, resume=True), view)

    async def aask(self, prompt: str, *, view: View | None = None, **options: Any) -> Reply:
        """Ask as `ask` does, on the running event loop; a cancelled task leaves a valid conversation."""
        return await _arun(self._begin(prompt, options, view), view)

    def stream(self, prompt: str, **options: Any) -> Iterator[Event]:
        """Ask as `ask` does, and yield each event as it happens; closing the iterator ends the run."""
        return self._begin(prompt, options).drive()

    def astream(self, prompt: str, **options: Any) -> AsyncIterator[Event]:
        """As `stream`, on the running event loop."""
        return self._begin(prompt, options).adrive()

    def open(self, held: str, name: str = "") -> Conversation:
        """Take a thread that the endpoint holds, by its id, in as one of ours, and go on with it.

        Parameters
        ----------
        held : str
            The id of a thread (Assistants) or a conversation (Responses).
        name : str
            What it is to be called; its id by default.

        Raises
        ------
        ConversationError
            Where the endpoint has no such thread, or keeps none.
        """
        messages, cursor = self.backend.open(held)
        conversation = Conversation(name or held, tuple(messages))
        conversation.settle(Launch.where(self.settings))
        conversation.keep_cursor(cursor)
        return self.threads.adopt(conversation, name or held)

    def preview(self, prompt: str, **options: Any) -> tuple[Request, str]:
        """Return the request that `ask` would begin with, and the key under which its reply is kept, asking nothing.

        The options are those of `ask`. The key is empty where replies are kept nowhere.
        """
        asking = Asking.of(options)
        conversation = self.threads[asking.thread] if asking.conversation is None else asking.conversation
        return Launch(self, Prepared.of(prompt, asking), None).preview(conversation.fork())

    def _begin(
        self,
        prompt: str,
        options: Mapping[str, Any],
        view: View | None = None,
        *,
        resume: bool = False,
    ) -> Run:
        asking = Asking.of(options)
        price_of("")  # a table that is broken is told before anything is asked
        prepared = Prepared.of(prompt, asking)
        launch = Launch(self, prepared, view, resume)
        if asking.conversation is not None:
            return launch.driver(asking.conversation, asking.note)

        def make(conversation: Conversation, note: str, after: Callable[[Event], None]) -> Run:
            return launch.driver(conversation, note or asking.note, after)

        return KeptRun(self.threads.hold(asking.thread, cell=asking.cell, turn=asking.turn), make)


def _run(run: Run, view: View | None) -> Reply:
    events = run.drive()
    event = next(events, None)
    while event is not None:
        try:
            if view is not None:
                view.apply(event)
            event = next(events, None)
        except KeyboardInterrupt:
            # It came while the view was at work; the run has to hear of it all the same.
            event = _throw_into(events)
    return run.reply()


async def _arun(run: Run, view: View | None) -> Reply:
    async for event in run.adrive():
        if view is not None:
            view.apply(event)
    return run.reply()


def _throw_into(events: Iterator[Event]) -> Event | None:
    try:
        event: Event = events.throw(KeyboardInterrupt())  # type: ignore[attr-defined]  # it is a generator
    except StopIteration:
        return None
    return event
