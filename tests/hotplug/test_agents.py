"""Agents as processes, inside a whole H-Core."""

import asyncio
import json
import os
import time
from pathlib import Path

import pytest

from hairem_core.sdk.message import Message, MessageType, Priority, Topic
from tests.hotplug.helpers import (
    COUNTER,
    HEAD,
    acknowledged,
    ask,
    dead_reasons,
    from_test,
    is_running,
)
from tests.support.bus import until
from tests.support.core import Client, OpenGate, running_core, write_agent
from tests.support.scripted_model import ScriptedModel


async def test_state_outlives_the_process_and_h_core(agents: Path, tmp_path: Path) -> None:
    write_agent(agents, "counter", COUNTER)
    async with running_core(tmp_path, agents=agents) as core:
        assert (await ask(core, from_test("counter")))[0].payload.content == "1"
        await acknowledged(core, "counter")
        pid = core.agent_pid("counter")
        assert pid
        os.kill(pid, 9)
        assert (await ask(core, from_test("counter")))[0].payload.content == "2"
    async with running_core(tmp_path, agents=agents) as core:
        assert (await ask(core, from_test("counter")))[0].payload.content == "3"


async def test_the_sender_is_stamped_by_the_host(agents: Path, tmp_path: Path) -> None:
    write_agent(agents, "counter", COUNTER)
    async with running_core(tmp_path, agents=agents) as core:
        question = from_test("counter", conversation_id="c")
        (answer,) = await ask(core, question)
    header = answer.header
    assert header.sender == "agent:counter"
    assert header.parent_id == question.header.msg_id
    assert (header.conversation_id, header.hops) == ("c", 1)


async def test_two_agents_that_answer_each_other_for_ever_are_stopped(
    agents: Path, tmp_path: Path
) -> None:
    for me, other in (("ping", "pong"), ("pong", "ping")):
        write_agent(
            agents,
            me,
            HEAD
            + f"""
class Agent(BaseAgent):
    async def on_message(self, message):
        await self.ctx.bus.publish("agent:{other}", topic=Topic.AGENT_NOTE, content="again")
""",
        )
    async with running_core(tmp_path, agents=agents) as core:
        await core.bus.publish(from_test("ping"))
        async with asyncio.timeout(10):
            while not (reasons := await dead_reasons(core)):
                await asyncio.sleep(0.05)
    assert reasons == ["loop: 9 hops, 8 allowed"]


@pytest.mark.parametrize(
    ("logic", "reason"),
    [
        ("class Agent:\n    pass\n", "there is no class Agent derived from BaseAgent"),
        ("def broken(:\n", "SyntaxError"),
        (HEAD + "class Agent(BaseAgent):\n    async def setup(self): 1 / 0\n", "ZeroDivisionError"),
        ("import no_such_module\n", "No module named 'no_such_module'"),
        ("import os\nos._exit(3)\n", "ended with exit code 3"),
        (
            HEAD + "class Agent(BaseAgent):\n    async def setup(self): await asyncio.sleep(99)\n",
            "was not ready within 1 s",
        ),
    ],
)
async def test_an_agent_that_cannot_start_says_why_and_harms_nobody(
    agents: Path, tmp_path: Path, logic: str, reason: str
) -> None:
    write_agent(agents, "broken", logic)
    write_agent(agents, "counter", COUNTER)
    async with running_core(
        tmp_path,
        agents=agents,
        gatekeeper=OpenGate(),
        wait=False,
        agents_config={"start_timeout": 1},
    ) as core:
        await until(lambda: reason in (core.registry["broken"].reason or ""))
        assert core.registry["broken"].state in ("crashed", "starting", "quarantined")
        assert (await ask(core, from_test("counter")))[0].payload.content == "1"


async def test_setup_may_use_ctx_and_background_work_goes_on(agents: Path, tmp_path: Path) -> None:
    write_agent(
        agents,
        "early",
        HEAD
        + """
class Agent(BaseAgent):
    async def setup(self):
        await self.ctx.state.set("ready", True)
        self.ctx.spawn_task(self.tick(), name="tick")

    async def tick(self):
        for number in range(1000):
            await self.ctx.bus.publish("user:test", topic=Topic.AGENT_NOTE, content=str(number))
            await asyncio.sleep(0.05)
""",
    )
    heard: list[Message] = []
    async with running_core(tmp_path, agents=agents) as core:
        await core.bus.listen("user:test", heard.append)
        await until(lambda: len(heard) >= 3)
        assert await core.memory.get_state("early", "ready") is True


async def test_a_message_whose_handler_raises_is_tried_again(agents: Path, tmp_path: Path) -> None:
    write_agent(
        agents,
        "shy",
        HEAD
        + """
class Agent(BaseAgent):
    tries = 0
    async def on_message(self, message):
        self.tries += 1
        if self.tries < 3:
            raise ValueError("not yet")
        await self.ctx.bus.answer(message, topic=Topic.AGENT_NOTE, content=str(self.tries))
""",
    )
    async with running_core(tmp_path, agents=agents) as core:
        assert (await ask(core, from_test("shy")))[0].payload.content == "3"


