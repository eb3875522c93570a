"""`nbassist serve` and `nbassist model`."""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..errors import LocalUnavailableError, ModelFileError, UsageError
from . import model
from .process import state_folder, write_private

if TYPE_CHECKING:
    from .engine import Engine
    from .upstream import Upstream

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def add_commands(commands: Any) -> None:
    """Add them to the subparsers of a command line."""
    _add_serve(commands.add_parser("serve", help="run the Assistants server"))
    _add_model(commands.add_parser("model", help="get, find and list model files"))


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.description = "Run the Assistants v2 server; its base URL is the first line it prints."
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="0, the default, for a free one")
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="a further name it is asked by"
    )
    parser.add_argument("--upstream", default="local", metavar="URL", help="a Chat Completions endpoint, or `local`")
    parser.add_argument("--upstream-key-env", default="", metavar="NAME", help="the variable that holds its key")
    parser.add_argument("--upstream-model", default="", metavar="NAME", help="the model for requests that name none")
    parser.add_argument("--store", default="", metavar="URL", help="a URL of SQLAlchemy, or the path of a SQLite file")
    parser.add_argument("--model-file", default="", metavar="PATH", help="a GGUF file, or hf:OWNER/NAME:FILE.gguf")
    parser.add_argument("--threads", type=int, default=0, help="of the engine; 0 for all cores but one")
    parser.add_argument("--context", type=int, default=0, help="tokens of the engine's context")
    parser.add_argument("--log-level", default="warning", choices=["critical", "error", "warning", "info", "debug"])
    parser.add_argument(
        "--exit-when-idle", type=float, default=None, metavar="SECONDS", help="end when nobody needs it"
    )
    parser.set_defaults(run=serve)


def _add_model(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="get | path | list")
    for name, run, help_ in (
        ("get", get, "fetch a model, and print its path"),
        ("path", path, "print the path of a model that is here"),
    ):
        action = actions.add_parser(name, help=help_)
        action.add_argument("model", nargs="?", default="", help="hf:OWNER/NAME:FILE.gguf; the default model without")
        action.set_defaults(run=run)
    actions.add_parser("list", help="list the models that are here").set_defaults(run=list_)


def serve(options: argparse.Namespace) -> None:
    """Run the server until a signal comes, or nobody needs it."""
    try:
        from .config import ServerConfig
        from .serve import serve as run
    except ImportError as error:
        raise LocalUnavailableError(f"the server is not installed ({error}): pip install 'nbassist[local]'") from error
    upstream = _upstream(options)
    token, origin = _token()
    config = ServerConfig(
        token=token,
        store_url=_store(options.store),
        upstream=upstream,
        allowed_hosts=(*options.allow_host, *([] if options.host in _LOOPBACK else [options.host])),
        exit_when_idle=options.exit_when_idle,
    )

    _open_store(config.store_url)

    def ready(base_url: str) -> None:
        _say(base_url)
        _say(f"token: {origin}")
        _note_without_model(options)

    try:
        asyncio.run(run(config, options.host, options.port, ready, log_level=options.log_level))
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise LocalUnavailableError(f"can't listen on {options.host}:{options.port}: {why}") from error
    finally:
        close = getattr(upstream, "close", None)
        if close is not None:
            close()


def _upstream(options: argparse.Namespace) -> Upstream | Engine:
    from .upstream import UrlUpstream

    name = options.upstream_key_env
    if options.upstream != "local":
        if not _is_http(options.upstream):
            raise UsageError(f"--upstream is a URL or `local`, not {options.upstream!r}")
        key = os.environ.get(name, "").strip() if name else ""
        if name and not key:
            raise UsageError(f"--upstream-key-env names {name}, which is not set")
        if not (key.isascii() and key.isprintable()):
            raise UsageError(f"--upstream-key-env names {name}, whose value can't be a key: no HTTP header takes it")
        return UrlUpstream(options.upstream, key, options.upstream_model)
    if name:
        raise UsageError("--upstream-key-env goes with --upstream URL")
    from .engine import CONTEXT, Engine

    return Engine(
        _model_of(options),
        threads=options.threads,
        context=options.context or CONTEXT,
    )


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _store(given: str) -> str:
    if "://" in given:
        return given
    if given:
        file = Path(given).expanduser().absolute()
    else:
        from platformdirs import user_data_path

        file = user_data_path("nbassist", appauthor=False) / "assistants.sqlite3"
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return f"sqlite:///{file}"


