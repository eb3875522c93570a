"""LangChain's runnable for assistants, with a function of ours as its tool."""

from langchain.agents import AgentExecutor
from langchain.agents.openai_assistant import OpenAIAssistantRunnable
from langchain_core.tools import tool


@tool
def row_count(table: str) -> str:
    """Count the rows of a table."""
    return f"{table} has 42 rows"


agent = OpenAIAssistantRunnable.create_assistant(
    name="clerk", instructions="You count rows.", tools=[row_count], model="gpt-4-1106-preview", as_agent=True
)
said = AgentExecutor(agent=agent, tools=[row_count]).invoke({"content": "How many orders are there?"})
print(said["output"])
