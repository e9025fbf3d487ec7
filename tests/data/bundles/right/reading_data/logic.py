"""Reads its own files where that harms nobody."""

import importlib.metadata
import importlib.resources
import json
import os.path
import sys
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urljoin

from hairem_core.sdk import BaseAgent

LINES = json.loads((Path(__file__).parent / "lines.txt").read_text())


class Agent(BaseAgent):
    version = sys.version_info
    parts = (HTTPStatus.OK, urljoin, os.path.join, os.sep, importlib.metadata, importlib.resources)

    async def setup(self) -> None:
        self.ctx.logger.info("in %s on %s", self.ctx.folder, sys.platform)

    def load(self) -> str:
        with open("notes.txt") as file:
            return file.read()
