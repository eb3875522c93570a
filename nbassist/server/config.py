"""What a server is made with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .hosted.interpreter.sandbox import Sandbox
from .runs.upstream import Upstream

_MIB = 1024 * 1024
LOCAL = "local"


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What one server takes, and how long it waits.

    Parameters
    ----------
    body_bytes, file_bytes : int
        The largest JSON body, and the largest upload.
    body_items : int
        The most messages of one request, and parts of them together.
    body_values : int
        The most values of a JSON body, all told: commas and opening brackets outside its strings.
    connections : int
        How many are kept; beyond, one that has said nothing goes.
    header_seconds, idle_seconds : float
        How long a client may take for the head of a request, and how long a connection is kept between two.
    body_seconds, write_seconds : float
        How long a client may take to send its body, and to take one piece of a stream.
    silent_seconds : float
        After how long a stream in which nothing happens gets a comment, so that nothing on the way takes it for dead.
    run_seconds : int
        The life of a run, from its creation; the hosted service gave 600.
    active_runs : int
        How many runs are worked on at a time; more stay queued.
    lease_seconds : float
        How long a run belongs to a server that no longer says that it lives.
    sweep_seconds : float
        How often a server renews its leases, writes what replies have grown by, for clients that poll, and looks for
        runs that expired, or whose server died.
    """

    body_bytes: int = 16 * _MIB
    file_bytes: int = 64 * _MIB
    body_items: int = 10_000
    body_values: int = 500_000
    connections: int = 256
    header_seconds: float = 10.0
    idle_seconds: float = 30.0
    body_seconds: float = 60.0
    write_seconds: float = 60.0
    silent_seconds: float = 10.0
    run_seconds: int = 600
    active_runs: int = 64
    # Ten times as long as the pause between renewals, so that a server under load does not lose its runs.
    lease_seconds: float = 10.0
    sweep_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """All that `create_app` needs.

    Parameters
    ----------
    token : str
        What clients send as their key; never empty.
    store_url : str
        A URL of SQLAlchemy: `sqlite:///FILE` or `postgresql+psycopg://…`.
    upstream : Upstream
        Where the model is.
    allowed_hosts : tuple of str
        Names, without port, beside those of the loopback, under which the server may be asked; with `*` for any part;
        networks, such as `10.0.0.0/8`, for those who ask by address.
    allowed_origins : tuple of str
        Origins, such as `https://lab.example.org`, whose pages may call it, with `*` for any part; none by default.
    proxies : tuple of str
        Addresses and networks of reverse proxies, whose forwarded headers are believed; none by default.
    per_minute : int
        How many requests each token may make in a minute; 0 for any number.
    workers : int
        How many processes serve together, among which a token's requests are divided.
    model_map : tuple of (pattern, name)
        Which model of the upstream stands for the models that a client names; the first pattern that matches counts.
    hosted_tools : {"keep", "ignore", "refuse"}
        Whether what names a tool that this server does not run is kept and answered without, or refused; `ignore`
        keeps, too, what names files and vector stores that are not here.
    embeddings : str
        What gives chunks of files their vectors: a model of the upstream's; `LOCAL` for the local engine; empty for
        nothing: files are found by their words.
    interpreter : Sandbox, optional
        In what `code_interpreter` runs; None where it is not here.
    pass_through : bool
        Whether other paths below `/v1` are handed to the upstream.
    metrics : bool
        Whether `/metrics` is there; like all else but `/health`, it wants a token.
    exit_when_idle : float, optional
        Seconds without an open lease and without an active run after which `on_idle` is called; None for never.
    """

    token: str
    store_url: str
    upstream: Upstream
    limits: ServerLimits = ServerLimits()
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    per_minute: int = 0
    workers: int = 1
    model_map: tuple[tuple[str, str], ...] = ()
    hosted_tools: Literal["keep", "ignore", "refuse"] = "keep"
    embeddings: str = ""
    interpreter: Sandbox | None = None
    pass_through: bool = False
    metrics: bool = False
    exit_when_idle: float | None = None

    @property
    def own_tools(self) -> tuple[str, ...]:
        """Those of the hosted service's tools that this server runs itself."""
        return ("file_search",) if self.interpreter is None else ("file_search", "code_interpreter")

    def __post_init__(self) -> None:
        if not self.token:
            raise ValueError("the server needs a token")
