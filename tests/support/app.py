"""`hairem up` as Home Assistant's Supervisor starts it, in folders of the test's own."""

import json
import os
from pathlib import Path
from typing import Any, Self

import httpx

from tests.support.child import BIN, ROOT, Child, clean_environment, free_port
from tests.support.supervisor import FakeSupervisor

TRUSTED = "127.0.0.9"
"""Whence the test's Supervisor asks for the page."""
STRANGER = "127.0.0.10"


class RunningApp:
    """The app's process, its options and folders. `start` may be called again after `stop`."""

    def __init__(self, folder: Path, supervisor: FakeSupervisor, **options: Any) -> None:
        self.options = options
        self.data = folder / "data" / "hairem"
        self.config = folder / "config"
        self.port = free_port()
        self.child = Child("hairem", folder / "hairem.log")
        self._folder = folder
        self._supervisor = supervisor

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.child.stop()
        self.child.kill_everything()

    @property
    def environment(self) -> dict[str, str]:
        return {
            **clean_environment(),
            "SUPERVISOR_TOKEN": self._supervisor.token,
            "HASSIO_TOKEN": self._supervisor.token,
            "HAIREM_DATA": str(self.data),
            "HAIREM_SUPERVISOR": self._supervisor.url,
            "HAIREM_APP_OPTIONS": str(self._folder / "data" / "options.json"),
            "HAIREM_APP_CONFIG": str(self.config),
            "HAIREM_INGRESS_ADDRESS": TRUSTED,
            "HAIREM_PORT": str(self.port),
            "HAIREM_RUN_AS": "root",
        }

    async def launch(self, *arguments: str) -> None:
        """Start the process, with what is in `options` now, and do not wait for it."""
        self.config.mkdir(parents=True, exist_ok=True)
        path = self._folder / "data" / "options.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.options))
        command: list[str | Path] = [BIN / "hairem", "up", "--port", str(self.port), *arguments]
        await self.child.start(command, env=self.environment, cwd=ROOT)

    async def start(self) -> None:
        """Start the process, and wait until H-Core listens."""
        await self.launch()
        await self.child.wait_for_output("listens on")

    async def get(
        self, path: str, *, source: str = TRUSTED, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """Return an answer of the app to a request from an address of the loopback."""
        transport = httpx.AsyncHTTPTransport(local_address=source)
        async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
            return await client.get(f"http://127.0.0.1:{self.port}{path}", headers=headers)

    async def page(self, language: str = "en") -> str:
        """Return what Home Assistant shows."""
        headers = {"X-Ingress-Path": "/api/hassio_ingress/abc", "Accept-Language": language}
        answer = await self.get("/", headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.text

    def processes(self) -> list[int]:
        """Return the ids of all processes that it started, and theirs, itself not among them."""
        parents: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    stat = (entry / "stat").read_text()
                except OSError:
                    continue
                parent = int(stat.rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(entry.name))
        found, waiting = [], [self.child.pid or -1]
        while waiting:
            children = parents.get(waiting.pop(), [])
            found += children
            waiting += children
        return found


def environment_of(pid: int) -> bytes:
    """Return what the kernel shows of a process's environment."""
    return Path(f"/proc/{pid}/environ").read_bytes()


def is_root() -> bool:
    """Return whether these tests run as root."""
    return os.geteuid() == 0
