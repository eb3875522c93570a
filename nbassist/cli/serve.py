"""`nbassist serve`."""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..core.installing import pip_install
from ..errors import LocalUnavailableError, ModelFileError, UsageError
from ..server.engine import model
from ..server.process import state_folder, usual_store, write_private

if TYPE_CHECKING:
    from ..server.config import ServerConfig
    from ..server.engine.llama_cpp import Engine
    from ..server.hosted.interpreter.sandbox import Sandbox
    from ..server.runs.upstream import Upstream

# Names that the server knows by itself; any other that it listens on has to be allowed as a Host.
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_VARIABLES = "NBASSIST_SERVE_"


def add_serve(commands: Any) -> None:
    """Add it to the subparsers of a command line."""
    parser = commands.add_parser("serve", help="run the Assistants server")
    parser.description = "Run the Assistants v2 server; its base URL is the first line it prints."
    parser.epilog = f"Each option can be given as a variable, too: {_VARIABLES}PORT for --port; a list with spaces."
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="where to listen (default: %(default)s)")
    add("--port", type=int, default=0, help="0, the default, for a free one")
    add("--upstream", default="local", metavar="URL", help="a Chat Completions endpoint, or `local`")
    add("--upstream-key-env", default="", metavar="NAME", help="the variable that holds its key")
    add("--upstream-model", default="", metavar="NAME", help="the model for names that the upstream does not have")
    _repeated(add, "--model-map", "NAME=MODEL", "the upstream's model for a name, or for all like 'gpt-4*'; repeatable")
    hosted = (
        "code_interpreter where it does not run: `keep` and answer without it (the default), `ignore` also files and "
        "vector stores that are not here, or `refuse` what names it"
    )
    add("--hosted-tools", default="keep", choices=["keep", "ignore", "refuse"], help=hosted)
    embeddings = (
        "what gives files their vectors: a model of the upstream's, `local` for the small model of `nbassist model get "
        "embeddings`, or `none`, for their words alone; without it, the small model where it is here"
    )
    add("--embeddings", default="", metavar="MODEL", help=embeddings)
    interpreter = (
        "run code of the model's in a sandbox (Linux with bubblewrap, or 6.12); refuses to start where it does not "
        "hold; `unsafe` for no sandbox at all"
    )
    add("--code-interpreter", nargs="?", const="sandbox", default="", metavar="unsafe", help=interpreter)
    add("--interpreter-python", default="", metavar="PATH", help="the Python in it, which needs ipykernel")
    add("--interpreter-user", default="", metavar="NAME", help="who runs it, where the server is root (nobody)")
    add("--pass-through", action="store_true", help="hand other paths, such as /v1/embeddings, to the upstream")
    add("--store", default="", metavar="URL", help="a URL of SQLAlchemy, or the path of a SQLite file")
    add("--workers", type=int, default=1, metavar="N", help="how many processes serve (default: %(default)s)")
    _repeated(add, "--allow-host", "NAME", "a further name it is asked by; `*.example.org`, `10.0.0.0/8`; repeatable")
    _repeated(add, "--allow-origin", "ORIGIN", "an origin whose pages may ask it, such as https://app.example.org")
    _repeated(add, "--proxy", "ADDRESS", "a reverse proxy, or a network of them, whose forwarded headers count")
    add("--rate", type=int, default=0, metavar="N", help="requests a minute for each token; 0, the default, for any")
    add("--metrics", action="store_true", help="keep figures for Prometheus at /metrics")
    add("--model-file", default="", metavar="PATH", help="a GGUF file, or hf:OWNER/NAME:FILE.gguf")
    add("--threads", type=int, default=0, help="of the engine; 0 for all cores but one")
    add("--context", type=int, default=0, help="tokens of the engine's context")
    add("--log-level", default="warning", choices=["critical", "error", "warning", "info", "debug"])
    add("--log-format", default="text", choices=["text", "json"], help="json for one object a line")
    add("--exit-when-idle", type=float, default=None, metavar="SECONDS", help="end when nobody needs it")
    parser.set_defaults(run=serve, **_from_environment(parser, os.environ))


def _repeated(add: Any, name: str, metavar: str, help_: str) -> None:
    add(name, action=_Listed, default=[], metavar=metavar, help=help_)


class _Listed(argparse.Action):
    """A list that the command line begins anew, whatever the environment gave."""

    def __call__(
        self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: str | None = None
    ) -> None:
        held = getattr(namespace, self.dest)
        setattr(namespace, self.dest, [*([] if held is self.default else held), values])


