"""Hands what blocks to threads, and blocks only where nothing else runs."""

import asyncio
import subprocess
import threading
import time
from functools import partial

import urllib.request

from hairem_core.sdk import BaseAgent


def in_thread(function):
    """Run a function in a thread."""

    async def run(*args):
        return await asyncio.to_thread(function, *args)

    return run


@in_thread
def fetch(url):
    with urllib.request.urlopen(url) as answer:
        return answer.read()


def wait():
    """Is never called in the loop itself."""
    time.sleep(1)


def lines(path):
    """Begins when it is asked for the first line."""
    time.sleep(1)
    yield path


class Agent(BaseAgent):
    async def setup(self) -> None:
        await asyncio.to_thread(time.sleep, 1)
        await asyncio.to_thread(wait)
        await asyncio.to_thread(lambda: time.sleep(1))
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, subprocess.run, ["ls"])
        await loop.run_in_executor(None, partial(subprocess.run, ["ls"], check=True))
        await fetch("https://example.org")
        threading.Thread(target=self._work, daemon=True).start()
        process = await asyncio.create_subprocess_exec("ls")
        await process.wait()
        future = loop.create_future()
        future.set_result(1)
        future.result()

    def _work(self) -> None:
        while True:
            time.sleep(1)

    async def on_utterance(self, message) -> None:
        def later():
            time.sleep(1)

        await asyncio.to_thread(later)
        lines("x")