async def test_a_message_that_kills_its_agent_ends_in_the_dead_letters(
    agents: Path, tmp_path: Path
) -> None:
    write_agent(
        agents,
        "fragile",
        HEAD
        + """
class Agent(BaseAgent):
    async def on_message(self, message):
        if message.payload.content == "poison":
            os._exit(1)
        await self.ctx.bus.answer(message, topic=Topic.AGENT_NOTE, content="fine")
""",
    )
    async with running_core(tmp_path, agents=agents, gatekeeper=OpenGate()) as core:
        await core.bus.publish(from_test("fragile", "poison"))
        async with asyncio.timeout(15):
            while not (reasons := await dead_reasons(core)):
                await asyncio.sleep(0.05)
        assert "ended over it twice" in reasons[0]
        assert "exit code 1" in reasons[0]
        assert (await ask(core, from_test("fragile")))[0].payload.content == "fine"


@pytest.mark.alone
async def test_an_agent_that_blocks_does_not_delay_its_neighbour(
    agents: Path, tmp_path: Path
) -> None:
    write_agent(
        agents,
        "blocked",
        HEAD + "class Agent(BaseAgent):\n    async def on_message(self, message): time.sleep(60)\n",
    )
    write_agent(agents, "counter", COUNTER)
    async with running_core(
        tmp_path, agents=agents, gatekeeper=OpenGate(), agents_config={"turn_timeout": 1}
    ) as core:
        await core.bus.publish(from_test("blocked"))
        await asyncio.sleep(0.2)
        for expected in ("1", "2", "3"):
            started = time.monotonic()
            assert (await ask(core, from_test("counter")))[0].payload.content == expected
            assert time.monotonic() - started < 2
        # It does not let go when told to, so its process is ended and a new one started.
        await until(lambda: core.registry["blocked"].restarts >= 1, seconds=20)


async def test_a_turn_that_takes_too_long_is_told(agents: Path, tmp_path: Path) -> None:
    write_agent(
        agents,
        "slow",
        HEAD
        + "class Agent(BaseAgent):\n"
        + "    async def on_utterance(self, message): await asyncio.sleep(60)\n",
    )
    async with running_core(tmp_path, agents=agents, agents_config={"turn_timeout": 0.5}) as core:
        assert core.new_token
        async with Client.connect(core.address, core.new_token) as client:
            await client.receive()
            events = await client.turn("slow", "hello")
    assert events[-1]["error"]["code"] == "turn_timeout"


async def test_an_agent_that_says_nothing_is_an_error(agents: Path, tmp_path: Path) -> None:
    write_agent(
        agents,
        "mute",
        HEAD + "class Agent(BaseAgent):\n    async def on_utterance(self, message): pass\n",
    )
    async with running_core(tmp_path, agents=agents) as core:
        assert core.new_token
        async with Client.connect(core.address, core.new_token) as client:
            await client.receive()
            events = await client.turn("mute", "hello")
    assert events == [
        {"kind": "failed", "error": {"code": "agent_failed", "message": "mute gave no answer"}}
    ]


@pytest.mark.parametrize(
    ("call", "permission"),
    [
        (
            (
                "[x async for x in self.ctx.llm.stream("
                "ChatRequest(messages=[ChatMessage(role='user')]))]"
            ),
            "llm",
        ),
        ("await self.ctx.ha.call_tools(message, [ToolCall(id='1', name='x')])", "home.act"),
    ],
)
async def test_what_the_manifest_does_not_permit_names_the_line_to_add(
    agents: Path, tmp_path: Path, call: str, permission: str
) -> None:
    write_agent(
        agents,
        "curious",
        HEAD
        + f"""
class Agent(BaseAgent):
    async def on_message(self, message):
        try:
            {call}
        except PermissionDenied as err:
            await self.ctx.bus.answer(message, topic=Topic.AGENT_NOTE, content=str(err))
""",
        permissions="[]",
    )
    # The Gatekeeper would not let it in; what is done another way must be refused all the same.
    async with running_core(tmp_path, agents=agents, gatekeeper=OpenGate()) as core:
        (answer,) = await ask(core, from_test("curious"))
    assert f"Add `- {permission}` under `permissions:`" in answer.payload.content
    assert "manifest.yaml" in answer.payload.content


async def test_an_agents_tool_is_called_by_the_model(agents: Path, tmp_path: Path) -> None:
    from tests.support.core import ROOT
    from tests.support.scripted_model import Rule
    from tests.support.scripted_rules import ToolCallSpec

    call = ToolCallSpec(
        name="energy_cost", arguments={"watts": 2000, "hours": 3, "price_per_kwh": 0.25}
    )
    rules = [
        Rule(match="oven", after_tool=False, tool_call=call),
        Rule(match="oven", after_tool=True, reply="One fifty."),
    ]
    async with ScriptedModel(rules) as model:
        chat = {"model": "openai/test", "api_base": model.openai_base, "api_key": "none"}
        async with running_core(tmp_path, agents=ROOT / "agents", llm={"chat": chat}) as core:
            assert core.new_token
            async with Client.connect(core.address, core.new_token) as client:
                await client.receive()
                events = await client.turn("electra", "what does the oven cost?")
    assert events[-1]["text"] == "One fifty."
    offered = [tool["function"]["name"] for tool in model.requests[0].body["tools"]]
    assert offered == ["energy_cost", "power_now"]
    result = json.loads(model.requests[1].body["messages"][-1]["content"])
    assert result == {"data": {"kwh": 6.0, "cost": 1.5}}


