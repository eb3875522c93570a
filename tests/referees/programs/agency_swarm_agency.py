"""agency-swarm: an agency of one agent, with a tool."""

from agency_swarm import Agency, Agent
from agency_swarm.tools import BaseTool
from pydantic import Field


class RowCount(BaseTool):
    """Count the rows of a table."""

    table: str = Field(..., description="Its name.")

    def run(self) -> str:
        return f"{self.table} has 42 rows"


agent = Agent(name="clerk", description="Counts.", instructions="You count rows.", model="gpt-4o", tools=[RowCount])
print(Agency([agent], shared_instructions="Be brief.").get_completion("How many orders are there?"))
