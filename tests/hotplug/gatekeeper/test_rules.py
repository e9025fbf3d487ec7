"""Single lines of code, and whether a rule finds them."""

from pathlib import Path

import pytest

from hairem_core.hotplug.gatekeeper import Gatekeeper
from tests.hotplug.gatekeeper.bundles import write_bundle

_HEAD = """import asyncio
import json
import os
import time
from functools import partial

from hairem_core.sdk import BaseAgent


class Agent(BaseAgent):
    async def setup(self):
        self.name = ""
        {line}

    def plain(self):
        time.sleep(1)

    async def other(self):
        await asyncio.sleep(1)
"""

FOUND = {
    "time.sleep(1)": "blocking-call",
    "partial(time.sleep, 1)()": "blocking-call",
    "(time.sleep if self.name else time.time)()": "blocking-call",
    "(nap := time.sleep)(1)": "blocking-call",
    "nap, _ = time.sleep, 1; nap(1)": "blocking-call",
    "self.nap = time.sleep; self.nap(1)": "blocking-call",
    "[time.sleep(n) for n in range(3)]": "blocking-call",
    "self.plain()": "blocking-call",
    "Agent.plain(self)": "blocking-call",
    "await asyncio.gather(self.plain())": "blocking-call",
    "self.other()": "not-awaited",
    "Agent.other(self)": "not-awaited",
    "asyncio.sleep(1)": "not-awaited",
    "self.ctx.bus.publish('crew')": "not-awaited",
    "bus = self.ctx.bus; bus.publish('crew')": "not-awaited",
    "open('x')": "blocking-file",
    "list(map(eval, self.name))": "dynamic-code",
    "[eval][0]('1')": "dynamic-code",
    "import importlib; importlib.import_module('x')": "dynamic-code",
    "getattr(os, '_exit')(1)": "process-control",
    "leave = os._exit": "process-control",
    "().__class__.__base__.__subclasses__()": "introspection",
    "json.loads = None": "monkey-patch",
    "json.loads, self.x = None, 1": "monkey-patch",
    "for json.loads in []: pass": "monkey-patch",
    "setattr(asyncio, 'sleep', None)": "monkey-patch",
    "getattr(os, self.name)": "dynamic-access",
    "g = globals(); g['x']": "dynamic-access",
    "import posix; posix.system('ls')": "permission",
    "os.posix_spawn": "permission",
    "from socket import socket": "permission",
    "import http.client as h": "permission",
    "from urllib import request": "permission",
    "import multiprocessing.shared_memory": "permission",
    "getattr(os, 'system')('ls')": "permission",
    "self.ctx.ha.call_tools": "permission",
    "ctx = self.ctx; ctx.ha": "permission",
    "os.environ['x']": "environment",
    "import pickle; pickle.load": "unsafe-load",
    "self.ctx.state.put": "ctx-unknown",
    "from hairem_core import core": "import-internal",
    "import numpy": "import-unknown",
    "from .nothing import x": "import-missing",
    "from .logic import Butler": "import-missing",
    "from .. import x": "import-outside",
    "asyncio.create_task(self.other())": "loose-task",
}

PASSED = (
    "await asyncio.to_thread(time.sleep, 1)",
    "await asyncio.to_thread(self.plain)",
    "work = self.other(); await work",
    "self.ctx.spawn_task(self.other())",
    "await asyncio.gather(self.other(), self.other())",
    "time = 3",
    "sleep = asyncio.sleep; await sleep(1)",
    "getattr(self, self.name, None)",
    "getattr(self, 'x')",
    "json.dumps({}).x = 1",
    "self.json = json; self.json.dumps({})",
    "import re; re.compile('x')",
    "import http; http.HTTPStatus.OK",
    "import urllib.parse",
    "from urllib import parse",
    "import concurrent.futures; concurrent.futures.ThreadPoolExecutor",
    "os.path.join('a', 'b'); os.getpid(); os.sep",
    "self.eval = 1; self.eval",
    "await self.ctx.state.set('a', 1); self.ctx.logger.info('x'); self.ctx.folder",
    "from . import logic",
    "from .logic import Agent, __name__ as name",
    "from hairem_core import sdk; sdk.Message",
    "import pydantic, typing_extensions",
    "self.__dict__; vars(self); type(self).__name__",
    "async with asyncio.timeout(1): await self.other()",
    "asyncio.get_running_loop().call_later(1, self.plain)",
)


def _rules(folder: Path, line: str) -> set[str]:
    write_bundle(folder, {"logic.py": _HEAD.format(line=line)})
    report, _ = Gatekeeper().check(folder, source=folder)
    return {each.rule for each in report.findings}


@pytest.mark.parametrize("line", FOUND)
def test_a_line_that_is_found(tmp_path: Path, line: str) -> None:
    assert FOUND[line] in _rules(tmp_path, line)


@pytest.mark.parametrize("line", PASSED)
def test_a_line_that_passes(tmp_path: Path, line: str) -> None:
    assert _rules(tmp_path, line) == set()
