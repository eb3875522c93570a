"""`nbassist token`, `nbassist import` and `nbassist export`: what is in the server's store."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.installing import pip_install
from ..core.text import json_line, one_line
from ..errors import LocalUnavailableError, UsageError
from .commands import as_utf8
from .serve import open_store, store_url

if TYPE_CHECKING:
    from ..server.store.database import Database
    from ..server.transfer.importing import Imported
    from ..server.transfer.reading import FoundObjects

_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")
_SHOWN = 10


def add_token(commands: Any) -> None:
    """Add `token` to the subparsers of a command line."""
    parser = commands.add_parser("token", help="give people tokens of their own for the server, and take them back")
    actions = parser.add_subparsers(dest="action", required=True, metavar="add | list | revoke")
    add = actions.add_parser("add", help="make a token with assistants and threads of its own; it is printed once")
    add.add_argument("name", metavar="NAME", help="whose it is")
    add.add_argument("--rate", type=int, default=None, metavar="N", help="requests a minute; without, what serve says")
    revoke = actions.add_parser("revoke", help="make a token useless; what was made with it stays")
    revoke.add_argument("name", metavar="NAME", help="whose it was")
    listed = actions.add_parser("list", help="list the tokens by name")
    for action, run in ((add, token_add), (revoke, token_revoke), (listed, token_list)):
        _with_store(action)
        action.set_defaults(run=run)


def add_import(commands: Any) -> None:
    """Add `import` to the subparsers of a command line."""
    parser = commands.add_parser("import", help="take assistants, threads, runs and files into the server's store")
    parser.description = (
        "Take what the Assistants API gave, with its ids, from JSON, JSONL, a folder of them, an export, or another "
        "store. What is there already is left as it is."
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="a file, a folder, a SQLite store, a URL of one, or -")
    parser.add_argument("--owner", default=None, metavar="NAME", help="whose it is to be: the name of a token")
    _with_store(parser)
    parser.set_defaults(run=import_)


def add_export(commands: Any) -> None:
    """Add `export` to the subparsers of a command line."""
    parser = commands.add_parser("export", help="write what is in the server's store as JSONL, which import takes")
    parser.add_argument("--thread", action="append", default=[], metavar="ID", help="only this thread; repeatable")
    parser.add_argument("--owner", default=None, metavar="NAME", help="only what was made with this token")
    parser.add_argument("--no-contents", action="store_true", help="files without their bytes")
    parser.add_argument("-o", "--output", default="-", metavar="FILE", help="a new file; standard output without")
    _with_store(parser)
    parser.set_defaults(run=export)


def _with_store(parser: argparse.ArgumentParser) -> None:
    given = os.environ.get("NBASSIST_SERVE_STORE", "").strip()
    parser.add_argument("--store", default=given, metavar="URL", help="as serve takes it; the usual one without")


def _opened(options: argparse.Namespace) -> Database:
    try:
        from ..server.store.database import Database
    except ImportError as error:
        raise LocalUnavailableError(f"the server is not installed ({error}): {pip_install('local')}") from error
    url = store_url(options.store)
    open_store(url)
    return Database(url)


def token_add(options: argparse.Namespace) -> None:
    """Make a token, and print it."""
    from ..server.access import stored_tokens
    from ..server.access.tokens import digest, new_token

    if not _NAME.fullmatch(options.name):
        raise UsageError(f"a token's name is of letters, digits and . _ @ -, not {options.name!r}")
    if options.rate is not None and options.rate < 0:
        raise UsageError("--rate is a number of requests a minute, 0 for any number")
    token, database = new_token(), _opened(options)
    try:
        kept = (options.name, digest(token), options.rate, int(time.time()))
        if not database.transact(True, lambda connection: stored_tokens.add(connection, *kept)):
            raise UsageError(f"there is a token for {options.name}: revoke it first")
    finally:
        database.close()
    _say(token)


def token_revoke(options: argparse.Namespace) -> None:
    """Revoke a token; servers that run refuse it within seconds."""
    from ..server.access import stored_tokens

    database = _opened(options)
    try:
        if not database.transact(
            True, lambda connection: stored_tokens.revoke(connection, options.name, int(time.time()))
        ):
            raise UsageError(f"there is no token for {options.name} in use")
    finally:
        database.close()


def token_list(options: argparse.Namespace) -> None:
    """Print each token's name, when it was made, its limit, and whether it is revoked."""
    from ..server.access import stored_tokens

    database = _opened(options)
    try:
        for row in database.transact(False, stored_tokens.listing):
            made = datetime.fromtimestamp(row["created_at"], UTC).strftime("%Y-%m-%d")
            rate = "" if row["per_minute"] is None else f"{row['per_minute']} a minute"
            _say(f"{row['name']:<24}  {made}  {rate:<14}  {'revoked' if row['revoked_at'] else ''}".rstrip())
    finally:
        database.close()


def import_(options: argparse.Namespace) -> None:
    """Import files, and print what became of them."""
    database = _opened(options)
    try:
        from ..server.transfer.importing import import_objects

        _report(import_objects(database, _objects(options.files), options.owner))
    finally:
        database.close()


def _objects(files: list[str]) -> Iterator[FoundObjects]:
    from ..server.transfer.exporting import is_store, read_store
    from ..server.transfer.reading import read_path, read_text

    for name in files:
        if name == "-":
            as_utf8(sys.stdin)
            yield from read_text(sys.stdin.read())
        elif is_store(name):
            yield from read_store(name)
        else:
            yield from read_path(Path(name).expanduser())


def _report(done: Imported) -> None:
    from ..server.transfer.importing import NOUNS

    for kind, noun in NOUNS.items():
        if done.added[kind] or done.there[kind]:
            known = f", {done.there[kind]} there already" if done.there[kind] else ""
            _say(f"{noun}: {done.added[kind]} added{known}")
    if not (done.added or done.there):
        sys.stderr.write("nothing was found that the Assistants API has\n")
    for text in done.unusable[:_SHOWN]:
        sys.stderr.write(f"left out: {one_line(text)}\n")
    if len(done.unusable) > _SHOWN:
        sys.stderr.write(f"left out: {len(done.unusable) - _SHOWN} more\n")
    if done.empty_files:
        sys.stderr.write(
            f"note: {len(done.empty_files)} files came without their bytes: put each beside the export, under its id\n"
        )
    if done.hosted:
        named = " and ".join(sorted(done.hosted))
        how = "`nbassist serve --code-interpreter` runs it; else they are answered without"
        sys.stderr.write(f"note: assistants name {named}: {how}\n")


def export(options: argparse.Namespace) -> None:
    """Write objects, one a line."""
    from ..server.transfer.exporting import export_objects

    database = _opened(options)
    try:
        found = export_objects(database, threads=options.thread, owner=options.owner, contents=not options.no_contents)
        if options.output == "-":
            as_utf8(sys.stdout)
            for value in found:
                _say(json_line(value))
            return
        with _new_file(options.output) as file:
            for value in found:
                file.write(json_line(value) + "\n")
    finally:
        database.close()


def _new_file(name: str) -> Any:
    path = Path(name).expanduser()
    try:
        # Conversations are nobody else's business, as in the store.
        return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"can't write {path}: {error.strerror}") from error


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
