"""Agents that write on the socket to H-Core themselves."""

import asyncio
import json
import urllib.request
from typing import Any

import pytest

from hairem_core.sdk.message import CREW, Message
from tests.hotplug.helpers import HEAD, from_test
from tests.hotplug.hostile.puppet import PUPPET
from tests.hotplug.hostile.street import Street, once_more
from tests.support.bus import until

pytestmark = [pytest.mark.alone, pytest.mark.asyncio(loop_scope="package")]

BROKEN = {
    "a length of 50 MB": ("struct.pack('>I', 50_000_000)", "a frame of 50,000,000 bytes"),
    "the longest length": ("b'\\xff' * 4", "a frame of 4,294,967,295 bytes"),
    "a length that lies": (
        "struct.pack('>I', 10) + frame(kind='retired')",
        "a frame of 10 bytes",
    ),
    "no JSON": ('framed(b\'{"kind": "done", \')', "Invalid JSON"),
    "no text": ("framed(b'\\xff\\xfe' * 100)", "Invalid JSON"),
    "nothing": ("framed(b'')", "Invalid JSON"),
    "an unknown kind": ("frame(kind='shutdown')", "does not match any of the expected tags"),
    "a frame of the host's": ("frame(kind='stop')", "does not match any of the expected tags"),
    "one field too many": ("frame(kind='retired', sender='agent:electra')", "sender"),
    "deep JSON": ("framed(b'[' * 1_000_000)", "Invalid JSON"),
    "a million faults": (
        "frame(kind='retired', **{f'x{n}': 0 for n in range(500_000)})",
        "500,000 faults",
    ),
    "one number twice": (
        "2 * call(10**9, 'llm.stream', request=dict(messages=[dict(role='user')]))",
        "call 1000000000 is made while call 1000000000 is under way",
    ),
    "another hash": (
        "frame(kind='heartbeat', hash='0' * 64, lag_ms=0, tasks=0, task_failures=0)",
        "claims to run another bundle",
    ),
    "no time": (
        "frame(kind='heartbeat', hash='OWN_HASH', lag_ms=math.nan, tasks=0, task_failures=0)",
        "should be a finite number",
    ),
}


@pytest.mark.parametrize("part", [0, 1, 2])
@once_more
async def test_a_broken_protocol_ends_the_agent(street: Street, part: int) -> None:
    names = list(BROKEN)[part::3]
    what = f"raw: {', '.join(names)}"
    async with street.gang(what, [PUPPET] * len(names), "[llm]", most_mb=256) as gang:
        for name, each in zip(names, gang, strict=True):
            code, reason = BROKEN[name]
            code = code.replace("OWN_HASH", each.record.running_hash or "")
            event = await each.turn(f"send({code}, host_socket()); await asyncio.sleep(60)")
            assert event["kind"] == "failed"
            assert event["error"]["code"] == "agent_crashed"
            assert "broke the protocol: " in event["error"]["message"]
            assert reason in event["error"]["message"]
            assert len(event["error"]["message"]) < 3_000
            await each.restarted(reason)
            assert (await each.turn())["kind"] == "done"


@once_more
async def test_half_a_frame_and_silence(street: Street) -> None:
    async with street.hostile("half a frame, then silence") as hostile:
        event = await hostile.turn("""
            send(struct.pack(">I", 1000) + b'{"kind": ', host_socket())
            await asyncio.sleep(60)
        """)
        assert "gave no sign of life" in event["error"]["message"]
        await hostile.restarted("gave no sign of life")


