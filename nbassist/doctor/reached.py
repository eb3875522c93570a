"""Which endpoint is reached, with which protocol and model."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import BackendError, LocalUnavailableError, ModelFileError
from ..profiles import find, own_file, profiles
from ..settings import Settings
from .finding import Finding


def own_profiles() -> Iterator[Finding]:
    """Read the person's profiles; what is wrong with the file is told."""
    own = own_file()
    if own.exists():
        profiles()
        yield Finding("profiles", f"yours are in {own}")


def endpoint(settings: Settings) -> Iterator[Finding]:
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
    from ..local.launcher import ensure

    server = ensure()
    return server.base_url, server.token


def _asked(settings: Settings, base_url: str, key: str) -> tuple[str, list[str]]:
    from ..backends import connect

    backend = connect(settings.backend, base_url, key)
    return backend.name, backend.models()


def _model(settings: Settings, known: list[str]) -> Finding:
    source = settings.sources.get("model", "")
    if settings.model:
        chosen = f"{settings.model} (from {source})" if source else settings.model
        if known and settings.model not in known:
            return Finding("model", f"{chosen} is not one that it lists", "note", "%assistant models lists them")
        return Finding("model", chosen)
    if not known:
        return Finding("model", "the endpoint lists none", "wrong", "set NBASSIST_MODEL to its name")
    more = f", and {len(known) - 1} more" if len(known) > 1 else ""
    return Finding("model", f"the endpoint's own choice; it has {known[0]}{more}")


def _start(settings: Settings) -> str:
    start = find(settings.profile).start if settings.profile else ""
    return f"run: {start}" if start else ""
