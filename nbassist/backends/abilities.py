"""What a model can take, by its name: what it can't is never sent by default. A name that is not known can little."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

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
