"""The image as Home Assistant's app: root, a /data of root's, and a Supervisor."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from hairem_core.supervisor.mysql import DATABASE
from tests.support.app import STRANGER, TRUSTED, environment_of
from tests.support.container import UID, Container, podman
from tests.support.core import Client
from tests.support.mariadb import USER, MariaDb
from tests.support.supervisor import TOKEN, FakeSupervisor

CAPABILITIES = (
    "audit_write", "chown", "dac_override", "fowner", "fsetid", "kill", "mknod",
    "net_bind_service", "net_raw", "setfcap", "setgid", "setpcap", "setuid", "sys_chroot",
)  # fmt: skip
"""What Docker gives to a container, and so the Supervisor to an app that asks for nothing more."""


class App:
    """The container with what the Supervisor mounts into it."""

    def __init__(self, folder: Path, supervisor: FakeSupervisor, **options: object) -> None:
        self.data, self.config = folder / "data", folder / "config"
        self.data.mkdir()
        self.config.mkdir()
        self.configure(**options)
        self.container = Container(
            self.data,
            folder / "log",
            options=[
                "--cap-drop=all",
                *(f"--cap-add={name}" for name in CAPABILITIES),
                f"--volume={self.config}:/config",
            ],
            environment={
                "SUPERVISOR_TOKEN": supervisor.token,
                "HASSIO_TOKEN": supervisor.token,
                "HAIREM_SUPERVISOR": supervisor.url,
                "HAIREM_INGRESS_ADDRESS": TRUSTED,
            },
        )
        # Its own port is taken by other tests; without options there is no file that names this.
        self.container.options.append(f"--env=HAIREM_PORT={self.container.port}")

    def configure(self, **options: object) -> None:
        """Write the options, as the Supervisor does when they are saved."""
        path = self.data / "options.json"
        path.write_text(json.dumps(options))
        path.chmod(0o600)

    async def page(self, source: str = TRUSTED) -> httpx.Response:
        """Return the answer to a request for the ingress page."""
        transport = httpx.AsyncHTTPTransport(local_address=source)
        async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
            return await client.get(
                f"http://{self.container.address}/",
                headers={"X-Ingress-Path": "/api/hassio_ingress/abc", "Accept-Language": "en"},
            )


@pytest.fixture
async def supervisor() -> AsyncIterator[FakeSupervisor]:
    async with FakeSupervisor() as supervisor:
        yield supervisor


async def test_the_whole_start(tmp_path: Path, supervisor: FakeSupervisor) -> None:
    app = App(tmp_path, supervisor, language="en", log_level="info")
    async with app.container as container:
        announced = (await supervisor.until_announced())["config"]
        assert (announced["host"], announced["port"]) == ("a1b2c3d4-hairem", container.port)
        async with Client.connect(container.address, announced["token"]) as client:
            told = await client.turn("renarde", "Remember that the cat is called Moustache")
            assert told[-1]["kind"] == "done"
        assert (await app.page()).status_code == 200
        assert (await app.page(source=STRANGER)).status_code == 404
        assert (await container.hairem("health")).code == 0
        # Whom it runs as, and what they see of the Supervisor's token.
        first, *others = await container.processes()
        for process in others:
            assert process.uids().effective == UID, process.cmdline()
            assert TOKEN.encode() not in environment_of(process.pid), process.cmdline()
        # Number 1 has what it was started with. It is root's, and closed to everybody else.
        assert first.name() == "tini"
        curious = await asyncio.to_thread(
            podman, "exec", f"--user={UID}:{UID}", container.name, "cat", "/proc/1/environ"
        )
        assert curious.code != 0
        assert TOKEN not in curious.out
        assert TOKEN not in container.child.output
        assert await container.stop() == 0

        # The same token after a restart.
        supervisor.messages.clear()
        await container.start()
        assert (await supervisor.until_announced())["config"]["token"] == announced["token"]
        async with Client.connect(container.address, announced["token"]) as client:
            answer = (await client.turn("renarde", "What is the cat called?"))[-1]["text"]
        assert "Moustache" in answer


@pytest.mark.timeout(180)
async def test_mariadb_of_the_supervisor(tmp_path: Path, supervisor: FakeSupervisor) -> None:
    server = MariaDb(tmp_path / "mariadb").start()
    try:
        server.execute(f"GRANT ALL ON *.* TO {USER}@'127.0.0.1'")
        supervisor.mysql = {
            "host": "127.0.0.1",
            "port": server.port,
            "username": USER,
            "password": server.password,
        }
        async with App(tmp_path, supervisor).container as container:
            announced = (await supervisor.until_announced())["config"]
            async with Client.connect(container.address, announced["token"]) as client:
                await client.turn("renarde", "Good evening")
                # A night opens the archive.
                command = await client.send("memory/dream")
                while (await client.receive_for(command)).get("event", {}).get("kind") != (
                    "dream_done"
                ):
                    pass
            assert await container.stop() == 0
            assert server.password not in container.child.output
        assert server.execute(f"SHOW TABLES IN {DATABASE}")
    finally:
        server.stop()


async def test_a_hot_backup(tmp_path: Path, supervisor: FakeSupervisor) -> None:
    """The Supervisor runs both commands inside, as root, whatever H-Core runs as."""
    async with App(tmp_path, supervisor).container as container:
        await supervisor.until_announced()
        for stage in ("pre", "post"):
            done = await container.hairem("backup", stage)
            assert done.code == 0, (stage, done.err)


async def test_wrong_options_keep_it_up_and_healthy(
    tmp_path: Path, supervisor: FakeSupervisor
) -> None:
    app = App(tmp_path, supervisor, language="xx", log_level="loud")
    container = app.container
    try:
        await container.launch()
        await container.child.wait_for_output("its options are wrong")
        page = await app.page()
        assert page.status_code == 200
        for key in ("language", "log_level"):
            assert key in page.text
            assert key in container.child.output
        # A restart would mend nothing, so none is asked for.
        healthy = await container.hairem("health")
        assert (healthy.code, healthy.out) == (0, "misconfigured\n"), healthy.err
        assert await container.stop() == 0
    finally:
        await container.remove()
