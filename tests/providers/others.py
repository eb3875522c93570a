"""The same providers asked through nbassist, chatlas and pydantic-ai: which of five steps each of them gets through.

Run it with the Python of an environment that has some of them: `python tests/providers/others.py`. nbassist is told the
row of its table, and pydantic-ai is given its own class for a provider, where that goes by OpenAI's client; chatlas has
none.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from cast import PARTS
from stage import Part, Stage

STEPS = ("own", "taken over", "without tools", "empty", "behind it")
PROMPTS = ("The weather?", "And now?", "And without tools?", "Now say nothing at all.", "And the weather again?")
Ask = Callable[[Stage, Any, str, bool], Any]


def weather(city: str) -> str:
    """Tell the weather of one city."""
    return f"sunny in {city}"


def with_nbassist() -> Ask:
    """Return what asks one prompt by nbassist, and gives the history back."""
    from play import assistant_at

    from nbassist import Conversation, Threads

    def ask(stage: Stage, history: Any, prompt: str, tools: bool) -> Any:
        thread = history or Conversation("t")
        made = assistant_at(stage, Threads(), known=True)
        reply = made.ask(prompt, conversation=thread, **({} if tools else {"tools": []}))
        if reply.finish == "failed":
            raise RuntimeError(reply.detail)
        return thread

    return ask


def with_chatlas() -> Ask:
    """Return what asks one prompt by chatlas, and gives the history back."""
    from chatlas import ChatOpenAI, ChatOpenAICompletions

    def ask(stage: Stage, history: Any, prompt: str, tools: bool) -> Any:
        kind = ChatOpenAI if stage.part.backend == "responses" else ChatOpenAICompletions
        chat = kind(base_url=stage.url, api_key="k", model="m")
        chat.set_turns(history or [])
        if tools:
            chat.register_tool(weather)
        chat.chat(prompt, echo="none")
        return chat.get_turns()

    return ask


def with_pydantic_ai() -> Ask:
    """Return what asks one prompt by pydantic-ai, and gives the history back."""
    from openai import AsyncOpenAI
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.models.openrouter import OpenRouterModel
    from pydantic_ai.providers.cerebras import CerebrasProvider
    from pydantic_ai.providers.deepseek import DeepSeekProvider
    from pydantic_ai.providers.fireworks import FireworksProvider
    from pydantic_ai.providers.moonshotai import MoonshotAIProvider
    from pydantic_ai.providers.openai import OpenAIProvider
    from pydantic_ai.providers.openrouter import OpenRouterProvider

    known: dict[str, tuple[Any, Any, str]] = {
        "OpenAI (Responses)": (OpenAIResponsesModel, OpenAIProvider, "gpt-5"),
        "DeepSeek": (OpenAIChatModel, DeepSeekProvider, "deepseek-reasoner"),
        "Kimi": (OpenAIChatModel, MoonshotAIProvider, "kimi-k2-thinking"),
        "OpenRouter": (OpenRouterModel, OpenRouterProvider, "anthropic/claude-sonnet-4.5"),
        "Cerebras": (OpenAIChatModel, CerebrasProvider, "gpt-oss-120b"),
        "Fireworks": (OpenAIChatModel, FireworksProvider, "accounts/fireworks/models/kimi-k2"),
    }

    async def run(stage: Stage, prompt: str, history: Any, tools: bool) -> Any:
        kind, provider, name = known.get(stage.part.name, (OpenAIChatModel, OpenAIProvider, "m"))
        async with AsyncOpenAI(base_url=stage.url, api_key="k") as client:
            agent = Agent(kind(name, provider=provider(openai_client=client)), tools=[weather] if tools else [])
            async with agent.run_stream(prompt, message_history=history) as result:
                await result.get_output()
                return result.all_messages()

    return lambda stage, history, prompt, tools: asyncio.run(run(stage, prompt, history, tools))


def play(part: Part, ask: Ask) -> dict[str, str]:
    """Play two cells of a provider's own, and a thread that began elsewhere; return what failed, by the step."""
    before, alone, stage = Stage(PARTS[0] if part is PARTS[-2] else PARTS[-2]), Stage(part), Stage(part)
    failed: dict[str, str] = {}

    def step(name: str, at: Stage, history: Any, prompt: str, tools: bool = True) -> Any:
        refused = at.refused
        try:
            return ask(at, history, prompt, tools)
        except Exception as error:  # noqa: BLE001  (of any kind, theirs)
            if at.refused > refused:
                failed.setdefault(name, " ".join(at.faults[-1].split())[:160])
            elif name != "empty":  # where an error is as good an answer as a word beside nothing
                failed.setdefault(name, " ".join(f"{type(error).__name__}: {error}".split())[:160])
            return history

    try:
        own = step("own", alone, None, PROMPTS[0])
        step("own", alone, own, PROMPTS[1])
        thread = step("taken over", before, None, PROMPTS[0])
        for name, prompt in zip(STEPS[1:], PROMPTS[1:], strict=True):
            thread = step(name, stage, thread, prompt, name in ("taken over", "behind it"))
    finally:
        for one in (before, alone, stage):
            one.close()
    return failed


def main() -> None:
    """Print a line for each provider, and every failure in full below."""
    makers = (("nbassist", with_nbassist), ("chatlas", with_chatlas), ("pydantic-ai-slim", with_pydantic_ai))
    for name, make in makers:
        if find_spec(name.replace("-slim", "").replace("-", "_")) is None:
            continue
        print(f"\n{name} {version(name)}")
        ask = make()
        for part in PARTS:
            failed = play(part, ask)
            held = f"all {len(STEPS)}" if not failed else ", ".join(s for s in STEPS if s not in failed) or "none"
            print(f"| {part.name} | {held} |")
            for step, why in failed.items():
                print(f"      {step}: {why}")


if __name__ == "__main__":
    main()
