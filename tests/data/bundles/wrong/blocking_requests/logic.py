"""An agent."""

import http.client
import urllib.request

import httpx
import requests

from hairem_core.sdk import BaseAgent


class Agent(BaseAgent):
    async def setup(self):
        self.session = requests.Session()
        self.client = http.client.HTTPSConnection("example.org")

    async def on_utterance(self, message):
        requests.get("https://example.org", timeout=5)
        self.session.post("https://example.org", timeout=5)
        self.client.request("GET", "/")
        urllib.request.urlopen("https://example.org")
        httpx.get("https://example.org")
        with httpx.Client() as client:
            client.get("https://example.org")
