"""llama-index: its agent on the Assistants API."""

from llama_index.agent.openai import OpenAIAssistantAgent
from llama_index.core.tools import FunctionTool


def row_count(table: str) -> str:
    """Count the rows of a table."""
    return f"{table} has 42 rows"


agent = OpenAIAssistantAgent.from_new(
    name="clerk",
    instructions="You count rows.",
    model="gpt-4-1106-preview",
    tools=[FunctionTool.from_defaults(fn=row_count)],
    run_retrieve_sleep_time=0.1,
)
print(agent.chat("How many orders are there?"))
