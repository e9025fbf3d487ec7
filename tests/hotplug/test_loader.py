"""Bundles come, change, break and go."""

import asyncio
import shutil
from pathlib import Path

from tests.hotplug.helpers import COUNTER, ask, dead_reasons, from_test
from tests.support.bus import until
from tests.support.core import running_core, write_agent


async def test_bundles_come_change_and_go(agents: Path, tmp_path: Path) -> None:
    async with running_core(tmp_path, agents=agents) as core:
        write_agent(agents, "counter", COUNTER)
        await until(
            lambda: core.registry.get("counter") and core.registry["counter"].state == "live"
        )
        assert (await ask(core, from_test("counter")))[0].payload.content == "1"
        (agents / "counter" / "logic.py").write_text(COUNTER.replace("seen + 1}", "seen + 1}!"))
        await until(lambda: core.registry["counter"].generation == 2)
        assert (await ask(core, from_test("counter")))[0].payload.content == "2!"
        shutil.rmtree(agents / "counter")
        await until(lambda: core.registry.get("counter") is None)
        await core.bus.publish(from_test("counter"))
        assert await dead_reasons(core) == ["no such agent: agent:counter"]


async def test_a_wrong_bundle_is_shown_with_its_reason_and_mended_live(
    agents: Path, tmp_path: Path
) -> None:
    folder = write_agent(agents, "typo", permissions="[fly]")
    async with running_core(tmp_path, agents=agents, wait=False) as core:
        await until(lambda: core.registry.get("typo"))
        record = core.registry["typo"]
        assert record.state == "rejected"
        assert (record.findings[0].file, record.findings[0].line) == ("manifest.yaml", 4)
        assert "fly" in (record.reason or "")
        write_agent(agents, "typo")
        assert folder.exists()
        await until(lambda: core.registry["typo"].state == "live")


async def test_one_broken_bundle_never_touches_another(agents: Path, tmp_path: Path) -> None:
    write_agent(agents, "counter", COUNTER)
    (agents / "counter").rename(agents / "elsewhere")
    async with running_core(tmp_path, agents=agents) as core:
        broken = agents / "counter"
        broken.mkdir()
        (broken / "manifest.yaml").write_text("id: [")
        for number, content in enumerate(("[" * 3000, "name: 2026-13-45", "id: x\nname: !!int x")):
            (agents / f"odd{number}").mkdir()
            (agents / f"odd{number}" / "manifest.yaml").write_text(content)

        def are_rejected() -> bool:
            found = [core.registry.get(f"odd{number}") for number in range(3)]
            return all(each and each.state == "rejected" for each in found)

        await until(are_rejected)
        assert core.registry["counter"].reason is None
        shutil.rmtree(broken)
        write_agent(agents, "later", COUNTER)
        await until(lambda: core.registry.get("later"))
        assert core.registry["counter"].state == "live"
        assert (await ask(core, from_test("counter")))[0].payload.content == "1"


async def test_a_copy_takes_over_when_the_original_goes(agents: Path, tmp_path: Path) -> None:
    write_agent(agents, "counter", COUNTER)
    async with running_core(tmp_path, agents=agents) as core:
        assert (await ask(core, from_test("counter")))[0].payload.content == "1"
        shutil.copytree(agents / "counter", agents / "renamed")
        await asyncio.sleep(1.5)
        pid = core.agent_pid("counter")
        shutil.rmtree(agents / "counter")
        await until(lambda: core.agent_pid("counter") not in (None, pid))
        assert (await ask(core, from_test("counter")))[0].payload.content == "2"


async def test_a_persona_that_cannot_be_sent_is_shown(agents: Path, tmp_path: Path) -> None:
    folder = write_agent(agents, "strange")
    (folder / "persona.yaml").write_text('character: {en: "\\ud800"}\n')
    async with running_core(tmp_path, agents=agents, wait=False) as core:
        await until(
            lambda: core.registry.get("strange") and core.registry["strange"].reason is not None
        )
        assert core.registry["strange"].state in ("crashed", "rejected")


async def test_a_broken_folder_does_not_keep_its_name_from_a_good_bundle(
    agents: Path, tmp_path: Path
) -> None:
    broken = agents / "counter"
    broken.mkdir()
    (broken / "manifest.yaml").write_text("id: [")
    async with running_core(tmp_path, agents=agents, wait=False) as core:
        assert core.registry["counter"].state == "rejected"
        write_agent(tmp_path / "made", "counter", COUNTER)
        (tmp_path / "made" / "counter").rename(agents / "good")
        await until(lambda: core.registry["counter"].state == "live")
        shutil.rmtree(broken)
        await asyncio.sleep(1.5)
        assert (await ask(core, from_test("counter")))[0].payload.content == "1"


async def test_an_original_and_its_copy_may_go_together(agents: Path, tmp_path: Path) -> None:
    write_agent(agents, "counter", COUNTER)
    shutil.copytree(agents / "counter", agents / "renamed")
    async with running_core(tmp_path, agents=agents, wait=False) as core:
        await until(lambda: core.registry.get("renamed") and core.agent_pid("counter"))
        shutil.rmtree(agents / "counter")
        shutil.rmtree(agents / "renamed")
        write_agent(agents, "later", COUNTER)
        await until(lambda: core.registry.get("later") and core.agent_pid("later"))
        await until(lambda: [each.id for each in core.registry.records()] == ["later"])