@once_more
async def test_what_it_says_of_others_changes_nothing(street: Street) -> None:
    """A message of the neighbour's, and one of its own that another handler still holds."""
    neighbours: list[Message] = []
    answers: list[Message] = []
    stop_neighbour = await street.core.bus.listen("user:probe", neighbours.append)
    stop_crew = await street.core.bus.listen("user:crew", answers.append)
    async with street.hostile("frames about others' messages") as hostile:
        await until(lambda: neighbours)
        foreign = str(neighbours[-1].header.parent_id)
        outcome = await hostile.do(f"""
            connection = host_socket()
            for frames in (
                frame(kind="done", msg_id="{foreign}"),
                frame(kind="failed", msg_id="{foreign}", code="x", error="x", traceback=""),
                frame(kind="ready", hash="0" * 64),
                frame(kind="retired"),
                frame(kind="start_failed", error="no", traceback=""),
                frame(kind="abandon", call=10**9),
            ):
                send(frames, connection)
            said = []
            for arguments in (
                dict(parent_id="{foreign}"),
                dict(parent_id=str(message.header.msg_id), sender="agent:neighbour"),
                dict(parent_id=str(message.header.msg_id), recipient="user:victim"),
            ):
                try:
                    await ctx.bus._remote.call("bus.answer", **arguments, topic="agent.note",
                        type="SUBJECTIVE", content="forged", data={{}}, metadata={{}})
                    said.append("ok")
                except RemoteError as err:
                    said.append(str(err))
            for name in ("sender", "msg_id", "hops", "timestamp", "parent_id"):
                try:
                    await ctx.bus._remote.call("bus.publish", **{{name: "agent:neighbour"}},
                        recipient="user:victim", topic="agent.note", type="SUBJECTIVE",
                        content="forged", data={{}}, metadata={{}}, priority="P2",
                        conversation_id=None)
                    said.append("ok")
                except RemoteError as err:
                    said.append(str(err))
            return said
        """)
        assert "did not receive a message" in outcome[0]
        assert all("Extra inputs are not permitted" in each for each in outcome[1:]), outcome
        assert hostile.record.state == "live"
        assert not hostile.record.restarts
        assert hostile.record.running_hash == hostile.record.folder_hash
    await stop_neighbour()
    await stop_crew()


SLOW = (
    HEAD
    + """
class Agent(BaseAgent):
    async def on_message(self, message):
        await asyncio.sleep(1)
        await self.ctx.bus.publish("user:crew", topic=Topic.AGENT_NOTE, content="finished")
"""
)
MEDDLER = (
    HEAD
    + """
class Agent(BaseAgent):
    async def on_message(self, message):
        for topic in (Topic.TURN_CANCELLED, Topic.TOOL_RECEIPT, Topic.TURN_FAILED):
            for recipient in ("agent:hostile_{slow}", "user:crew"):
                try:
                    await self.ctx.bus.publish(
                        recipient, topic=topic, type=MessageType.STREAM, data={{"results": []}}
                    )
                except AgentError:
                    pass
"""
)


@once_more
async def test_nobody_cancels_what_another_handles(street: Street) -> None:
    finished: list[Message] = []
    stop = await street.core.bus.listen("user:crew", finished.append)
    slow = street.next_number
    logics = [SLOW, MEDDLER.format(slow=slow)]
    async with street.gang("one cancels what the other does", logics):
        # Both get it, so both can name it.
        message = from_test("x").model_copy()
        header = message.header.model_copy(update={"recipient": CREW})
        await street.core.bus.publish(message.model_copy(update={"header": header}))
        await until(lambda: any(each.payload.content == "finished" for each in finished), 5)
    await stop()