def _open_store(url: str) -> None:
    """Open the store once before the server does, so that what is wrong with it is one line."""
    from sqlalchemy.exc import SQLAlchemyError

    from .store.database import Database

    try:
        Database(url).close()
    except ModuleNotFoundError as error:  # the driver that the URL names
        extra = "pip install 'nbassist[postgres]'" if error.name == "psycopg" else f"pip install {error.name}"
        raise LocalUnavailableError(f"the store can't be opened, {error.name} is not installed: {extra}") from error
    except (SQLAlchemyError, ImportError) as error:
        raise LocalUnavailableError(f"the store can't be opened: {getattr(error, 'orig', None) or error}") from error


def _note_without_model(options: argparse.Namespace) -> None:
    """Say at the start what each run would fail with: a server without its model runs, for one may be fetched yet."""
    if options.upstream != "local":
        return
    try:
        model.locate(_model_of(options))
    except ModelFileError as error:
        sys.stderr.write(f"note: {error}; until then every run fails\n")


def _model_of(options: argparse.Namespace) -> str:
    return str(options.model_file or os.environ.get("NBASSIST_MODEL_FILE", ""))


def _token() -> tuple[str, str]:
    """Return the server's token and where it came from; one that is made is kept for the next start.

    A kept one that others may have read is replaced.
    """
    token = os.environ.get("NBASSIST_SERVE_TOKEN", "").strip()
    if token:
        return token, "that of NBASSIST_SERVE_TOKEN"
    file = state_folder() / "serve.token"
    try:
        is_private = os.name == "nt" or not file.stat().st_mode & 0o077
        token = file.read_text(encoding="ascii").strip() if is_private else ""
    except (OSError, ValueError):
        token = ""
    if not token:
        token = secrets.token_urlsafe(32)
        write_private(file, token)
    return token, f"in {file}"


def get(options: argparse.Namespace) -> None:
    """Fetch a model."""
    from .download import get as fetch

    bar = _Bar()
    try:
        found = fetch(options.model, bar)
    finally:
        bar.end()
    _say(str(found))


def path(options: argparse.Namespace) -> None:
    """Print where a model is; one that is cut or altered is an error."""
    _say(str(model.usable(options.model or os.environ.get("NBASSIST_MODEL_FILE", ""))))


def list_(options: argparse.Namespace) -> None:
    """Print each model file in the cache with its size; the default model is marked."""
    files = model.installed()
    if not files:
        sys.stderr.write(f"no model in {model.folder()}: run `nbassist model get`\n")
    for file in files:
        mark = "  (default)" if file.name == model.DEFAULT.name else ""
        _say(f"{file.stat().st_size / 1e9:6.2f} GB  {file}{mark}")


class _Bar:
    """One line on standard error, written over on a terminal, and now and then elsewhere."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._next = 0.0
        self._words = ""
        self._open = False

    def __call__(self, words: str, done: int, total: int, /) -> None:
        now = time.monotonic()
        if words == self._words and now < self._next and not (total and done >= total):
            return
        self._words, self._next = words, now + (0.2 if self._terminal else 10.0)
        share = f"{done / total:4.0%} of {total / 1e9:.2f} GB" if total else f"{done / 1e6:.0f} MB"
        line = f"{words}: {share}"
        sys.stderr.write(f"\r{line:<60}" if self._terminal else f"{line}\n")
        sys.stderr.flush()
        self._open = self._terminal

    def end(self) -> None:
        """Leave the line."""
        if self._open:
            sys.stderr.write("\n")
            self._open = False


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
