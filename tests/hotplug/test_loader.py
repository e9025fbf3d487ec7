"""Bundles come, change, break and go."""

import asyncio
import shutil
from pathlib import Path

from tests.hotplug.helpers import COUNTER, HEAD, ask, dead_reasons, from_test
from tests.support.bus import until
from tests.support.core import Client, running_core, write_agent


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


async def test_what_is_no_text_is_refused_and_told_to_clients(agents: Path, tmp_path: Path) -> None:
    folder = write_agent(agents, "strange")
    (folder / "persona.yaml").write_text('character: {en: "\\ud800"}\n')
    (agents / "stranger").mkdir()
    (agents / "stranger" / "manifest.yaml").write_text(
        'id: stranger\nname: X\ndescription: {en: "\\ud800"}\n'
    )
    async with running_core(tmp_path, agents=agents, wait=False) as core:
        for name in ("strange", "stranger"):
            while getattr(core.registry.get(name), "state", None) != "rejected":
                await asyncio.sleep(0.01)
            assert "is no text" in (core.registry[name].reason or "")
        assert core.new_token
        async with Client.connect(core.address, core.new_token) as client:
            await client.receive()
            subscription = await client.send("agents/subscribe")
            assert (await client.receive_for(subscription))["success"]
            snapshot = (await client.receive_for(subscription))["event"]
            assert len(snapshot["agents"]) == 2


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


async def test_the_first_folder_wins_and_a_house_sets_what_it_wants(
    agents: Path, tmp_path: Path
) -> None:
    logic = (
        HEAD
        + """
class Agent(BaseAgent):
    async def on_message(self, message):
        await self.ctx.bus.answer(
            message, topic=Topic.AGENT_NOTE, content=f"{self.ctx.config} {__file__}"
        )
"""
    )
    shipped, own = agents / "shipped", agents / "own"
    manifest = "id: teller\nname: Teller\nconfig:\n  tone: dry\n  pace: 1\n"
    for root in (shipped, own):
        write_agent(root, "teller", logic)
        (root / "teller" / "manifest.yaml").write_text(manifest)
    write_agent(own, "odd", logic)
    config = {
        "folders": [str(shipped), str(own)],
        "settings": {"teller": {"tone": "warm"}, "odd": {"tune": 1}},
    }
    async with running_core(tmp_path, wait=False, agents_config=config) as core:
        await until(lambda: core.registry.get("teller_2") and core.agent_pid("teller"))
        (answer,) = await ask(core, from_test("teller"))
        assert answer.payload.content.startswith("{'tone': 'warm', 'pace': 1} ")
        assert core.control.details("teller")["folder"] == str(shipped / "teller")
        assert core.registry["teller_2"].state == "rejected"
        (finding,) = core.registry["odd"].findings
        assert finding.rule == "setting"
        assert "agents.settings.odd.tune" in finding.what


async def test_a_copied_uuid_is_refused(agents: Path, tmp_path: Path) -> None:
    manifest = "id: {0}\nname: {0}\nuuid: 3f0c6a52-6c1e-4d57-9b0e-2f6f5f6c1a99\n"
    async with running_core(tmp_path, agents=agents, wait=False) as core:
        for name in ("first", "second"):
            (agents / name).mkdir()
            (agents / name / "manifest.yaml").write_text(manifest.format(name))
            while getattr(core.registry.get(name), "state", None) not in ("live", "rejected"):
                await asyncio.sleep(0.01)
        assert core.registry["first"].state == "live"
        errors = [each for each in core.registry["second"].findings if each.severity == "error"]
        assert [each.rule for each in errors] == ["duplicate-uuid"]


async def test_a_folder_copied_in_slow_motion_becomes_one_agent(
    agents: Path, tmp_path: Path
) -> None:
    made = write_agent(tmp_path / "made", "counter", COUNTER)
    (made / "lib").mkdir()
    for number in range(30):
        (made / "lib" / f"part{number}.py").write_text("VALUE = 1\n")
    async with running_core(tmp_path, agents=agents, wait=False) as core:
        target = agents / "counter"
        (target / "lib").mkdir(parents=True)
        for path in sorted(made.rglob("*.*")):
            shutil.copy(path, target / path.relative_to(made))
            await asyncio.sleep(0.01)
        await until(lambda: core.agent_pid("counter"))
        assert (await ask(core, from_test("counter")))[0].payload.content == "1"
        # What came in the middle may have been tried, but never more than twice.
        assert core.registry["counter"].generation <= 2
