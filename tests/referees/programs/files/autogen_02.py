"""autogen 0.2: its assistant agent, with files for both tools.

Its footnotes want a `quote`, which stored annotations of the second API never had: a citation stays a number.
"""

import os
import re
import sys
from pathlib import Path

from autogen import UserProxyAgent
from autogen.agentchat.contrib.gpt_assistant_agent import GPTAssistantAgent
from openai import OpenAI

client = OpenAI()
text, table = (client.files.create(file=Path(name), purpose="assistants").id for name in sys.argv[1:])
store = client.vector_stores.create(name="reports", file_ids=[text])
endpoint = {"model": "gpt-4-turbo", "api_key": os.environ["OPENAI_API_KEY"], "base_url": os.environ["OPENAI_BASE_URL"]}
person = UserProxyAgent(
    name="person", human_input_mode="NEVER", max_consecutive_auto_reply=0, code_execution_config=False
)
said = []
for tool, files in (
    ("file_search", {"tool_resources": {"file_search": {"vector_store_ids": [store.id]}}}),
    ("code_interpreter", {"file_ids": [table]}),
):
    agent = GPTAssistantAgent(
        name=f"clerk-{tool}",
        instructions="You answer from files.",
        llm_config={"config_list": [endpoint]},
        assistant_config={"tools": [{"type": tool}], **files},
    )
    said.append(
        person.initiate_chat(agent, message="How many orders are there?", silent=True).chat_history[-1]["content"]
    )
assert "Received file id=file-" in said[1], said[1]
said[1] = said[1].replace(re.search(r"file-\w+", said[1])[0], "FILE")
print(" ".join(" ".join(said).split()))
