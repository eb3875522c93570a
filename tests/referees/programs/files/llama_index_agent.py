"""llama-index: its agent on the Assistants API, with files that it uploads and attaches to what is asked."""

import sys

from llama_index.agent.openai import OpenAIAssistantAgent

text, table = sys.argv[1:]
said = []
for tool, name in (("file_search", text), ("code_interpreter", table)):
    agent = OpenAIAssistantAgent.from_new(
        name="clerk",
        instructions="You answer from files.",
        model="gpt-4-1106-preview",
        openai_tools=[{"type": tool}],
        run_retrieve_sleep_time=0.1,
    )
    uploaded = agent.upload_files([name])
    agent.add_message("Here is the file.", file_ids=list(uploaded), tools=[{"type": tool}])
    said.append(str(agent.chat("How many orders are there?")))
print(" ".join(said))
