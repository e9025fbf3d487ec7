"""Bundles that go, come back and change their names in unlucky moments."""

import asyncio
import shutil
import time
from pathlib import Path

import pytest

from hairem_core.hotplug.snapshot import take_snapshot
from tests.hotplug.helpers import COUNTER, HEAD, ask, from_test
from tests.support.bus import until
from tests.support.core import running_core, write_agent
from tests.support.package_index import PackageIndex

SLOW_END = COUNTER + "\n    async def teardown(self):\n        await asyncio.sleep(1.0)\n"


def named(name: str) -> str:
    return (
        HEAD
        + f"""
class Agent(BaseAgent):
    async def on_message(self, message):
        await self.ctx.bus.answer(message, topic=Topic.AGENT_NOTE, content="{name}")
"""
    )


async def test_a_folder_that_comes_back_while_its_agent_ends_is_followed(
    agents: Path, tmp_path: Path
) -> None:
    folder = write_agent(agents, "counter", SLOW_END)
    async with running_core(tmp_path, agents=agents) as core:
        shutil.rmtree(folder)
        await until(lambda: core.registry["counter"].state == "draining")
        write_agent(agents, "counter", COUNTER)
        await until(lambda: core.agent_pid("counter") and core.registry["counter"].state == "live")
        assert core.control.details("counter")["folder"] == str(folder)
        shutil.rmtree(folder)
        await until(lambda: core.registry.get("counter") is None)
        assert core.agent_pid("counter") is None


async def test_another_folder_with_the_id_waits_for_the_end_of_the_first(
    agents: Path, tmp_path: Path
) -> None:
    folder = write_agent(agents, "counter", SLOW_END)
    write_agent(tmp_path / "made", "counter", COUNTER)
    async with running_core(tmp_path, agents=agents) as core:
        assert (await ask(core, from_test("counter")))[0].payload.content == "1"
        shutil.rmtree(folder)
        await until(lambda: core.registry["counter"].state == "draining")
        (tmp_path / "made" / "counter").rename(agents / "other")
        await until(
            lambda: (
                core.control.details("counter")["folder"] == str(agents / "other")
                and core.registry["counter"].state == "live"
            )
        )
        await asyncio.sleep(1.5)
        assert core.registry["counter"].state == "live"
        assert (await ask(core, from_test("counter")))[0].payload.content == "2"


async def test_two_folders_may_exchange_their_ids(agents: Path, tmp_path: Path) -> None:
    folders = [write_agent(agents, name, named(name)) for name in ("one", "two")]
    manifests = [folder / "manifest.yaml" for folder in folders]
    async with running_core(tmp_path, agents=agents) as core:
        texts = [path.read_text() for path in manifests]
        # One after the other, with time to be refused between.
        manifests[0].write_text(texts[1])
        await until(lambda: core.registry["one"].findings)
        manifests[1].write_text(texts[0])
        await until(
            lambda: (
                [core.registry.get(name) and core.agent_pid(name) for name in ("one", "two")]
                and core.control.details("one")["folder"] == str(folders[1])
            )
        )
        await until(
            lambda: (
                core.registry.get("two")
                and core.control.details("two")["folder"] == str(folders[0])
                and all(each.state == "live" and not each.drift for each in core.registry.records())
            )
        )
        assert (await ask(core, from_test("one")))[0].payload.content == "two"
        assert (await ask(core, from_test("two")))[0].payload.content == "one"
        assert not any(each.drift for each in core.registry.records())


async def test_of_two_with_one_uuid_at_the_start_the_first_has_it(
    agents: Path, tmp_path: Path
) -> None:
    for name in ("first", "second"):
        path = write_agent(agents, name, COUNTER) / "manifest.yaml"
        path.write_text(path.read_text() + "uuid: 3f0c6a52-6c1e-4d57-9b0e-2f6f5f6c1a99\n")
    async with running_core(tmp_path, agents=agents, wait=False) as core:
        await until(lambda: core.agent_pid("first") and core.registry["second"].reason)
        assert core.registry["second"].state == "rejected"
        assert "duplicate-uuid" in [each.rule for each in core.registry["second"].findings]
        shutil.rmtree(agents / "first")
        await until(lambda: core.agent_pid("second"))


async def test_a_disabled_agent_that_is_removed_has_no_inboxes(
    agents: Path, tmp_path: Path
) -> None:
    write_agent(agents, "counter", COUNTER)
    async with running_core(tmp_path, agents=agents) as core:
        await core.control.disable("counter")
        await core.control.remove("counter")
        assert core.registry.get("counter") is None
        assert "counter" not in core.bus.statistics()["agents"]
        kept = tmp_path / "data" / "removed"
        assert kept.stat().st_mode & 0o777 == 0o700


async def test_orders_for_many_at_once_are_all_kept(agents: Path, tmp_path: Path) -> None:
    names = [f"agent_{number}" for number in range(8)]
    for name in names:
        write_agent(agents, name, COUNTER)
    async with running_core(tmp_path, agents=agents) as core:
        await asyncio.gather(*(core.control.disable(name) for name in names))
    async with running_core(tmp_path, agents=agents, wait=False) as core:
        await until(
            lambda: [each.state for each in core.registry.records()] == ["stopped"] * len(names)
        )


def test_a_snapshot_that_a_power_cut_emptied_is_made_again(tmp_path: Path) -> None:
    bundle = write_agent(tmp_path, "counter", COUNTER)
    snapshot = take_snapshot(bundle, tmp_path / "bundles")
    (snapshot.folder / "logic.py").write_text("")
    again = take_snapshot(bundle, tmp_path / "bundles")
    assert again.hash == snapshot.hash
    assert (again.folder / "logic.py").read_text() == COUNTER
    (snapshot.folder / "manifest.yaml").unlink()
    take_snapshot(bundle, tmp_path / "bundles")
    assert (snapshot.folder / "manifest.yaml").exists()


async def test_a_core_that_stops_while_agents_end_leaves_nothing_running(
    agents: Path, tmp_path: Path
) -> None:
    write_agent(agents, "counter", SLOW_END)
    write_agent(agents, "other", SLOW_END)
    async with running_core(tmp_path, agents=agents) as core:
        shutil.rmtree(agents / "counter")
        disabling = asyncio.create_task(core.control.disable("other"))
        await until(lambda: all(each.state == "draining" for each in core.registry.records()))
        started = time.monotonic()
    assert time.monotonic() - started < 5
    await disabling
    await asyncio.sleep(0.1)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("how", ["removed", "disabled", "deleted"])
async def test_nobody_waits_for_the_libraries_of_an_agent_that_goes(
    agents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = write_agent(agents, "counter", COUNTER)
    (folder / "requirements.txt").write_text("colour\n")
    with PackageIndex() as index:
        index.add("colour", files={"colour.py": b"#" * 200_000})
        index.hold.clear()
        config = {"package_index": index.url}
        async with running_core(tmp_path, agents=agents, wait=False, agents_config=config) as core:
            await until(lambda: any(".whl" in path for path in index.requests))
            async with asyncio.timeout(5):
                if how == "removed":
                    await core.control.remove("counter")
                elif how == "disabled":
                    await core.control.disable("counter")
                    assert core.registry["counter"].state == "stopped"
                    assert core.registry["counter"].progress is None
                    index.hold.set()
                    await core.control.enable("counter")
                    assert core.registry["counter"].state == "live"
                    return
                else:
                    shutil.rmtree(folder)
                await until(lambda: core.registry.get("counter") is None)
