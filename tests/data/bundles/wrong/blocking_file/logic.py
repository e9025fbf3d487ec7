"""An agent."""

import json
from pathlib import Path

from hairem_core.sdk import BaseAgent


class Agent(BaseAgent):
    async def setup(self):
        with open("data.json") as file:
            self.data = json.load(file)
        self.text = Path("notes.txt").read_text()
        self.words = (self.ctx.folder / "words.txt").read_text()
