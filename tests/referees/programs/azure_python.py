"""The SDK's client for Azure, as openai 1.40 has it and as that of today."""

import os

from openai import AzureOpenAI

client = AzureOpenAI(
    azure_endpoint=os.environ["OPENAI_BASE_URL"].removesuffix("/v1"),
    api_key=os.environ["OPENAI_API_KEY"],
    api_version="2024-05-01-preview",
)
assistant = client.beta.assistants.create(model="my-deployment", instructions="You greet.")
thread = client.beta.threads.create(messages=[{"role": "user", "content": "Hello"}])
client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
print(client.beta.threads.messages.list(thread_id=thread.id).data[0].content[0].text.value)
