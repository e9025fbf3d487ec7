"""The agent's end of its socket, in a process of its own; the test is the host."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from hairem_core.hotplug import frames
from hairem_core.hotplug.fingerprint import fingerprint
from tests.hotplug.agent_end import HEAD, agent_end, method

ECHO = (
    HEAD
    + """
class Agent(BaseAgent):
    async def on_message(self, message):
        await self.ctx.bus.answer(message, topic=Topic.AGENT_NOTE, content=message.payload.content)
"""
)


async def test_ready_comes_with_the_hash_of_what_was_read_and_then_a_heartbeat(
    tmp_path: Path,
) -> None:
    async with agent_end(tmp_path, {"logic.py": ECHO, "assets/a.txt": "a"}) as host:
        ready = await host.hear(frames.Ready)
        assert ready.hash == fingerprint(tmp_path / "snapshot")
        beat = await host.hear(frames.Heartbeat)
        assert [type(frame) for frame in host.heard] == [frames.Ready, frames.Heartbeat]
        assert (beat.hash, beat.tasks, beat.task_failures) == (ready.hash, 0, 0)
        # The bundle is as it was: nothing was compiled beside its files.
        assert fingerprint(tmp_path / "snapshot") == ready.hash


@pytest.mark.alone
async def test_heartbeats_come_every_second_and_say_how_late_the_loop_was(tmp_path: Path) -> None:
    block = method("import time\ntime.sleep(0.4)", name="on_message")
    async with agent_end(tmp_path, {"logic.py": block}) as host:
        await host.hear(frames.Heartbeat)
        started = time.monotonic()
        host.deliver()
        async with asyncio.timeout(5):
            while len(beats := host.all(frames.Heartbeat)) < 3:
                await asyncio.sleep(0.01)
        assert 1.8 < time.monotonic() - started < 4
    assert beats[1].lag_ms > 100, "the block lay between two beats"
    assert beats[2].lag_ms < 300


async def test_setup_comes_first_and_may_use_ctx(tmp_path: Path) -> None:
    code = method("await self.ctx.state.set('ready', True)\nself.ctx.logger.info('set up')")
    async with agent_end(tmp_path, {"logic.py": code}) as host:
        host.answers["state.set"] = None
        await host.hear(frames.Ready)
    assert [type(frame) for frame in host.heard][:3] == [frames.Call, frames.Log, frames.Ready]


async def test_a_bundle_without_logic_is_an_agent(tmp_path: Path) -> None:
    async with agent_end(tmp_path, {"persona.yaml": "character: {}"}) as host:
        await host.hear(frames.Ready)
        message = host.deliver("a note")
        await host.hear(frames.Done, msg_id=message.header.msg_id)


async def test_tasks_of_setup_are_held_until_the_agent_is_live(tmp_path: Path) -> None:
    code = method(
        """
self.ctx.spawn_task(self.tell("held"), name="first")
await asyncio.sleep(0.1)
"""
    )
    code += """
    async def tell(self, text):
        await self.ctx.bus.publish("crew", topic=Topic.AGENT_NOTE, content=text)
    async def on_message(self, message):
        self.ctx.spawn_task(self.tell("spawned later"))
"""
    async with agent_end(tmp_path, {"logic.py": code}) as host:
        assert (await host.hear(frames.Heartbeat)).tasks == 1
        await asyncio.sleep(0.2)
        assert host.notes == []
        host.send(frames.Begin())
        await host.hear(frames.Call, method="bus.publish")
        host.deliver()
        await host.hear(frames.Done)
        await host.hear(frames.Heartbeat, tasks=0)
    assert host.notes == ["held", "spawned later"]


async def test_setup_that_waits_for_a_held_task_is_told_why_nothing_happens(
    tmp_path: Path,
) -> None:
    code = method("await self.ctx.spawn_task(asyncio.sleep(0), name='connect')")
    async with agent_end(tmp_path, {"logic.py": code}) as host:
        line = await host.hear_log("do not wait for one of them in setup()")
        assert "(connect)" in line.text
        assert host.all(frames.Ready) == []


async def test_retiring_ends_background_work_and_nothing_else(tmp_path: Path) -> None:
    code = method("self.ctx.spawn_task(asyncio.sleep(60), name='watch')")
    code += """
    async def on_message(self, message):
        await asyncio.sleep(0.3)
        try:
            self.ctx.spawn_task(asyncio.sleep(60), name="late")
        except AgentError as err:
            await self.ctx.bus.answer(message, topic=Topic.AGENT_NOTE, content=str(err))