@once_more
async def test_long_errors_are_cut(street: Street) -> None:
    async with street.hostile("long errors") as hostile:
        attack = """
            send(frame(kind="failed", msg_id=str(message.header.msg_id), code="{}",
                error="x" * {}, traceback="y" * {}), host_socket())
            await asyncio.sleep(60)
        """
        for code, size, shown in (
            ("tool_timeout", 10**5, "tool_timeout"),
            ("<b>", 10**6, "agent_failed"),
        ):
            event = await hostile.turn(attack.format(code, size, size // 2))
            assert event["error"]["code"] == shown
            assert 1_000 < len(event["error"]["message"]) < 3_000
            assert len(hostile.record.last_error or "") < 3_000
        assert sum(map(len, hostile.log)) < 50_000
    async with street.hostile(
        "a start that fails with a long error",
        "raise ValueError('x' * 1_000_000)\n",
        state="quarantined",
    ) as hostile:
        assert len(hostile.record.reason or "") < 10_000
        assert len(json.dumps(hostile.details)) < 20_000


@once_more
async def test_a_reply_of_50_mb_is_refused(street: Street) -> None:
    async with street.hostile("a reply of 50 MB") as hostile:
        outcome = await hostile.do("""
            said = []
            for size in (50_000_000, 2_000_000, 100_001):
                for answer in (
                    lambda: ctx.bus.answer(message, topic=Topic.AGENT_NOTE, content="x" * size),
                    lambda: ctx.bus.publish("user:x", topic=Topic.AGENT_NOTE, content="x" * size),
                ):
                    try:
                        await answer()
                        said.append("ok")
                    except AgentError as err:
                        said.append(str(err))
            return said
        """)
        assert all("a message holds at most" in each for each in outcome[:2]), outcome
        assert all("at most 100000 characters" in each for each in outcome[2:]), outcome
        assert (await hostile.turn())["kind"] == "done"


@once_more
async def test_odd_values_are_answered_and_shown(street: Street) -> None:
    """Nothing that JSON can say makes H-Core fail, nor what it shows unreadable."""
    async with street.hostile("odd values") as hostile:
        outcome: list[list[Any]] = await hostile.do("""
            values = ["NaN", "-Infinity", "1e400", "1" + "0" * 400, "[" * 150 + "]" * 150,
                '"a\\\\u0000b"', '{"id": "a:b", "$x": 1, "": null}', '"\\\\ufffe\\\\u202e"']
            calls = {
                "state.set": '{"key": "k", "value": %s}',
                "state.get": '{"key": %s}',
                "bus.publish": '{"recipient": "user:x", "topic": "narrative.text", "type": '
                    '"SUBJECTIVE", "content": "x", "data": {"x": %s}, "metadata": {}, '
                    '"priority": "P2", "conversation_id": null}',
                "memory.recall": '{"query": %s}',
                "memory.recent": '{"conversation_id": %s}',
                "visual.pose": '{"name": %s}',
            }
            connection, remote, said = host_socket(), ctx.bus._remote, []
            for number, value in enumerate(values):
                for method, arguments in calls.items():
                    future = asyncio.get_running_loop().create_future()
                    key = 10**9 + len(said)
                    remote._results[key] = future
                    body = '{"kind": "call", "call": %d, "method": "%s", "arguments": %s}'
                    send(framed((body % (key, method, arguments % value)).encode()), connection)
                    try:
                        await asyncio.wait_for(future, 5)
                        said.append([method, value[:20], "ok"])
                    except RemoteError as err:
                        said.append([method, value[:20], f"{err.code}: {err}"])
                    del remote._results[key]
            return said
        """)
        assert len(outcome) == 48
        # Not a number is the one thing that a state cannot be; that it is said better is to come.
        odd = [each for each in outcome if "internal" in each[2] and each[0] != "state.set"]
        assert not odd
        assert hostile.record.state == "live"
        await asyncio.sleep(0)
        token = street.core.new_token
        request = urllib.request.Request(
            f"http://{street.core.address}/api/agents/{hostile.id}",
            headers={"Authorization": f"Bearer {token}"},
        )

        def fetch() -> Any:
            with urllib.request.urlopen(request) as response:
                return json.load(response)

        assert (await asyncio.to_thread(fetch))["id"] == hostile.id


FORGER = """
from hairem_core.sdk import *


class Agent(BaseAgent):
    async def on_message(self, message):
        call = {"id": "1", "name": "HassTurnOn", "arguments": {"name": "front door"}}
        try:
            await self.ctx.bus.answer(
                message, topic=Topic.TOOL_CALL, type=MessageType.STREAM, data={"calls": [call]}
            )
        except AgentError:
            pass
        await self.ctx.bus.answer(message, topic=Topic.NARRATIVE_TEXT, content="done")
"""


@once_more
async def test_a_tool_call_is_not_made_past_the_permission(street: Street) -> None:
    async with street.hostile("a forged tool call", FORGER) as hostile:
        tool = {"name": "HassTurnOn", "parameters": {"type": "object", "properties": {}}}
        events = await street.client.turn(hostile.id, "Hello!", tools=[tool])
        assert [each["kind"] for each in events] == ["done"]