async def test_renarde_leaves_electra_a_note(tmp_path: Path) -> None:
    from tests.support.scripted_model import Rule
    from tests.support.scripted_rules import ToolCallSpec

    call = ToolCallSpec(
        name="leave_note", arguments={"agent": "electra", "note": "Grandma sleeps at noon."}
    )
    rules = [
        Rule(match="tell electra", after_tool=False, tool_call=call),
        Rule(match="tell electra", after_tool=True, reply="I left her a note."),
    ]
    async with ScriptedModel(rules) as model:
        chat = {"model": "openai/test", "api_base": model.openai_base, "api_key": "none"}
        async with running_core(tmp_path, llm={"chat": chat}) as core:
            assert core.new_token
            async with Client.connect(core.address, core.new_token) as client:
                await client.receive()
                await client.turn("renarde", "tell electra that grandma sleeps at noon")
                async with asyncio.timeout(5):
                    while not await core.memory.get_state("electra", "notes"):
                        await asyncio.sleep(0.02)
                await client.turn("electra", "hello")
    assert "renarde: Grandma sleeps at noon." in json.dumps(model.requests[-1].body)


async def test_an_emergency_reaches_a_busy_agent(agents: Path, tmp_path: Path) -> None:
    write_agent(
        agents,
        "busy",
        HEAD
        + """
class Agent(BaseAgent):
    async def on_message(self, message):
        if message.header.priority is not Priority.P0:
            await asyncio.sleep(60)
        await self.ctx.bus.answer(message, topic=Topic.AGENT_NOTE, content="heard")
""",
    )
    async with running_core(tmp_path, agents=agents) as core:
        for _ in range(50):
            await core.bus.publish(from_test("busy", priority=Priority.P3))
        alarm = from_test(
            "busy", priority=Priority.P0, type=MessageType.DIRECTIVE, topic=Topic.SYSTEM_EMERGENCY
        )
        (answer,) = await ask(core, alarm)
    assert answer.payload.content == "heard"


async def test_agents_of_a_killed_forkserver_come_back_under_a_new_one(
    agents: Path, tmp_path: Path
) -> None:
    write_agent(agents, "counter", COUNTER)
    async with running_core(tmp_path, agents=agents) as core:
        agent, zygote = core.agent_pid("counter"), core.forkserver_pid
        assert agent
        assert zygote
        os.kill(zygote, 9)
        await until(lambda: core.registry["counter"].generation == 2)
        assert (await ask(core, from_test("counter")))[0].payload.content == "1"
        await until(lambda: not is_running(agent))
        assert core.forkserver_pid != zygote


@pytest.mark.parametrize(
    "start",
    [
        "import subprocess; subprocess.Popen(['sleep', '300'])",
        "os.fork() or time.sleep(300)",
    ],
)
async def test_what_an_agent_started_ends_with_it_and_holds_nobody_up(
    agents: Path, tmp_path: Path, start: str
) -> None:
    write_agent(
        agents,
        "parent",
        HEAD
        + f"""
class Agent(BaseAgent):
    async def on_message(self, message):
        await self.ctx.bus.answer(message, topic=Topic.AGENT_NOTE, content="started")
        {start}
""",
        permissions="[llm, processes]",
    )
    async with running_core(tmp_path, agents=agents, gatekeeper=OpenGate()) as core:
        await ask(core, from_test("parent"))
        await asyncio.sleep(0.3)
        group = core.agent_pid("parent")
        assert group
        stopping = time.monotonic()
    assert time.monotonic() - stopping < 12
    left = [
        path for path in Path("/proc").iterdir() if path.name.isdigit() and _group(path) == group
    ]
    assert [path for path in left if is_running(int(path.name))] == []


def _group(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[2])
    except OSError:
        return 0


async def test_an_answer_far_too_long_fails_alone(agents: Path, tmp_path: Path) -> None:
    write_agent(
        agents,
        "chatty",
        HEAD
        + """
class Agent(BaseAgent):
    async def on_utterance(self, message):
        size = 3_000_000 if message.payload.content == "long" else 3
        await self.ctx.bus.answer(message, topic=Topic.NARRATIVE_TEXT, content="x" * size)
""",
    )
    async with running_core(tmp_path, agents=agents) as core:
        assert core.new_token
        async with Client.connect(core.address, core.new_token) as client:
            await client.receive()
            assert (await client.turn("chatty", "long"))[-1]["error"]["code"] == "agent_failed"
            assert (await client.turn("chatty", "short"))[-1]["text"] == "xxx"
