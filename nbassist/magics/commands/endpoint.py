"""`%assistant use`, `models` and `profiles`: where prompts go."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING

from ...config.profiles import Profile, find, own_file, profiles, save
from ...config.settings import BACKENDS, Settings
from ...errors import BackendError, LocalUnavailableError, UsageError
from ..line.flags import Parser
from ..table import Table
from . import nothing_more

if TYPE_CHECKING:
    from ..config import Config


def use(magics: Config, words: list[str]) -> Table:
    """Send the prompts from here on to a profile or a URL: `use NAME [-m MODEL]`; `use default` takes it back.

    A name that is no profile but a thread goes on with that thread; `use -t NAME` means the thread in any case. With
    `--backend` (assistants, responses or chat) the protocol is said, and not asked of the endpoint. A URL gets no key:
    a profile names one, as key_env.
    """
    found = _use_parser().parse_args(words)
    session = magics.session
    if bool(found.thread) == bool(found.name):
        raise UsageError("write it as %assistant use NAME, %assistant use URL, or %assistant use -t THREAD")
    if found.thread or _is_thread(magics, found.name):
        session.threads.use(found.thread or found.name)
        return Table(("", ""), (("thread", session.threads.current),))
    before = session.chosen
    session.chosen = {} if found.name == "default" else _choice(found.name, found.model, found.backend)
    try:
        settings = session.settings(magics.choices())
        state, models = _reach(magics, settings)
        if found.model and models and found.model not in models:
            raise UsageError(f"{found.name} has no model {found.model!r}; {_nearest(found.model, models)}")
    # Whatever went wrong, prompts go on to where they went before.
    except Exception:
        session.chosen = before
        raise
    return Table(
        ("", ""),
        (
            ("endpoint", settings.base_url or "the embedded server"),
            ("model", settings.model or "the endpoint's own choice"),
            ("reached", state),
        ),
    )


def models(magics: Config, words: list[str]) -> Table:
    """List the models that the endpoint has; `models PART` only those whose name has PART in it."""
    if len(words) > 1:
        nothing_more("models PART", words[1:])
    settings = magics.session.settings(magics.choices())
    names = magics.session.assistant(settings).backend.models()
    part = words[0] if words else ""
    chosen = [name for name in names if part.lower() in name.lower()]
    if not chosen:
        raise UsageError(f"no model has {part!r} in its name; {_nearest(part, names)}")
    from ...config.prices import price_of

    rows = []
    for name in chosen:
        price = price_of(name)
        cost = "free" if settings.free else f"{price.input:g} / {price.output:g}" if price else "unknown"
        rows.append((name, "in use" if name == settings.model else "", cost))
    return Table(("model", "", "$ for a million tokens read / written"), tuple(rows))


def list_profiles(magics: Config, words: list[str]) -> Table:
    """List the profiles; `profiles save NAME` keeps what is in use now as one, under that name."""
    if words[:1] == ["save"]:
        return _save(magics, words[1:])
    nothing_more("profiles", words)
    current = magics.session.settings(magics.choices()).profile
    rows = [
        (
            name,
            "in use" if name == current else "",
            one.backend or "asked",
            one.base_url or (f"from {one.url_env}" if one.url_env else "the embedded server"),
            one.model,
            one.key_env,
        )
        for name, one in profiles().items()
    ]
    return Table(("profile", "", "backend", "URL", "model", "key from"), tuple(rows), note=f"your own: {own_file()}")


def _save(magics: Config, words: list[str]) -> Table:
    if len(words) != 1 or words[0] == "default" or "://" in words[0]:
        raise UsageError("profiles save takes one name, such as: %assistant profiles save work")
    settings = magics.session.settings(magics.choices())
    held = settings.sources.get("api_key", "")
    key_env = find(settings.profile).key_env if held.startswith("profile ") else held
    # A file never holds a key, only the name of the variable, which is not known of one that was given as an argument.
    if held and not key_env.isidentifier():
        raise UsageError("the key in use comes from an argument: put it into an environment variable first")
    backend = "" if settings.backend == "auto" else settings.backend
    before = find(settings.profile) if settings.profile else Profile("")
    kept = before if before.base_url == settings.base_url else Profile("")
    made = Profile(
        words[0],
        backend,
        settings.base_url,
        settings.model,
        key_env,
        free=settings.free,
        headers=kept.headers,
        query=kept.query,
        habits=kept.habits,
    )
    return Table(("", ""), (("saved", made.name), ("file", str(save(made)))))


def _is_thread(magics: Config, name: str) -> bool:
    return name not in (*profiles(), "default") and "://" not in name and name in magics.session.threads


def _choice(name: str, model: str, backend: str) -> Mapping[str, str]:
    return {"profile": find(name).name, "model": model, "backend": backend}


def _reach(magics: Config, settings: Settings) -> tuple[str, list[str]]:
    """Say whether the endpoint answers, and with how many models; one that does not can be chosen all the same."""
    if settings.local:
        return "with the first prompt", []
    from ...backends import connect

    try:
        known = connect("chat", settings.base_url, settings.api_key, settings.access).models()
    except (BackendError, LocalUnavailableError) as error:
        start = find(settings.profile).start if settings.profile else ""
        then = " If not, start it with" if str(error).endswith("?") else "; start it with"
        return f"no: {error}" + (f"{then} {start}" if start else ""), []
    return f"yes, {len(known)} models" if len(known) != 1 else f"yes, {known[0]}", known


def _nearest(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.4)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known[:10])}"


def _use_parser() -> Parser:
    made = Parser(prog="%assistant use", add_help=False, allow_abbrev=False)
    made.add_argument("name", metavar="NAME", nargs="?", default="")
    made.add_argument("-t", "--thread", default="")
    made.add_argument("-m", "--model", default="")
    made.add_argument("--backend", default="", choices=("", *BACKENDS))
    return made
