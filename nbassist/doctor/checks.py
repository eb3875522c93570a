"""Which endpoint is reached, with which protocol and model; what is kept on disk; and the whole report."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ..config.paths import data_file, is_remote
from ..config.profiles import find, own_file, profiles
from ..config.settings import Settings, resolve
from ..errors import BackendError, JournalError, LocalUnavailableError, ModelFileError, SettingsError
from . import examine, installed
from .installed import Finding


def own_profiles() -> Iterator[Finding]:
    """Read the person's profiles; what is wrong with the file is told."""
    own = own_file()
    if own.exists():
        profiles()
        yield Finding("profiles", f"yours are in {own}")


def reach(settings: Settings) -> Iterator[Finding]:
    """Ask the endpoint what it speaks and has; the embedded server is started for it where it does not run."""
    source = settings.sources.get("base_url", "")
    where = settings.base_url or "the embedded server"
    if settings.base_url and source:
        where += f" (from {source})"
    try:
        base_url, key = _address(settings)
        backend, known = _asked(settings, base_url, key)
    except (BackendError, LocalUnavailableError, ModelFileError) as error:
        yield Finding("endpoint", f"{where} is not reached: {error}", "wrong", _start(settings))
        return
    yield Finding("endpoint", f"{where}, reached; it speaks {backend}")
    yield _model(settings, known)


def _address(settings: Settings) -> tuple[str, str]:
    if not settings.local:
        return settings.base_url, settings.api_key
    from ..server.launcher import ensure

    server = ensure()
    return server.base_url, server.token


def _asked(settings: Settings, base_url: str, key: str) -> tuple[str, list[str]]:
    from ..backends import connect

    backend = connect(settings.backend, base_url, key, settings.access)
    return backend.name, backend.models()


def _model(settings: Settings, known: list[str]) -> Finding:
    source = settings.sources.get("model", "")
    if settings.model:
        chosen = f"{settings.model} (from {source})" if source else settings.model
        if known and settings.model not in known:
            # A note only: some endpoints answer to more models than they list.
            return Finding("model", f"{chosen} is not one that it lists", "note", "%assistant models lists them")
        return Finding("model", chosen)
    if not known:
        return Finding("model", "the endpoint lists none", "wrong", "set NBASSIST_MODEL to its name")
    from ..backends.http.requests import choose_model

    try:
        first = choose_model(known)
    except BackendError as error:
        return Finding("model", str(error), "wrong", "set NBASSIST_MODEL to its name")
    more = f", and {len(known) - 1} more" if len(known) > 1 else ""
    return Finding("model", f"the endpoint's own choice, {first}{more}")


def _start(settings: Settings) -> str:
    start = find(settings.profile).start if settings.profile else ""
    return f"run: {start}" if start else ""


def journal() -> Iterator[Finding]:
    """Open the journal and count its runs."""
    path = data_file("journal.db")
    if not path.exists():
        yield _folder("journal", path.parent, "none yet, it begins with the first prompt")
        return
    from ..journal import Journal

    # One of its own, which is closed again: the report is not to keep a file open.
    opened = Journal(path)
    try:
        count = len(opened.entries())
    except JournalError as error:
        yield Finding.of_error("journal", error)
        return
    finally:
        opened.close()
    size = path.stat().st_size / 1e6
    runs = "1 run" if count == 1 else f"{count:,} runs"
    if not os.access(path, os.W_OK):
        yield Finding("journal", f"{path} can't be written", "wrong", f"run: chmod u+w '{path}'")
    else:
        far = ", on another machine: without a write-ahead log, and slower for it" if is_remote(path) else ""
        yield Finding("journal", f"{runs}, {size:.1f} MB, {path}{far}")


def threads() -> Iterator[Finding]:
    """Count the threads that are kept, and name those that were put aside as damaged."""
    folder = data_file("threads")
    if not folder.exists():
        yield _folder("threads", folder.parent, "none yet")
        return
    kept = list(folder.glob("*/*.thread.json"))
    damaged = list(folder.glob("*/*.damaged*"))
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Finding("threads", f"{folder} can't be written", "wrong", f"run: chmod u+rwx '{folder}'")
        return
    notebooks = len({file.parent for file in kept})
    text = f"{len(kept)} of {notebooks} {'notebook' if notebooks == 1 else 'notebooks'}, {folder}"
    if damaged:
        text += f"; {len(damaged)} put aside as damaged, such as {damaged[0]}"
    yield Finding("threads", text, "note" if damaged else "ok")


def _folder(what: str, folder: Path, text: str) -> Finding:
    """Whether files could be made in a folder that need not exist yet."""
    there = folder
    while not there.exists():
        # It ends at the root, which is always there.
        there = there.parent
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return Finding(what, f"{text}: {folder}")
    return Finding(what, f"{there} can't be written", "wrong", "set NBASSIST_DATA_DIR to a folder that can be")


def report(settings: Settings | SettingsError | None = None) -> list[Finding]:
    """Return all that can be found without a frontend.

    Parameters
    ----------
    settings : Settings or SettingsError, optional
        Where prompts go, or why that can't be settled; settled from the environment by default.
    """
    found = examine(installed.python, installed.packages, installed.extras, installed.environment)
    if settings is None:
        try:
            settings = resolve()
        except SettingsError as error:
            settings = error
    # A name that is never bound again: mypy narrows no other for the closures below.
    settled = settings

    def local_model() -> Iterator[Finding]:
        yield from installed.model_file(isinstance(settled, Settings) and settled.local)
        yield from installed.embeddings_file()

    def endpoint() -> Iterator[Finding]:
        if isinstance(settled, SettingsError):
            raise settled
        return reach(settled)

    found += examine(local_model, own_profiles, endpoint)
    return [*found, *examine(journal, threads)]
