"""What a server is made with."""

from __future__ import annotations

from dataclasses import dataclass

from .upstream import Upstream

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server takes, and how long it waits.

    Parameters
    ----------
    body_bytes, file_bytes : int
        The largest JSON body, and the largest upload.
    body_seconds, write_seconds : float
        How long a client may take to send its body, and to take one piece of a stream.
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
    body_seconds: float = 60.0
    write_seconds: float = 60.0
    run_seconds: int = 600
    active_runs: int = 64
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
        Names, without port, beside those of the loopback, under which the server may be asked.
    allowed_origins : tuple of str
        Origins, such as `https://lab.example.org`, whose pages may call it; none by default.
    exit_when_idle : float, optional
        Seconds without an open lease and without an active run after which `on_idle` is called; None for never.
    """

    token: str
    store_url: str
    upstream: Upstream
    limits: Limits = Limits()
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    exit_when_idle: float | None = None

    def __post_init__(self) -> None:
        if not self.token:
            raise ValueError("the server needs a token")
