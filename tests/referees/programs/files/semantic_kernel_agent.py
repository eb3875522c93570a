"""semantic-kernel: its agent with its helpers for both tools; annotations and pictures are items of the answer."""

import asyncio
import sys

from semantic_kernel.agents import OpenAIAssistantAgent
from semantic_kernel.contents import AnnotationContent, FileReferenceContent

text, table = sys.argv[1:]


async def main() -> None:
    client = OpenAIAssistantAgent.create_client(ai_model_id="gpt-4o")
    with open(text, "rb") as one, open(table, "rb") as two:
        files = [await client.files.create(file=file, purpose="assistants") for file in (one, two)]
    store = await client.vector_stores.create(name="reports", file_ids=[files[0].id])
    search, found = OpenAIAssistantAgent.configure_file_search_tool(store.id)
    code, given = OpenAIAssistantAgent.configure_code_interpreter_tool(files[1].id)
    made = await client.beta.assistants.create(
        model="gpt-4o",
        instructions="You answer from files.",
        name="clerk",
        tools=search + code,
        tool_resources={**found, **given},
    )
    agent = OpenAIAssistantAgent(client=client, definition=made)
    message = (await agent.get_response(messages="How many orders are there?")).message
    annotations = [item for item in message.items if isinstance(item, AnnotationContent)]
    assert {item.file_id for item in annotations} >= {files[0].id}, annotations
    assert any(isinstance(item, FileReferenceContent) for item in message.items), message.items
    print(" ".join(message.content.split()))


asyncio.run(main())
