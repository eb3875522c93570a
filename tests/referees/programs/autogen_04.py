"""autogen 0.4: its assistant agent, with a function as a tool."""

import asyncio

from autogen_agentchat.messages import TextMessage
from autogen_core import CancellationToken
from autogen_ext.agents.openai import OpenAIAssistantAgent
from autogen_core.tools import FunctionTool
from openai import AsyncOpenAI


def row_count(table: str) -> str:
    """Count the rows of a table."""
    return f"{table} has 42 rows"


async def main() -> None:
    agent = OpenAIAssistantAgent(
        name="clerk",
        description="Counts rows.",
        client=AsyncOpenAI(),
        model="gpt-4o-mini",
        instructions="You count rows.",
        tools=[FunctionTool(row_count, description="Count the rows of a table.")],
    )
    asked = [TextMessage(content="How many orders are there?", source="person")]
    print((await agent.on_messages(asked, CancellationToken())).chat_message.content)


asyncio.run(main())
