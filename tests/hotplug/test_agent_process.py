"""The agent's end of its socket, in a process of its own; the test is the host."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from hairem_core.hotplug import frames
from hairem_core.hotplug.fingerprint import fingerprint
from tests.hotplug.agent_end import HEAD, Host, agent_end

ECHO = (
    HEAD
    + """
class Agent(BaseAgent):
    async def on_message(self, message):
        await self.ctx.bus.answer(message, topic=Topic.AGENT_NOTE, content=message.payload.content)
"""
)


def method(body: str, *, name: str = "setup") -> str:
    """Return a bundle's code with one method of this body."""
    parameters = "self, message" if name == "on_message" else "self"
    lines = "".join(f"        {line}\n" for line in body.strip().splitlines())
    return f"{HEAD}\nclass Agent(BaseAgent):\n    async def {name}({parameters}):\n{lines}"


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


async def test_the_bundle_is_a_package_and_its_folder_is_not_on_the_path(tmp_path: Path) -> None:
    files = {
        "logic.py": HEAD
        + """
import sys
from . import helper
from .drivers.lamp.wire import NAME
from .lib import sums

class Agent(BaseAgent):
    async def setup(self):
        found = [__name__, helper.NAME, NAME, sums.NAME, sums.add(1, 2)]
        self.ctx.logger.info("%s", found)
        self.ctx.logger.info("on the path: %s", str(self.ctx.folder) in sys.path)
""",
        "helper.py": "NAME = __name__",
        "drivers/lamp/wire.py": "from ...helper import NAME as OTHER\nNAME = __name__",
        "lib/__init__.py": "",
        "lib/sums.py": "NAME = __name__\ndef add(a, b): return a + b",
        "json.py": "raise SystemExit('hides the standard library')",
    }
    async with agent_end(tmp_path, files) as host:
        await host.hear(frames.Ready)
    package = "hairem_agents.barkeep"
    expected = ["logic", "helper", "drivers.lamp.wire", "lib.sums"]
    assert host.logs[0].text == str([*(f"{package}.{name}" for name in expected), 3])
    assert host.logs[1].text == "on the path: False"


async def test_libraries_come_before_those_of_the_house(tmp_path: Path) -> None:
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    (libraries / "tabnanny.py").write_text("WHOSE = 'mine'")
    code = method("import tabnanny\nself.ctx.logger.info(tabnanny.WHOSE)")
    async with agent_end(tmp_path, {"logic.py": code}, libraries=str(libraries)) as host:
        await host.hear(frames.Ready)
    assert host.logs[0].text == "mine"


async def test_a_bundle_without_logic_is_an_agent(tmp_path: Path) -> None:
    async with agent_end(tmp_path, {"persona.yaml": "character: {}"}) as host:
        await host.hear(frames.Ready)
        message = host.deliver("a note")
        await host.hear(frames.Done, msg_id=message.header.msg_id)


WRONG: dict[str, tuple[dict[str, str], str, str, int | None]] = {
    "syntax": ({"logic.py": "x = 1\ndef broken(:\n"}, "SyntaxError: invalid syntax", "logic.py", 2),
    "syntax of another module": (
        {"logic.py": "\nfrom .drivers import lamp\n", "drivers/lamp.py": "\n\nx = = 1\n"},
        "SyntaxError",
        "drivers/lamp.py",
        3,
    ),
    "failure in another module": (
        {"logic.py": "\nfrom .drivers import lamp\n", "drivers/lamp.py": "\n1 / 0\n"},
        "ZeroDivisionError",
        "drivers/lamp.py",
        2,
    ),
    "a library that is not there": (
        {"logic.py": "\nimport no_such_module\n"},
        "No module named 'no_such_module'. Is it in the bundle's requirements.txt?",
        "logic.py",
        2,
    ),
    "a module of its own, not relative": (
        {"logic.py": "import drivers.lamp\n", "drivers/lamp.py": ""},
        "It is the bundle's own: write `from .drivers import …`",
        "logic.py",
        1,
    ),
    "a module of its own that is not there": (
        {"logic.py": "from .lamp import X\n"},
        "The bundle has no lamp.py",
        "logic.py",
        1,
    ),
    "out of the bundle": (
        {"logic.py": "from ..electra import logic\n"},
        "No module named 'hairem_agents.electra'",
        "logic.py",
        1,
    ),
    "no class": (
        {"logic.py": "x = 1\n"},
        "there is no class Agent derived from BaseAgent. Write `class Agent(BaseAgent):",
        "logic.py",
        None,
    ),
    "another class": (
        {"logic.py": "class Agent:\n    pass\n"},
        "there is no class Agent derived from BaseAgent",
        "logic.py",
        None,
    ),
    "a constructor that forgets its base": (
        {"logic.py": HEAD + "class Agent(BaseAgent):\n    def __init__(self, ctx): pass\n"},
        "Begin it with `super().__init__(ctx)`",
        "logic.py",
        None,
    ),
    "setup": (
        {"logic.py": method("await asyncio.sleep(0)\n1 / 0")},
        "ZeroDivisionError: division by zero",
        "logic.py",
        7,
    ),
    "a group of setup": (
        {
            "logic.py": method(
                "async with asyncio.TaskGroup() as group:\n    group.create_task(self.connect())"
            )
            + "    async def connect(self):\n        raise OSError('refused')\n"
        },
        "OSError: refused",
        "logic.py",
        9,
    ),
    "exit at import": ({"logic.py": "import sys\nsys.exit(3)\n"}, "SystemExit: 3", "logic.py", 2),
    "a wrong tool": (
        {
            "logic.py": HEAD
            + "class Agent(BaseAgent):\n    @tool\n    async def add(self, item): pass\n"
        },
        "@tool Agent.add: parameter 'item': it has no annotation; write",
        "logic.py",
        4,
    ),
    "a tool without a schema": (
        {
            "logic.py": HEAD
            + "class Agent(BaseAgent):\n    @tool\n    async def add(self, item: Unknown): pass\n"
        },
        "an annotation cannot be resolved: name 'Unknown' is not defined",
        "logic.py",
        4,
    ),
}


