"""The table of providers: how one is known, and what a profile adds to it."""

from __future__ import annotations

from typing import Any

import pytest

from nbassist import Assistant
from nbassist.backends import connect
from nbassist.backends.provider_quirks import PROVIDERS, home_of, is_known, known_quirks, learnt, quirks_of
from nbassist.config.quirk_names import Access
from nbassist.errors import SettingsError

ANY = "http://127.0.0.1:1/v1"


@pytest.mark.parametrize(
    ("url", "entry", "value"),
    [
        ("https://api.mistral.ai/v1", "call_ids", "nine"),
        ("https://api.moonshot.cn/v1", "wants", ("reasoning_content",)),
        ("https://api.deepseek.com", "wants", ("reasoning_content",)),
        ("https://mine.openai.azure.com/openai/v1", "call_ids", "forty"),
        ("https://api.fireworks.ai/inference/v1", "refuses", ("reasoning_details",)),
    ],
)
def test_a_provider_is_known_by_its_url(url: str, entry: str, value: Any) -> None:
    assert getattr(known_quirks(url), entry) == value
    assert is_known(url)


@pytest.mark.parametrize("url", ["https://api.mistral.ai.evil.example/v1", ANY, "", "https://x.org/api.mistral.ai"])
def test_a_url_that_only_looks_like_one_is_not(url: str) -> None:
    assert not is_known(url)
    assert known_quirks(url).call_ids == "any"


@pytest.mark.parametrize(
    ("model", "entry", "value"),
    [
        ("mistral-large-latest", "call_ids", "nine"),
        ("mistralai/Mistral-Small-3.2", "call_ids", "nine"),
        ("deepseek-ai/DeepSeek-V4", "wants", ("reasoning_content",)),
        ("qwen2.5-coder:1.5b", "text_calls", True),
        ("Qwen/Qwen2.5-Coder-7B-Instruct", "text_calls", True),
        ("deepseek-r1:8b", "think_tags", True),
        ("qwq", "think_tags", True),
    ],
)
def test_a_model_tells_on_any_gateway(model: str, entry: str, value: Any) -> None:
    assert getattr(known_quirks(ANY, model), entry) == value


@pytest.mark.parametrize("model", ["", "m", "gpt-4o", "claude-sonnet-4", "qwen3-coder-30b", "llama3.2", "gemma3"])
def test_other_models_keep_to_the_protocol(model: str) -> None:
    habits = known_quirks(ANY, model)
    assert (habits.call_ids, habits.text_calls, habits.think_tags, habits.wants) == ("any", False, False, ())


def test_a_profile_adds_to_the_row_that_it_names() -> None:
    habits = quirks_of(ANY, "m", {"provider": "fireworks", "refuses": ["strict"], "tool_images": "tool"})
    assert habits.refuses == ("reasoning_details", "strict")
    assert habits.tool_images == "tool"


def test_the_model_that_a_stream_names_counts_where_nothing_else_is_known() -> None:
    learnt(ANY, "alias").answers_as = "qwen2.5-coder-1.5b-instruct-q4_k_m"
    assert quirks_of(ANY, "alias").text_calls
    assert not quirks_of(ANY, "alias", {"text_calls": False}).text_calls
    assert not quirks_of(ANY, "alias", {"provider": "fireworks"}).text_calls
    learnt("https://api.groq.com/openai/v1", "alias").answers_as = "qwen2.5-coder"
    assert not quirks_of("https://api.groq.com/openai/v1", "alias").text_calls
    learnt(ANY, "mistral-small").answers_as = "qwen2.5-coder"
    assert not quirks_of(ANY, "mistral-small").text_calls


def test_what_was_learnt_counts_for_one_model_at_one_endpoint() -> None:
    learnt(ANY, "taught").refused.append("strict")
    assert "strict" in quirks_of(ANY, "taught").refuses
    assert "strict" not in quirks_of(ANY, "other").refuses
    assert "strict" not in quirks_of("http://127.0.0.1:2/v1", "taught").refuses


def test_each_row_has_a_name_and_says_where_it_is_from() -> None:
    names = [provider.name for provider in PROVIDERS]
    assert len(set(names)) == len(names)
    assert all(provider.source and (provider.hosts or provider.models) for provider in PROVIDERS)


def test_a_home_has_no_password_in_it() -> None:
    assert home_of("https://me:secret@x.org:8000/v1/") == "https://x.org:8000/v1"


def test_a_provider_that_there_is_not_is_told_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match="did you mean mistral"):
        connect("chat", ANY, "k", Access(entries={"provider": "mistrel"}))


PROFILE = """
[gateway]
backend = "chat"
base_url = "{url}"
model = "m"
key_env = "GATEWAY_KEY"
headers = {{ "X-Team" = "data", "X-Session-Token" = "$GATEWAY_TOKEN" }}
query = {{ "api-version" = "2025-04-01" }}
provider = "mistral"
refuses = ["strict"]
"""


def test_a_profile_says_headers_query_and_habits(endpoint: Any, wire: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from nbassist.config.profiles import find, own_file, save

    own_file().parent.mkdir(parents=True, exist_ok=True)
    own_file().write_text(PROFILE.format(url=endpoint.url))
    monkeypatch.setenv("GATEWAY_KEY", "k")
    monkeypatch.setenv("GATEWAY_TOKEN", "a-session-token")
    endpoint.on("POST", "/chat/completions", wire.answer(wire.stream(wire.delta(content="a"), wire.delta("stop"))))
    made = Assistant(profile="gateway", tools=[])
    for _ in range(2):  # the second by the template of the first
        assert made.ask("go").text == "a"
    for asked in endpoint.asked:
        assert asked.path == "/chat/completions?api-version=2025-04-01"
        headers = {name.lower(): value for name, value in asked.headers.items()}
        assert (headers["x-team"], headers["x-session-token"]) == ("data", "a-session-token")
        assert "stream_options" not in asked.body, "as Mistral has it"
    assert "a-session-token" not in repr(made.settings)
    before = find("gateway")
    save(before)
    assert find("gateway") == before


def test_headers_of_a_profile_go_to_its_own_endpoint_alone(endpoint: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from nbassist.config.profiles import own_file

    own_file().parent.mkdir(parents=True, exist_ok=True)
    own_file().write_text(PROFILE.format(url="http://127.0.0.1:9/v1"))
    monkeypatch.setenv("GATEWAY_KEY", "k")
    monkeypatch.setenv("GATEWAY_TOKEN", "t")
    made = Assistant(profile="gateway", base_url=endpoint.url, tools=[])
    assert made.settings.access.headers == {}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('headers = { "Authorization" = "Bearer sk-1" }', "holds a key"),
        ('headers = { "X" = 1 }', "table of texts"),
        ('refuses = "strict"', "list of names"),
        ('call_ids = "ten"', "any, nine, forty"),
        ('text_calls = "yes"', "true or false"),
        ("names = { max_tokens = 1 }", "is a table"),
        ('refuse = ["strict"]', "did you mean refuses"),
    ],
)
def test_an_entry_that_is_wrong_says_how_it_is_right(line: str, words: str) -> None:
    from nbassist.config.profiles import own_file, profiles

    own_file().parent.mkdir(parents=True, exist_ok=True)
    own_file().write_text(f"[a]\n{line}\n")
    with pytest.raises(SettingsError, match=words):
        profiles()
