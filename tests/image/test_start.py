"""Every way in which the image is meant to be started, and what it refuses."""

from pathlib import Path

import psutil
import pytest

from tests.support.bus import running_redis
from tests.support.container import UID, UNPRIVILEGED, Container, podman, run
from tests.support.core import Client

CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapAmb")


def _status(process: psutil.Process) -> dict[str, str]:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _named(processes: list[psutil.Process], word: str) -> psutil.Process:
    return next(each for each in processes if word in " ".join(each.cmdline()))


async def _agents(container: Container) -> set[str]:
    async with Client.connect(container.address, await container.token()) as client:
        command = await client.send("agents/subscribe")
        await client.receive_for(command)
        while True:
            event = (await client.receive_for(command))["event"]
            if event["kind"] == "snapshot":
                return {each["id"] for each in event["agents"]}


async def test_without_any_privilege(unprivileged: Container) -> None:
    async with unprivileged as container:
        assert {"renarde", "electra", "alfred"} <= await _agents(container)
        processes = await container.processes()
        assert any("redis-server" in each.name() for each in processes)
        for process in processes:
            status = _status(process)
            assert status["Uid"].split() == [str(UID)] * 4, process.cmdline()
            assert {name: int(status[name], 16) for name in CAPABILITIES} == dict.fromkeys(
                CAPABILITIES, 0
            )
            assert status["NoNewPrivs"] == "1"
        assert await container.stop() == 0


@pytest.mark.parametrize("is_new", [True, False])
async def test_as_root_it_takes_a_data_folder_of_roots_and_gives_it_away(
    tmp_path: Path, is_new: bool
) -> None:
    """Its /data belongs to root, empty or with files of root's own in it."""
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    old = data / "hairem" / "old" / "of-an-earlier-version"
    if not is_new:
        old.parent.mkdir(parents=True)
        old.write_text("kept")
    async with Container(data, tmp_path / "log") as container:
        first, *others = await container.processes()
        assert first.name() == "tini"
        core, redis = _named(others, "hairem"), _named(others, "redis-server")
        for process in others:
            status = _status(process)
            assert status["Uid"].split() == [str(UID)] * 4, process.cmdline()
            assert status["Gid"].split() == [str(UID)] * 4
            assert status["Groups"] == ""
            for name in (*CAPABILITIES, "CapBnd"):
                assert int(status[name], 16) == 0, (process.cmdline(), name)
            assert status["NoNewPrivs"] == "1"
        assert core.pid != redis.pid
        assert await container.stop() == 0
    everything = [data / "hairem", *(data / "hairem").rglob("*")]
    assert {(each.lstat().st_uid, each.lstat().st_gid) for each in everything} == {(UID, UID)}
    assert is_new or old.read_text() == "kept"


async def test_as_root_without_the_right_to_drop_root_it_does_not_start(tmp_path: Path) -> None:
    options = ["--cap-drop=all", "--cap-add=chown", "--cap-add=dac_override"]
    container = Container(tmp_path, tmp_path / "log", options=options)
    try:
        await container.launch()
        assert await container.child.wait(timeout=60) != 0
        assert "SETUID" in container.child.output
        assert not (tmp_path / "hairem" / "address").exists()
    finally:
        await container.remove()


async def test_a_new_named_volume_needs_no_preparation(tmp_path: Path) -> None:
    name = f"hairem-test-{tmp_path.name.replace('_', '-')}"
    try:
        container = Container(name, tmp_path / "log", options=UNPRIVILEGED)
        async with container:
            assert await container.stop() == 0
    finally:
        podman("volume", "rm", "--force", name)


async def test_a_redis_elsewhere_and_none_inside(data: Path, tmp_path: Path) -> None:
    async with running_redis(tmp_path) as redis:
        config = tmp_path / "system.yaml"
        config.write_text("redis:\n  url: unix:///redis/redis.sock\n")
        folder = Path(redis.url.removeprefix("unix://")).parent
        # Its socket is for the user of the server alone.
        (folder / "redis.sock").chmod(0o777)
        options = [*UNPRIVILEGED, f"--volume={folder}:/redis"]
        container = Container(
            data, tmp_path / "log", options=options, arguments=["--role", "core"], config=config
        )
        async with container:
            running = [" ".join(each.cmdline()) for each in await container.processes()]
            assert not any("redis-server" in each for each in running)
            async with Client.connect(container.address, await container.token()) as client:
                told = await client.turn("renarde", "Remember that the cat is called Moustache")
                assert told[-1]["kind"] == "done"
            assert await container.stop() == 0


def test_a_core_without_a_redis_is_refused() -> None:
    done = run("up", "--role", "core", options=[*UNPRIVILEGED, "--tmpfs=/data:mode=1777"])
    assert done.code == 2
    assert "redis.url" in done.err


def test_a_role_that_is_none_is_refused() -> None:
    done = run("up", "--role", "host", options=UNPRIVILEGED)
    assert done.code == 2
    assert "--role" in done.err


def test_a_wrong_configuration_is_refused_with_its_line(tmp_path: Path) -> None:
    wrong = tmp_path / "system.yaml"
    wrong.write_text("api:\n  port: many\n")
    wrong.chmod(0o644)
    options = [*UNPRIVILEGED, "--tmpfs=/data:mode=1777"]
    done = run("up", options=[*options, f"--volume={wrong}:/app/config/system.yaml:ro"])
    assert done.code == 2
    assert "system.yaml:2" in done.err
    assert "api.port" in done.err


def test_a_data_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    done = run("up", options=[*UNPRIVILEGED, f"--volume={tmp_path}:/data"])
    assert done.code == 2
    assert "/data/hairem" in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["ask", "renarde", "Hello"], ["health"]])
def test_commands_that_need_a_running_core_say_so(arguments: list[str]) -> None:
    assert run(*arguments, options=UNPRIVILEGED).code != 0


async def test_two_containers_do_not_share_one_data_folder(
    unprivileged: Container, data: Path, tmp_path: Path
) -> None:
    async with unprivileged:
        second = Container(data, tmp_path / "second", options=UNPRIVILEGED)
        try:
            await second.launch()
            assert await second.child.wait(timeout=60) == 2
            assert "in use by another H-Core" in second.child.output
        finally:
            await second.remove()
        assert (await unprivileged.hairem("health")).code == 0
