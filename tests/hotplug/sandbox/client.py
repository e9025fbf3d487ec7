"""The tests' end of `house.py`."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

MODES = ("root", "closed", "user")
_ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Answer:
    """What came of a piece of code in a sandbox."""

    pid: int
    protections: dict[str, str]
    said: dict[str, Any] | None
    output: str
    status: int
    memory: int

    @property
    def result(self) -> Any:
        """What the code called `result`."""
        assert self.said is not None, f"it ended with {self.status}: {self.output}"
        assert "result" in self.said, self.output
        return self.said["result"]


class Refused(Exception):
    """The forkserver did not fork."""


class House:
    """A forkserver that runs as another user, or in another view of the file system."""

    def __init__(self, mode: str, data: Path, process: subprocess.Popen[str]) -> None:
        self.mode = mode
        self.data = data
        self._process = process
        hello = self._read()
        self.pid: int = hello["pid"]
        self.forkserver: int = hello["forkserver"]

    @property
    def shares_its_user(self) -> bool:
        """Whether agents are the same user as H-Core."""
        return self.mode != "root"

    def run(self, code: str, agent: str = "a", **spec: Any) -> Answer:
        """Run code as an agent. Raises Refused."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"agent": agent, "code": code} | spec) + "\n")
        self._process.stdin.flush()
        answer = self._read()
        if "refused" in answer:
            raise Refused(answer["refused"])
        return Answer(**answer)

    def is_alive(self) -> bool:
        """Return whether the process that stands for H-Core still runs."""
        return self._process.poll() is None

    def _read(self) -> dict[str, Any]:
        stdout: IO[str] | None = self._process.stdout
        assert stdout is not None
        line = stdout.readline()
        assert line, f"the house ended with {self._process.wait()}"
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def open_house(mode: str) -> Iterator[House]:
    """Start a house; its data folder can be entered by everyone, as H-Core's own can."""
    data = Path(tempfile.mkdtemp(prefix="hairem-sandbox-"))
    data.chmod(0o711)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "tests.hotplug.sandbox.house", mode, str(data)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
        env=os.environ | {"PYTHONPATH": str(_ROOT), "HAIREM_SECRET": "hunter2"},
    )
    try:
        yield House(mode, data, process)
    finally:
        process.communicate()
        shutil.rmtree(data)
