"""`Assistant`: a prompt in, the reply out; puts a backend, a toolbox and a view together for a run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from copy import copy
from typing import TYPE_CHECKING, Any, Unpack

from .backends import Backend, connect
from .backends.provider_quirks import is_hosted
from .config.prices import dollars, price_of
from .config.settings import Settings, resolve
from .core.conversation import Conversation
from .core.events import Event, Usage
from .core.messages import Request
from .core.protocols import View
from .errors import SettingsError
from .journal import Journal, Recording, entry_of
from .journal.cache import CachedBackend, CacheMode, Store, check_mode
from .reply import RecordedRun, Recorder, Reply
from .run.driver import Driver
from .run.flow import Limits
from .run.meter import Budget, Paid
from .run.options import PromptOptions, Tools, by_name, complete, spelled_out
from .run.run_lock import beside
from .run.short_tracebacks import astream_bare, bare_errors, stream_bare
from .run.spec import RunSpec, make_spec
from .threads import Threads
from .threads.stored_run import KeptRun
from .tools import Ask

if TYPE_CHECKING:
    from .server.launcher import Endpoint

__all__ = ["Assistant", "Reply", "Tools", "View"]


@by_name
class Assistant:
    """An assistant at one endpoint, with threads of its own.

    Parameters
    ----------
    backend, base_url, api_key, model : str
        Where it goes; what is empty is settled by `nbassist.config.settings`, and by the embedded server in the end. A
        `Backend` in place of a name is used as it is; `nbassist.testing` has one for tests.
    profile : str
        An endpoint by name, or its URL; see `nbassist.config.profiles`.
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
    budget : float or Budget
        US dollars that it may spend, from now on; 0 for no limit. What would pass it is not asked.

    Raises
    ------
    SettingsError
        Where nothing usable is configured.
    UsageError
        Where an argument is not known, with the nearest that is.
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
        budget: float | Budget = 0.0,
    ) -> None:
        # A backend that is given goes where it goes: neither the environment nor a profile has a say.
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
        self.budget = budget if isinstance(budget, Budget) else Budget(budget)
        self.batch, self.took = False, 0.0

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
            from .server.launcher import ensure

            # At each use: the server ends by itself when nobody needs it, and another then has another port and token.
            endpoint = ensure()
            if self._backend is None or self._endpoint != endpoint:
                self._backend = connect("assistants", endpoint.base_url, endpoint.token)
                self._endpoint = endpoint
        elif self._backend is None:
            self._backend = self._connected()
        return self._backend

    def _connected(self) -> Backend:
        settings = self.settings
        return connect(settings.backend, settings.base_url, settings.api_key, settings.access)

    @property
    def connected(self) -> bool:
        """Whether `backend` is there at once; the embedded server is looked for at each use."""
        return self._backend is not None and (self._stands or not self.settings.local)

    def answered_by(self, backend: Backend, *, batch: bool = False, took: float = 0.0) -> Assistant:
        """Return this assistant with another backend in the place of its endpoint's: what was asked another way.

        `batch` says that it was asked through the Batch API, which has prices of its own, `took` how many seconds that
        was, where it is known: the journal keeps them.
        """
        # Shallow: it is the same assistant to the person, with the same threads and journal.
        other = copy(self)
        other._backend, other._stands, other.batch, other.took = backend, True, batch, took
        other.budget = Paid(self.budget)
        return other

    @property
    def model(self) -> str:
        """The model that is asked where a prompt names none; empty for the endpoint's own choice."""
        return self.settings.model

    @property
    def home(self) -> str:
        """What tells this endpoint from others: the protocol and the URL."""
        return f"{self.settings.backend} {self.settings.base_url or 'local'}"

    @property
    def hosted(self) -> bool:
        """Whether the endpoint is the hosted service itself."""
        return is_hosted(self.settings.base_url)

    def known_window(self, model: str) -> int:
        """Return the tokens of a model's context, as the endpoint says; 0 where it does not. It is asked once."""
        where = (self.home, model)
        if where not in self._windows:
            self._windows[where] = self.backend.window(model)
        return self._windows[where]

    def price(self, model: str, usage: Usage) -> float | None:
        """Return US dollars, None where unknown; an engine on one's own machine costs nothing."""
        if self.settings.free:
            return 0.0
        try:
            return dollars(model, usage, batch=self.batch)
        except SettingsError:  # broken since the run began, which checked it; the reply goes before its price
            return None

    @spelled_out
    def ask(self, prompt: str, *, view: View | None = None, **options: Unpack[PromptOptions]) -> Reply:
        """Ask, run the tools that the model calls, and return when the answer is there.

        Parameters
        ----------
        prompt : str
            What to say to the model.
        view : View, optional
            Shows the run while it goes on.
        **options
            For this prompt alone; see `nbassist.run.options.PromptOptions`.

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
        with bare_errors():
            return self._begin(prompt, options, view).to_reply()

    @spelled_out
    def resume(self, *, view: View | None = None, **options: Unpack[PromptOptions]) -> Reply:
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
        with bare_errors():
            return self._begin("", options, view, resume=True).to_reply()

    @spelled_out
    async def aresume(self, *, view: View | None = None, **options: Unpack[PromptOptions]) -> Reply:
        """As `resume`, on the running event loop."""
        with bare_errors():
            return await self._begin("", options, view, resume=True).to_reply_async()

    @spelled_out
    async def aask(self, prompt: str, *, view: View | None = None, **options: Unpack[PromptOptions]) -> Reply:
        """Ask as `ask` does, on the running event loop; a cancelled task leaves a valid conversation.

        Several at once are fine: the first goes on with the thread, and while it runs each of the others is asked on a
        fork from before it, which only its own `Reply` knows of.
        """
        with bare_errors():
            return await self._begin(prompt, beside(self.threads, options), view).to_reply_async()

    @spelled_out
    def stream(self, prompt: str, **options: Unpack[PromptOptions]) -> Iterator[Event]:
        """Ask as `ask` does, and yield each event as it happens; closing the iterator ends the run."""
        return stream_bare(self._begin(prompt, options).run.drive())

    @spelled_out
    def astream(self, prompt: str, **options: Unpack[PromptOptions]) -> AsyncIterator[Event]:
        """As `stream`, on the running event loop."""
        return astream_bare(self._begin(prompt, beside(self.threads, options)).run.adrive())

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
        conversation.settle(self.home)
        conversation.keep_cursor(cursor)
        return self.threads.adopt(conversation, name or held)

    @spelled_out
    def preview(self, prompt: str, **options: Unpack[PromptOptions]) -> tuple[Request, str]:
        """Return the request that `ask` would begin with, and the key under which its reply is kept, asking nothing.

        The options are those of `ask`. The key is empty where replies are kept nowhere.
        """
        said = complete(options)
        spec = make_spec(prompt, said, self)
        conversation = said["conversation"]
        conversation = self.threads[said["thread"]] if conversation is None else conversation
        # On a fork: beginning a run adds the prompt to its conversation.
        request = Driver(spec, conversation.fork(), self._connect(spec)).preview()
        store = self._store
        return request, self._cached(spec, store, "auto").key(request) if store else ""

    def _begin(
        self, prompt: str, options: Mapping[str, Any], view: View | None = None, *, resume: bool = False
    ) -> RecordedRun:
        """Make the run of a prompt, on the conversation or thread that it names, with all who hear of its events."""
        said = complete(options)
        price_of("")  # a table that is broken is told before anything is asked
        spec = make_spec(prompt, said, self, view, resume=resume)
        recorder = Recorder()

        def make(conversation: Conversation, note: str = "", keep: Callable[[Event], None] | None = None) -> Driver:
            told: list[Callable[[Event], None]] = [recorder.add]
            if keep is not None:
                told.append(keep)  # first the thread on disk, then the journal: what is lost last is what is said
            if self.journal is not None and not spec.off:
                shelf = self.threads.shelf
                entry = entry_of(spec, conversation, notebook=shelf.notebook if shelf else "", seconds=self.took)
                told.append(Recording(self.journal, entry).take)

            def listen(event: Event) -> None:
                for one in told:
                    one(event)

            # A kept reply needs no endpoint, so none is started for the sake of it.
            def ready() -> bool:
                return self.connected or self._mode(spec) != "off"

            return Driver(spec, conversation, self._connect(spec), ready=ready, note=note, listen=listen)

        if (conversation := said["conversation"]) is not None:
            return RecordedRun(make(conversation), recorder, spec, view)
        hold = self.threads.hold(said["thread"], cell=said["cell"], turn=said["turn"])
        return RecordedRun(KeptRun(hold, make), recorder, spec, view)

    def _connect(self, spec: RunSpec) -> Callable[[], Backend]:
        """Return what gives the endpoint, behind the replies that are kept where they are to be used."""
        mode, store = self._mode(spec), self._store
        if mode == "off" or store is None:
            return lambda: self.backend
        return lambda: self._cached(spec, store, mode)

    def _mode(self, spec: RunSpec) -> CacheMode:
        mode = check_mode(spec.cache)
        # A reply that is left goes on at the endpoint and is never whole here, so there is nothing to keep; `replay`
        # asks nobody, and has nothing to leave.
        return "off" if self._store is None or (spec.leave and mode != "replay") else mode

    @property
    def _store(self) -> Store | None:
        """Where replies are kept; None for nowhere."""
        return self.journal if self.replies is None else self.replies

    def _cached(self, spec: RunSpec, store: Store, mode: CacheMode) -> CachedBackend:
        return CachedBackend(
            lambda: self.backend,
            store,
            mode,
            ready=lambda: self.connected,
            endpoint=spec.home,
            repeat=spec.repeat,
            timed=self.timed,
        )