"""
    async with agent_end(tmp_path, {"logic.py": code}) as host:
        await host.hear(frames.Heartbeat, tasks=1)
        host.send(frames.Begin())
        under_way = host.deliver()
        host.send(frames.Retire())
        await host.hear(frames.Retired, seconds=2)
        await host.hear(frames.Done, msg_id=under_way.header.msg_id)
        await host.hear(frames.Heartbeat, tasks=0)
        host.send(frames.Stop())
        assert await host.ended() == 0
    assert "task late cannot be started: this version of the agent is ending" in host.notes[0]


async def test_a_task_that_resists_delays_retiring_by_a_second_and_is_named(tmp_path: Path) -> None:
    code = method("self.ctx.spawn_task(self.resist(), name='stubborn')")
    code += """
    async def resist(self):
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                pass
"""
    async with agent_end(tmp_path, {"logic.py": code}) as host:
        await host.hear(frames.Ready)
        host.send(frames.Begin())
        await asyncio.sleep(0.1)
        host.send(frames.Retire())
        await host.hear(frames.Retired, seconds=3)
        assert "Task stubborn goes on" in (await host.hear_log("stubborn")).text
        # Nor does it keep the process from its end.
        host.send(frames.Stop())
        assert await host.ended(5) == 0


async def test_stop_lets_handlers_finish_and_teardown_use_ctx(tmp_path: Path) -> None:
    code = method("self.ctx.spawn_task(asyncio.sleep(60))")
    code += """
    async def on_message(self, message):
        await asyncio.sleep(0.4)
        await self.ctx.bus.answer(message, topic=Topic.AGENT_NOTE, content="finished")
    async def teardown(self):
        await self.ctx.bus.publish("crew", topic=Topic.AGENT_NOTE, content="torn down")
"""
    async with agent_end(tmp_path, {"logic.py": code}) as host:
        await host.hear(frames.Ready)
        message = host.deliver()
        host.send(frames.Stop())
        assert await host.ended(5) == 0
        await host.hear(frames.Done, msg_id=message.header.msg_id)
    assert host.notes == ["finished", "torn down"]


@pytest.mark.alone
@pytest.mark.parametrize(
    "body",
    [
        "await asyncio.sleep(60)",
        "while True:\n    try: await asyncio.sleep(60)\n    except asyncio.CancelledError: pass",
    ],
    ids=["sleeps", "resists"],
)
async def test_teardown_is_cut_after_its_time(tmp_path: Path, body: str) -> None:
    code = method(body, name="teardown")
    async with agent_end(tmp_path, {"logic.py": code}, teardown_timeout=0.3) as host:
        await host.hear(frames.Ready)
        started = time.monotonic()
        host.send(frames.Stop())
        await host.hear_log("teardown() was cut: it took longer than 0.3 s")
        assert await host.ended(5) == 0
        assert time.monotonic() - started < 2


async def test_a_teardown_that_fails_is_logged_and_ends_all_the_same(tmp_path: Path) -> None:
    async with agent_end(tmp_path, {"logic.py": method("1 / 0", name="teardown")}) as host:
        await host.hear(frames.Ready)
        host.send(frames.Stop())
        line = await host.hear_log("teardown() failed")
        assert await host.ended(5) == 0
    assert 'File "logic.py", line 6' in line.text
    assert str(tmp_path) not in line.text


@pytest.mark.alone
async def test_a_handler_that_does_not_finish_is_cut_and_reported(tmp_path: Path) -> None:
    code = method("await asyncio.sleep(60)", name="on_message")
    async with agent_end(tmp_path, {"logic.py": code}) as host:
        await host.hear(frames.Ready)
        message = host.deliver()
        started = time.monotonic()
        host.send(frames.Stop())
        failed = await host.hear(frames.Failed, msg_id=message.header.msg_id)
        assert failed.code == "cancelled"
        assert await host.ended(5) == 0
        assert 4.5 < time.monotonic() - started < 6


async def test_a_host_that_goes_away_ends_the_process_at_once(tmp_path: Path) -> None:
    code = method("await asyncio.sleep(60)", name="on_message")
    async with agent_end(tmp_path, {"logic.py": code}) as host:
        await host.hear(frames.Ready)
        host.deliver()
        host.hang_up()
        assert await host.ended(3) == 0


@pytest.mark.parametrize("first", [True, False], ids=["before its first step", "under way"])
async def test_a_cancelled_message_is_reported(tmp_path: Path, first: bool) -> None:
    code = method("await asyncio.sleep(60)", name="on_message")
    async with agent_end(tmp_path, {"logic.py": code}) as host:
        await host.hear(frames.Ready)
        message = host.deliver()
        if not first:
            await asyncio.sleep(0.2)
        host.send(frames.Cancel(msg_id=message.header.msg_id))
        failed = await host.hear(frames.Failed, seconds=2, msg_id=message.header.msg_id)
    assert failed.code == "cancelled"


async def test_background_work_of_a_cancelled_message_does_not_wait_for_ever(
    tmp_path: Path,
) -> None:
    code = method("self.ctx.spawn_task(self.ask())\nawait asyncio.sleep(60)", name="on_message")
    code += """
    async def ask(self):
        try:
            await self.ctx.state.get("key")
        except RemoteError as err:
            self.ctx.logger.info("%s: %s", err.code, err)
