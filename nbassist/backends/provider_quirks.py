"""What is known of providers and of models by their names: how each is known, what it takes, wants back and refuses.

What can be said of one, in a row here or in a profile, stands in `nbassist.config.quirk_names`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from ..config.quirk_names import Quirks
from ..errors import SettingsError

# As the makers' own pages list them (2026-11); a fine-tuned model is named after its base.
_SEES = re.compile(
    r"gpt-4o|chatgpt-4o|gpt-4\.[15]|gpt-4-(turbo|vision)|gpt-[5-9]|o1(?!-mini|-preview)|o3(?!-mini)|o4|computer-use"
    r"|claude-(3|opus|sonnet|haiku|[4-9])|gemini|gemma-?3|pixtral|mistral-(small-3|medium-3|large-3)|llama-?4"
    r"|llava|moondream|minicpm-v|internvl|\bvision\b|-vl\b|[0-9]vl\b"
)
_BLIND = re.compile(r"audio|realtime|transcribe|tts|search-preview|embed|gemma-?3-?(270m|1b)")
_REASONS = re.compile(
    r"o1|o3|o4|gpt-[5-9](?!.*chat)|gpt-oss|codex-mini|deepseek-(r\d|reasoner)|qwq|qwen-?3(?!.*instruct)"
)
_HOSTED = ("api.openai.com", ".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")


def sees(model: str) -> bool:
    """Return whether `model` is known to take images."""
    name = _bare(model)
    return bool(_SEES.search(name)) and not _BLIND.search(name)


def reasons(model: str) -> bool:
    """Return whether `model` is known to reason before it answers, and so to take an effort."""
    return bool(_REASONS.match(_bare(model)))


def is_hosted(base_url: str) -> bool:
    """Return whether `base_url` is the service that the protocols are from, at OpenAI or Azure."""
    host = urlsplit(base_url).hostname or ""
    return any(host.endswith(name) if name.startswith(".") else host == name for name in _HOSTED)


def _bare(model: str) -> str:
    """Return the name without the maker in front (`openai/gpt-4o`) and the mark of a fine-tuned one (`ft:`)."""
    return model.lower().rpartition("/")[2].removeprefix("ft:")


@dataclass(frozen=True, slots=True)
class Provider:
    """One row.

    Parameters
    ----------
    name : str
        What a profile says under `provider`.
    hosts : tuple of str
        Host names, one that begins with a dot for all hosts that end so.
    models : str
        A regular expression for the names of its models on any host; empty where they do not tell.
    habits : Quirks
        How it differs from the protocol.
    source : str
        Where that was reported, a repository and a number, or the maker's documentation.
    """

    name: str
    hosts: tuple[str, ...] = ()
    models: str = ""
    habits: Quirks = field(default_factory=Quirks)
    source: str = ""


_LIMIT = {"max_tokens": "max_completion_tokens"}
_OLD_LIMIT = {"max_completion_tokens": "max_tokens"}
_FOREIGN = ("reasoning", "reasoning_content", "reasoning_details", "extra_content")
_OURS = ("reasoning_content", "reasoning_details", "extra_content")

_SIGNED = {"extra_content": {"google": {"thought_signature": "skip_thought_signature_validator"}}}
"""Google's documentation of thought signatures names this value for calls that another model made."""

