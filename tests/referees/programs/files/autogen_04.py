"""autogen 0.4: its assistant agent, which uploads files for each of the tools itself."""

import asyncio
import sys

from autogen_agentchat.messages import TextMessage
from autogen_core import CancellationToken
from autogen_ext.agents.openai import OpenAIAssistantAgent
from openai import AsyncOpenAI

text, table = sys.argv[1:]


async def main() -> None:
    agent = OpenAIAssistantAgent(
        name="clerk",
        description="Answers from files.",
        client=AsyncOpenAI(),
        model="gpt-4o-mini",
        instructions="You answer from files.",
        tools=["file_search", "code_interpreter"],
    )
    token = CancellationToken()
    await agent.on_upload_for_file_search(text, token)
    await agent.on_upload_for_code_interpreter(table, token)
    asked = [TextMessage(content="How many orders are there?", source="person")]
    said = (await agent.on_messages(asked, token)).chat_message.content
    await agent.delete_uploaded_files(token)
    await agent.delete_vector_store(token)
    await agent.delete_assistant(token)
    print(said)


asyncio.run(main())