"""
    async with agent_end(tmp_path, {"logic.py": code}) as host:
        await host.hear(frames.Ready)
        host.send(frames.Begin())
        message = host.deliver()
        call = await host.hear(frames.Call, method="state.get")
        assert call.cause == message.header.msg_id
        host.send(frames.Cancel(msg_id=message.header.msg_id))
        await host.hear_log("cancelled: the message that this was done for was cancelled")


async def test_a_handler_that_raises_is_told_with_a_traceback_in_the_bundle(
    tmp_path: Path,
) -> None:
    code = method("raise ValueError(f'no \\ud800 {self.ctx.folder}/x')", name="on_message")
    async with agent_end(tmp_path, {"logic.py": code}) as host:
        await host.hear(frames.Ready)
        message = host.deliver()
        failed = await host.hear(frames.Failed, msg_id=message.header.msg_id)
    assert (failed.code, failed.error) == ("agent_failed", "ValueError: no ? x")
    assert 'File "logic.py", line 6, in on_message' in failed.traceback
    assert str(tmp_path) not in failed.traceback


async def test_ctx_has_settings_secrets_folder_and_a_pose(tmp_path: Path) -> None:
    code = method(
        """
import json
found = {
    "config": dict(self.ctx.config),
    "secrets": [self.ctx.secrets["TOKEN"], repr(self.ctx.secrets), "TOKEN" in self.ctx.secrets],
    "folder": (self.ctx.folder / "assets/a.txt").read_text(),
    "pose": str(await self.ctx.visual.pose("happy")),
    "missing": self.ctx.secrets.get("OTHER", "nothing"),
}
try:
    self.ctx.config["room"] = "hall"
except TypeError:
    found["read-only"] = True
try:
    self.ctx.secrets["OTHER"]
except KeyError as err:
    found["error"] = str(err)
await self.ctx.memory.recall("tea", shared=True)
self.ctx.logger.info("%s", json.dumps(found))
self.ctx.logger.info("%s", self.ctx)
"""
    )
    files = {"logic.py": code, "assets/a.txt": "an asset"}
    start: dict[str, Any] = {"config": {"room": "bar"}, "secrets": {"TOKEN": "hunter2"}}
    async with agent_end(tmp_path, files, **start) as host:
        pose = "01a1fe77-1e17-71b5-ac7c-6d53672cd443"
        host.answers["visual.pose"] = pose
        host.answers["memory.recall"] = []
        await host.hear(frames.Ready)
    assert json.loads(host.logs[0].text) == {
        "config": {"room": "bar"},
        "secrets": ["hunter2", "<secrets TOKEN>", True],
        "folder": "an asset",
        "pose": pose,
        "missing": "nothing",
        "read-only": True,
        "error": "manifest.yaml: barkeep has no value for the secret 'OTHER'. Declare `OTHER:` "
        "under `secrets:`, and give it a value there with `!secret <name in secrets.yaml>`, or in "
        "H-Core's environment as BARKEEP_OTHER.",
    }
    assert "hunter2" not in host.logs[1].text
    arguments = {call.method: call.arguments for call in host.calls}
    assert arguments["visual.pose"] == {"name": "happy"}
    assert arguments["memory.recall"]["shared"] is True


async def test_a_message_that_was_handled_before_is_not_handled_again(tmp_path: Path) -> None:
    async with agent_end(tmp_path, {"logic.py": ECHO}) as host:
        await host.hear(frames.Ready)
        message = host.deliver("once")
        await host.hear(frames.Done)
    async with agent_end(tmp_path, {"logic.py": ECHO}, is_successor=True) as host:
        await host.hear(frames.Ready)
        host.send(frames.Deliver(message=message))
        await host.hear(frames.Done, msg_id=message.header.msg_id)
        assert host.notes == []


async def test_exiting_from_a_handler_ends_the_process_with_its_traceback(tmp_path: Path) -> None:
    code = method("import sys\nsys.exit(3)", name="on_message")
    async with agent_end(tmp_path, {"logic.py": code}) as host:
        await host.hear(frames.Ready)
        host.deliver()
        assert await host.ended() == 1
    assert "SystemExit: 3" in (tmp_path / "output").read_text()
