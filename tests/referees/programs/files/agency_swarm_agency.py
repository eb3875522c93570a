"""agency-swarm: an agent whose folder of files it uploads itself, and that runs code.

It reads the first part of an answer as text, and so can't have pictures.
"""

import shutil
import sys
from pathlib import Path

from agency_swarm import Agency, Agent
from agency_swarm.tools import CodeInterpreter, FileSearch

folder = Path("files")
folder.mkdir()
for name in sys.argv[1:]:
    shutil.copy(name, folder)
agent = Agent(
    name="clerk",
    description="Answers from files.",
    instructions="You answer from files.",
    model="gpt-4o",
    tools=[FileSearch, CodeInterpreter],
    files_folder="./files",
)
said = Agency([agent], shared_instructions="Be brief.").get_completion("How many orders are there? Draw nothing.")
print(" ".join(said.split()))