def _from_environment(parser: argparse.ArgumentParser, environ: Any) -> dict[str, Any]:
    """Return the defaults that the environment gives; argparse reads text among them as on the command line."""
    found: dict[str, Any] = {}
    for action in parser._actions:
        text = environ.get(f"{_VARIABLES}{action.dest.upper()}", "").strip()
        if not text or action.dest == "help":
            continue
        if action.choices is not None and text not in action.choices:
            raise UsageError(f"{_VARIABLES}{action.dest.upper()} is one of {', '.join(action.choices)}, not {text!r}")
        if isinstance(action, argparse._StoreTrueAction):
            found[action.dest] = text.lower() not in ("0", "no", "false", "off")
        else:
            found[action.dest] = text.split() if isinstance(action, _Listed) else text
    return found


def serve(options: argparse.Namespace) -> None:
    """Run the server until a signal comes, or nobody needs it."""
    try:
        from ..server import worker_processes
        from ..server.serve import loop_factory
        from ..server.serve import serve as run
    except ImportError as error:
        raise LocalUnavailableError(f"the server is not installed ({error}): {pip_install('local')}") from error
    # Before the server: what is wrong with the command line is told before anything listens.
    upstream = _upstream(options)
    token, origin = _token()
    config = _config(options, upstream, token)
    open_store(config.store_url)

    def ready(base_url: str) -> None:
        _say(base_url)
        _say(f"token: {origin}")
        _note_without_model(options)

    log = {"log_level": options.log_level, "log_format": options.log_format}
    try:
        if options.workers > 1:
            worker_processes.serve(config, options.host, options.port, ready, **log)
            return
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(run(config, options.host, options.port, ready, **log))
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise LocalUnavailableError(f"can't listen on {options.host}:{options.port}: {why}") from error
    finally:
        # Only the engine has something to close: its threads, and the model's memory.
        close = getattr(upstream, "close", None)
        if close is not None:
            close()


def _config(options: argparse.Namespace, upstream: Upstream | Engine, token: str) -> ServerConfig:
    from ..server.access.host_allowlist import network
    from ..server.config import ServerConfig

    for name, values in (("--proxy", options.proxy), ("--allow-host", [h for h in options.allow_host if "/" in h])):
        for value in values:
            try:
                _ = value == "*" or network(value)
            except ValueError:
                raise UsageError(f"{name} is an address or a network such as 10.0.0.0/8, not {value!r}") from None
    if options.workers < 1:
        raise UsageError(f"--workers is 1 or more, not {options.workers}")
    if options.workers > 1 and options.upstream == "local":
        raise UsageError("--workers goes with --upstream URL: each process would load the local model for itself")
    if options.workers > 1 and options.exit_when_idle is not None:
        raise UsageError("--workers does not go with --exit-when-idle")
    if options.metrics:
        _check_metrics()
    return ServerConfig(
        token=token,
        store_url=store_url(options.store),
        upstream=upstream,
        allowed_hosts=(*options.allow_host, *([] if options.host in _LOOPBACK else [options.host])),
        allowed_origins=tuple(options.allow_origin),
        proxies=tuple(options.proxy),
        per_minute=options.rate,
        workers=options.workers,
        model_map=tuple(_mapping(text) for text in options.model_map),
        hosted_tools=options.hosted_tools,
        embeddings=_embeddings(options),
        interpreter=_interpreter(options),
        pass_through=options.pass_through,
        metrics=options.metrics,
        exit_when_idle=options.exit_when_idle,
    )


def _embeddings(options: argparse.Namespace) -> str:
    """Return what gives vectors, as the configuration has it; what is not here is refused where it is named."""
    from ..server.config import LOCAL

    wanted = str(options.embeddings)
    if wanted == "none":
        return ""
    if wanted not in ("", LOCAL) and options.upstream == "local":
        raise UsageError("--embeddings names a model of --upstream URL; with the local model it is `local` or `none`")
    missing = [name for name in ("numpy", "xllamacpp") if find_spec(name) is None]
    if wanted not in ("", LOCAL):
        if "numpy" in missing:
            raise LocalUnavailableError(f"--embeddings needs packages: {pip_install('files')}")
        return wanted
    try:
        model.locate("embeddings")
    except ModelFileError:
        if wanted:
            raise
        return ""
    if missing and wanted:
        raise LocalUnavailableError(f"--embeddings local needs packages: {pip_install('local')}")
    return "" if missing else LOCAL


