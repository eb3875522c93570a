"""autogen 0.2: an assistant agent, and a proxy that runs its functions."""

import os

from autogen import UserProxyAgent
from autogen.agentchat.contrib.gpt_assistant_agent import GPTAssistantAgent


def row_count(table: str) -> str:
    return f"{table} has 42 rows"


PARAMETERS = {"type": "object", "properties": {"table": {"type": "string"}}, "required": ["table"]}
SCHEMA = {"name": "row_count", "description": "Count the rows of a table.", "parameters": PARAMETERS}
endpoint = {"model": "gpt-4-turbo", "api_key": os.environ["OPENAI_API_KEY"], "base_url": os.environ["OPENAI_BASE_URL"]}
agent = GPTAssistantAgent(
    name="clerk",
    instructions="You count rows.",
    llm_config={"config_list": [endpoint]},
    assistant_config={"tools": [{"type": "function", "function": SCHEMA}]},
)
agent.register_function(function_map={"row_count": row_count})
person = UserProxyAgent(
    name="person", human_input_mode="NEVER", max_consecutive_auto_reply=0, code_execution_config=False
)
print(person.initiate_chat(agent, message="How many orders are there?", silent=True).chat_history[-1]["content"])
