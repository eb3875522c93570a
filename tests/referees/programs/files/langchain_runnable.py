"""LangChain's two runnables for assistants: a store of the assistant's, and files that come with the question."""

import sys
from pathlib import Path

from langchain.agents.openai_assistant import OpenAIAssistantRunnable
from langchain_community.agents.openai_assistant import OpenAIAssistantV2Runnable
from openai import OpenAI

client = OpenAI()
text, table = (client.files.create(file=Path(name), purpose="assistants").id for name in sys.argv[1:])
store = client.vector_stores.create(file_ids=[text])
searching = OpenAIAssistantV2Runnable.create_assistant(
    name="reader",
    instructions="You read.",
    tools=[{"type": "file_search"}],
    model="gpt-4-1106-preview",
    tool_resources={"file_search": {"vector_store_ids": [store.id]}},
    as_agent=True,
)
found = searching.invoke({"content": "How many orders are there?"}).return_values["output"]
coding = OpenAIAssistantRunnable.create_assistant(
    name="coder", instructions="You code.", tools=[{"type": "code_interpreter"}], model="gpt-4-1106-preview"
)
attached = [{"file_id": table, "tools": [{"type": "code_interpreter"}]}]
[message] = coding.invoke({"content": "Count the orders.", "attachments": attached})
picture, words = message.content
assert client.files.content(picture.image_file.file_id).read().startswith(b"\x89PNG")
name = client.files.retrieve(client.vector_stores.files.list(store.id).data[0].id).filename
written = client.files.content(words.text.annotations[0].file_path.file_id).read().decode()
print(
    found.replace(found[found.index("【") :], f" [0: {name}]"),
    words.text.value.replace("sandbox:/mnt/data/count.txt", written),
)