def _interpreter(options: argparse.Namespace) -> Sandbox | None:
    """Return the sandbox of `--code-interpreter`, once it is shown that it holds here."""
    way = options.code_interpreter.lower()
    if way in ("", "0", "no", "false", "off"):
        if options.interpreter_python or options.interpreter_user:
            raise UsageError("--interpreter-python and --interpreter-user go with --code-interpreter")
        return None
    if find_spec("jupyter_client") is None:
        raise LocalUnavailableError(f"--code-interpreter needs packages: {pip_install('interpreter')}")
    from ..server.hosted.interpreter import escape_probes
    from ..server.hosted.interpreter.landlock import sandbox_here
    from ..server.hosted.interpreter.unsafe import WARNING, Unconfined

    if way not in ("unsafe", "sandbox", "1", "yes", "true", "on"):
        raise UsageError(f"--code-interpreter is said alone, or as --code-interpreter=unsafe, not {way!r}")
    given = options.interpreter_python or sys.executable, options.interpreter_user
    sandbox: Sandbox = Unconfined(*given)
    if way == "unsafe":
        sys.stderr.write(f"{WARNING}\n")
    else:
        sandbox = sandbox_here(*given)
        escape_probes.check(sandbox)
    escape_probes.check_kernel(sandbox)
    return sandbox


def _mapping(text: str) -> tuple[str, str]:
    # A name of Ollama's, or of a fine-tuned model, may hold a colon, but no equals sign.
    pattern, equals, name = text.partition("=")
    if not (pattern.strip() and equals and name.strip()):
        raise UsageError(f"--model-map is NAME=MODEL, such as 'gpt-4*=llama3.2', not {text!r}")
    return pattern.strip(), name.strip()


def _check_metrics() -> None:
    # Not imported yet: the package settles at its import whether several processes count together.
    if find_spec("prometheus_client") is None:
        raise LocalUnavailableError(f"--metrics needs a package: {pip_install('metrics')}")


def _upstream(options: argparse.Namespace) -> Upstream | Engine:
    from ..server.runs.upstream import UrlUpstream

    name = options.upstream_key_env
    if options.upstream != "local":
        if not _is_http(options.upstream):
            raise UsageError(f"--upstream is a URL or `local`, not {options.upstream!r}")
        key = os.environ.get(name, "").strip() if name else ""
        if name and not key:
            raise UsageError(f"--upstream-key-env names {name}, which is not set")
        # A line end in a key would be a header of its own.
        if not (key.isascii() and key.isprintable()):
            raise UsageError(f"--upstream-key-env names {name}, whose value can't be a key: no HTTP header takes it")
        return UrlUpstream(options.upstream, key, options.upstream_model)
    if name:
        raise UsageError("--upstream-key-env goes with --upstream URL")
    from ..server.engine.llama_cpp import CONTEXT, Engine

    return Engine(_model_of(options), threads=options.threads, context=options.context or CONTEXT)


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
    # `urlsplit` raises where an IPv6 address is not closed.
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def store_url(given: str) -> str:
    """Return the URL of a store, which may be given as the path of a file; without one, the usual store's."""
    if "://" in given:
        return given
    if given:
        file = Path(given).expanduser().absolute()
    else:
        file = usual_store().absolute()
        folder = os.environ.get("NBASSIST_DATA_DIR")
        if folder and file.parent != Path(folder).absolute():
            # What SQLite has put beside the file goes with it: a server that was killed leaves its last writes there.
            sys.stderr.write(f"note: the store of an earlier version goes on; {folder} is for it: move {file}* there\n")
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return f"sqlite:///{file}"


def open_store(url: str) -> None:
    """Open the store once before the server does, so that what is wrong with it is one line.

    Raises
    ------
    LocalUnavailableError
        Where it can't be opened.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from ..server.store.database import Database

    try:
        Database(url).close()
    except ModuleNotFoundError as error:  # the driver that the URL names
        extra = pip_install("postgres") if error.name == "psycopg" else f"pip install {error.name}"
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
        # On Windows the mode says nothing about who may read: the person's own folder does.
        is_private = os.name == "nt" or not file.stat().st_mode & 0o077
        token = file.read_text(encoding="ascii").strip() if is_private else ""
    except (OSError, ValueError):
        token = ""
    if not token:
        token = secrets.token_urlsafe(32)
        write_private(file, token)
    return token, f"in {file}"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