PROVIDERS: tuple[Provider, ...] = (
    Provider(
        "openai",
        ("api.openai.com",),
        habits=Quirks(refuses=_FOREIGN, call_ids="forty", names=_LIMIT, runs=("code_interpreter",)),
        source="OpenAI's reference: ids of at most 40 characters, max_completion_tokens",
    ),
    Provider(
        "azure",
        (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com"),
        habits=Quirks(call_ids="forty", names=_LIMIT, runs=("code_interpreter",)),
        source="as OpenAI; the models of others, served there, keep their own fields",
    ),
    Provider(
        "gemini",
        ("generativelanguage.googleapis.com", ".aiplatform.googleapis.com", "aiplatform.googleapis.com"),
        habits=Quirks(
            unsigned=_SIGNED,
        ),
        source="securo#884",
    ),
    Provider(
        "deepseek",
        ("api.deepseek.com",),
        habits=Quirks(wants=("reasoning_content",), names=_OLD_LIMIT),
        source="kimi-cli#2141, openclaw#73417: an empty one will do where it sent none",
    ),
    Provider(
        "deepseek models",
        models=r"deepseek[-_/. ]?(v[4-9]|reasoner)",
        habits=Quirks(wants=("reasoning_content",)),
        source="LangBot#2223",
    ),
    Provider(
        "kimi",
        ("api.moonshot.ai", "api.moonshot.cn", "api.kimi.com"),
        habits=Quirks(wants=("reasoning_content",), names=_OLD_LIMIT),
        source="continue#11600: reasoning_content beside calls, also beside those that another model made",
    ),
    Provider("openrouter", ("openrouter.ai",), source="agent-framework#2947: reasoning_details, which go back"),
    Provider(
        "mistral",
        ("api.mistral.ai", "codestral.mistral.ai"),
        habits=Quirks(refuses=(*_FOREIGN, "stream_options", "user_after_tool"), call_ids="nine", names=_OLD_LIMIT),
        source="litellm#30835, opencode#1680",
    ),
    Provider(
        "mistral models",
        models=r"(^|[/:])(mistral|ministral|magistral|codestral|devstral|pixtral|mixtral)",
        habits=Quirks(call_ids="nine"),
        source="the tokenizer of these models, wherever they run",
    ),
    Provider(
        "fireworks",
        ("api.fireworks.ai",),
        habits=Quirks(refuses=("reasoning_details",)),
        source="litellm#39962",
    ),
    Provider(
        "groq",
        ("api.groq.com",),
        habits=Quirks(refuses=_FOREIGN),
        source="AstrBot#6065, freellmapi#1070",
    ),
    Provider(
        "cerebras",
        ("api.cerebras.ai",),
        habits=Quirks(refuses=(*_OURS, "mixed_strict")),
        source="RooCode#10334, hermes-agent#34716: sends reasoning and takes it, but under no other name",
    ),
    Provider("together", ("api.together.xyz", "api.together.ai"), source="odysseus#2202: a list of models as an array"),
    Provider("perplexity", ("api.perplexity.ai",), source="its reference: citations beside the choices"),
    Provider(
        "qwen coder",
        models=r"qwen-?2(\.5|_5)-?coder",
        habits=Quirks(text_calls=True),
        source="seen with llama.cpp and Qwen2.5-Coder-1.5B-Instruct: calls as JSON in the text, bare or fenced",
    ),
    Provider(
        "thinking in the text",
        models=r"deepseek-?r1|(^|[/:])qwq|qwen-?3(?!.*(instruct|coder))|(^|[/:])smollm3|exaone-deep|phi-4.*reasoning",
        habits=Quirks(think_tags=True),
        source="the models' own chat templates, on servers that do not split it off",
    ),
)
"""Rows by URL go before rows by model; all that fit are added together."""


def is_known(base_url: str) -> bool:
    """Return whether the URL is that of a provider in the table, all of which speak Chat Completions."""
    return any(_is_host(provider, _host(base_url)) for provider in PROVIDERS)


def is_settled(base_url: str, model: str = "", entries: Mapping[str, Any] | None = None) -> bool:
    """Return whether URL, model or profile tell whose habits an endpoint has, so that no stream has to."""
    return _is_told(base_url, model) or not {"provider", "text_calls"}.isdisjoint(entries or ())


@lru_cache(maxsize=256)
def _is_told(base_url: str, model: str) -> bool:
    told = any(provider.models and re.search(provider.models, model.lower()) for provider in PROVIDERS)
    return told or is_known(base_url)


@lru_cache(maxsize=256)
def known_quirks(base_url: str, model: str = "") -> Quirks:
    """Return how the endpoint at `base_url` differs from the protocol, as far as its URL and `model` tell."""
    host, name, found = _host(base_url), model.lower(), Quirks()
    for provider in PROVIDERS:
        if _is_host(provider, host) or (provider.models and re.search(provider.models, name)):
            found = _added(found, provider.habits)
    return found


def quirks_of(base_url: str, model: str = "", entries: Mapping[str, Any] | None = None) -> Quirks:
    """Return the habits of an endpoint: the table's, what the person's profile says, and what was learnt since.

    Parameters
    ----------
    entries : mapping, optional
        Entries of a profile; `provider` there names a row, whatever the URL.
    """
    found = known_quirks(base_url, model)
    given = dict(entries or {})
    if named := given.pop("provider", ""):
        for provider in PROVIDERS:
            if provider.name == named:
                found = _added(found, provider.habits)
    known = learnt(base_url, model)
    if known.answers_as and not is_settled(base_url, model, entries):
        found = _added(found, known_quirks("", known.answers_as))
    shown: dict[str, Any] = {"refuses": tuple(known.refused), "wants": tuple(known.wanted)}
    if known.unsigned:
        shown["unsigned"] = _SIGNED
    # Nine letters and digits are the narrowest rule that there is: such an id passes anywhere.
    if "call_ids" in known.refused:
        shown["call_ids"] = "nine"
    return found.with_entries(given).with_entries(shown)


def check_name(name: str) -> None:
    """Make sure that a profile's `provider` is the name of a row.

    Raises
    ------
    SettingsError
        Where it is not, with the nearest.
    """
    known = [provider.name for provider in PROVIDERS]
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
        raise SettingsError(f"there is no provider {name!r} in the table; {hint}")


@lru_cache(maxsize=256)
def home_of(base_url: str) -> str:
    """Return what tells an endpoint from another in a saved thread: its URL, without a name and a password in it."""
    parts = urlsplit(base_url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path.rstrip('/')}" if parts.hostname else base_url


@dataclass(slots=True)
class Learnt:
    """What an endpoint showed of itself since this process began.

    Parameters
    ----------
    refused : list of str
        What it refused and is not sent again: see `Quirks.refuses`; `call_ids` for ids that it does not take.
    wanted : list of str
        What it missed in the messages of the assistant: see `Quirks.wants`.
    blind : bool
        Whether it was asked without all that nobody asked for, since it refused without a word.
    unsigned : bool
        Whether it refused a call of another model for its missing signature.
    calls_natively : bool
        Whether it made a call as the protocol has it: then none is read out of its text.
    answers_as : str
        The model that its streams name, which may be another than was asked for.
    keeps_nothing : bool
        Whether it refuses to go on from a response that it gave itself, as where an organisation retains nothing.
    """

    refused: list[str] = field(default_factory=list)
    wanted: list[str] = field(default_factory=list)
    blind: bool = False
    unsigned: bool = False
    calls_natively: bool = False
    answers_as: str = ""
    keeps_nothing: bool = False


# For this process alone: what an endpoint refuses may change with its next version.
_LEARNT: dict[tuple[str, str], Learnt] = {}


def learnt(base_url: str, model: str = "") -> Learnt:
    """Return what is known of a model at an endpoint, to be read and added to."""
    return _LEARNT.setdefault((base_url.rstrip("/"), model), Learnt())


def _added(one: Quirks, other: Quirks) -> Quirks:
    said = {name: getattr(other, name) for name in Quirks.__slots__}
    return one.with_entries({name: value for name, value in said.items() if value != getattr(Quirks(), name)})


def _host(base_url: str) -> str:
    return urlsplit(base_url).hostname or ""


def _is_host(provider: Provider, host: str) -> bool:
    return any(host.endswith(name) if name.startswith(".") else host == name for name in provider.hosts)