@pytest.mark.parametrize(("files", "error", "file", "line"), WRONG.values(), ids=WRONG)
async def test_what_cannot_start_says_where_in_the_bundle(
    tmp_path: Path, files: dict[str, str], error: str, file: str, line: int | None
) -> None:
    async with agent_end(tmp_path, files) as host:
        failed = await host.hear(frames.StartFailed)
        assert await host.ended() == 0
    assert error in failed.error
    assert (failed.file, failed.line) == (file, line)
    assert str(tmp_path) not in failed.error + failed.traceback
    if line is not None and "Agent." not in error and "annotation" not in error:
        assert f'File "{file}", line {line}' in failed.traceback


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


async def _error_of(host: Host, wanted: str) -> str:
    await host.hear(frames.Ready)
    host.deliver(wanted)
    await host.hear(frames.Done)
    return host.notes[-1]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (
            "self.ctx.bus.answer(message, topic=Topic.AGENT_NOTE, content='x' * 50_000_000)",
            "AgentError ctx.bus.answer: a message holds at most 8,388,608 bytes, not 50,000,",
        ),
        (
            "self.ctx.state.set('key', object())",
            "AgentError ctx.state.set: this cannot be sent: ",
        ),
        (
            "self.ctx.bus.publish('crew', topic=Topic.AGENT_NOTE, content='\\ud800')",
            "AgentError ctx.bus.publish: this cannot be sent: ",
        ),
    ],
)
async def test_what_cannot_be_sent_is_an_error_for_the_agent_and_breaks_nothing(
    tmp_path: Path, call: str, error: str
) -> None:
    code = method(
        f"""
try:
    await {call}
except AgentError as err:
    text = f"{{type(err).__name__}} {{err}}"
    await self.ctx.bus.answer(message, topic=Topic.AGENT_NOTE, content=text)
""",
        name="on_message",
    )
    async with agent_end(tmp_path, {"logic.py": code}) as host:
        assert error in await _error_of(host, "try")


async def test_what_is_printed_warned_and_logged_from_threads_arrives(tmp_path: Path) -> None:
    code = method(
        """
import threading, warnings
logger = self.ctx.logger
await asyncio.gather(*(asyncio.to_thread(logger.info, "thread %d", i) for i in range(50)))
warnings.warn("outdated")
logger.info("wrong %d", "arguments")
logger.info("last")
""",
        name="on_message",
    )
    async with agent_end(tmp_path, {"logic.py": code}) as host:
        await host.hear(frames.Ready)
        host.deliver()
        await host.hear(frames.Done)
        await host.hear_log("last")
    texts = [line.text for line in host.logs]
    assert {f"thread {index}" for index in range(50)} <= set(texts)
    assert next(text for text in texts if "outdated" in text).startswith("logic.py:9: UserWarning")


async def test_a_long_line_keeps_its_beginning_and_its_end(tmp_path: Path) -> None:
    code = method("self.ctx.logger.info('begin' + 'x' * 10_000_000 + 'end')")
    async with agent_end(tmp_path, {"logic.py": code}) as host:
        await host.hear(frames.Ready)
    text = host.logs[0].text
    assert len(text) <= 16_384
    assert text.startswith("beginx")
    assert text.endswith("xend")
    assert "9,98" in text
    assert "characters left out" in text


async def test_a_flood_of_logs_drops_lines_and_no_heartbeat(tmp_path: Path) -> None:
    code = method(
        """
for index in range(20_000):
    self.ctx.logger.info("line %d", index)
    if index % 100 == 0:
        await asyncio.sleep(0)
await asyncio.sleep(1.2)
self.ctx.logger.info("after")
""",
        name="on_message",
    )
    async with agent_end(tmp_path, {"logic.py": code}) as host:
        await host.hear(frames.Ready)
        host.deliver()
        line = await host.hear_log("after")
        assert len(host.logs) < 8_000
        assert "lines before this one were dropped: too many at once" in line.text
        assert len(host.all(frames.Heartbeat)) >= 2


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
