"""A real H-Core, run as a process through the `hairem` command."""

import asyncio
import subprocess
import time
from pathlib import Path
from typing import Any, Self

import aiohttp

from tests.support.child import BIN, ROOT, Child, ProgramError, clean_environment

_CONFIG = """\
house:
  name: Foxhill
llm:
  first_token_timeout: 10
  stall_timeout: 10
"""
_CHAT = """\
  chat:
    model: openai/scripted
    api_base: {base}
    api_key: not-a-secret
"""


class CoreProcess:
    """One H-Core with its data in `folder`. The same port is taken again after a restart.

    `model_base` is the address of an OpenAI-compatible server; with None the offline brain answers,
    or whatever `environment` names. `extra_config` is added to its `system.yaml`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        model_base: str | None = None,
        environment: dict[str, str] | None = None,
        extra_config: str = "",
    ) -> None:
        self.data = folder / "core"
        self.child = Child("H-Core", folder / "core.log")
        self.host = "127.0.0.1"
        self.port = 0
        self._config = folder / "system.yaml"
        self._environment = clean_environment() | (environment or {})
        folder.mkdir(parents=True, exist_ok=True)
        chat = _CHAT.format(base=model_base) if model_base else ""
        self._config.write_text(_CONFIG + chat + extra_config, encoding="utf-8")

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"http://{self.host}:{self.port}"

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    async def start(self, *, timeout: float = 30.0) -> None:
        """Start, and return when people can be answered. Raises ProgramError."""
        command: list[str | Path] = [
            BIN / "hairem",
            "up",
            "--data",
            self.data,
            "--config",
            self._config,
        ]
        command += ["--port", str(self.port)]
        # What a killed core left behind would be read as the new one's.
        (self.data / "address").unlink(missing_ok=True)
        await self.child.start(command, env=self._environment)
        await self._wait_until_up(timeout)

    async def stop(self) -> int | None:
        """Stop it, as its administrator would; return the exit code, None where it did not run."""
        code = await self.child.stop(timeout=15)
        self.child.kill_everything()
        return code

    async def kill(self) -> None:
        """Kill it with SIGKILL: nothing is put in order, its children are left to themselves."""
        await self.child.kill()

    async def restart(self) -> None:
        """Stop and start it, on the same address."""
        await self.stop()
        await self.start()

    def token(self, name: str) -> str:
        """Return a new token for a client of that name. Raises ProgramError."""
        done = subprocess.run(
            [BIN / "hairem", "token", "new", name, "--data", self.data],
            env=self._environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        if done.returncode != 0:
            raise ProgramError(f"hairem token new: {done.stderr.strip() or done.returncode}")
        return done.stdout.strip()

    async def health(self, token: str | None = None) -> dict[str, Any]:
        """Return what `GET /api/health` answers."""
        return await self._get("/api/health", token)

    async def agents(self, token: str) -> list[dict[str, Any]]:
        """Return what `GET /api/agents` lists."""
        found: list[dict[str, Any]] = (await self._get("/api/agents", token))["agents"]
        return found

    async def wait_for_agents(self, token: str, *wanted: str, timeout: float = 20.0) -> None:
        """Return once all these agents are live. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            while True:
                live = {each["id"] for each in await self.agents(token) if each["state"] == "live"}
                if live >= set(wanted):
                    return
                await asyncio.sleep(0.05)

    def agent_pid(self, agent_id: str) -> int:
        """Return the process id of an agent, known by the folder it works in.

        Raises LookupError."""
        home = (self.data / "agents" / agent_id).resolve()
        for process in Path("/proc").iterdir():
            try:
                if process.name.isdigit() and (process / "cwd").readlink() == home:
                    return int(process.name)
            except OSError:
                continue
        raise LookupError(f"no process of agent {agent_id!r} under H-Core")

    async def _get(self, path: str, token: str | None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        timeout = aiohttp.ClientTimeout(total=10)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(self.url + path, headers=headers) as response,
        ):
            body: dict[str, Any] = await response.json()
            return body

    async def _wait_until_up(self, timeout: float) -> None:
        address = self.data / "address"
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            self.child.check()
            try:
                self.port = int(address.read_text().strip().rpartition(":")[2])
                if (await self.health())["status"] == "up":
                    return
            except OSError, ValueError, aiohttp.ClientError, TimeoutError:
                pass
            await asyncio.sleep(0.03)
        raise ProgramError(f"H-Core was not up within {timeout:g} s:\n{self.child.last_words()}")
