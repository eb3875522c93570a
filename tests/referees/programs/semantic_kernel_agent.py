"""semantic-kernel: its assistant agent, with a plugin."""

import asyncio

from semantic_kernel.agents import OpenAIAssistantAgent
from semantic_kernel.functions import kernel_function


class Tables:
    @kernel_function(description="Count the rows of a table.")
    def row_count(self, table: str) -> str:
        return f"{table} has 42 rows"


async def main() -> None:
    client = OpenAIAssistantAgent.create_client(ai_model_id="gpt-4o")
    made = await client.beta.assistants.create(model="gpt-4o", instructions="You count rows.", name="clerk")
    agent = OpenAIAssistantAgent(client=client, definition=made, plugins=[Tables()])
    print((await agent.get_response(messages="How many orders are there?")).message.content)


asyncio.run(main())
