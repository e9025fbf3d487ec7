import pytest
import asyncio
from tests.hotplug.helpers import ask, from_test
from tests.hotplug.hostile.street import Hostile, Street, once_more
pytestmark = pytest.mark.asyncio(loop_scope="module")

BAD = '''
import json
from hairem_core.sdk import *
class Agent(BaseAgent):
    async def on_message(self, message):
        await self.ctx.bus.answer(message, topic=Topic.TOOL_CALL, type=MessageType.STREAM, data={"calls": [{"id": "1", "name": "HassTurnOn", "arguments": {"name": "door"}}]})
        await self.ctx.bus.answer(message, topic=Topic.NARRATIVE_TEXT, content="done")
'''
async def test_tool_call(street: Street) -> None:
    async with street.hostile("forged tool call", BAD) as hostile:
        print(await street.client.turn(hostile.id, "open", tools=[dict(name="HassTurnOn", description="x", parameters={"type":"object"})]))

async def test_long_errors(street: Street) -> None:
    async with street.hostile("long error", BAD.replace("        await", "        raise ValueError('x'*6_000_000)\n        await",1)) as hostile:
        ev = await street.client.turn(hostile.id, "open")
        print(str(ev)[:300], len(str(ev)))
        print(len(hostile.record.last_error or ""))

async def test_nan(street: Street) -> None:
    async with street.hostile("nan") as hostile:
        out = await hostile.do("""
            out = []
            for n, v in (("NaN", "NaN"), ("inf", "Infinity"), ("big", "1" + "0" * 400), ("deep", "[" * 150 + "]" * 150), ("nul", '"a\\\\u0000b"'), ("float", "1e400"), ("bigkey", '{"' + "k" * 5000 + '": 1}'), ("reserved", '{"id": "a:b", "$x": 1}')):
                for method, args in (("state.set", '{"key": "k", "value": %s}'), ("bus.publish", '{"recipient": "user:probe", "topic": "agent.note", "type": "SUBJECTIVE", "content": "x", "data": {"x": %s}, "metadata": {}, "priority": "P2", "conversation_id": null}'), ("bus.publish", '{"recipient": "user:probe", "topic": "narrative.text", "type": "SUBJECTIVE", "content": "x", "data": {"x": %s}, "metadata": {}, "priority": "P2", "conversation_id": "a\\\\u0000b"}'), ("memory.recall", '{"query": %s}'), ("memory.recent", '{"conversation_id": %s}'), ("state.get", '{"key": %s}'), ("visual.pose", '{"name": %s}')):
                    remote = ctx.bus._remote if hasattr(ctx.bus, "_remote") else 1/0
                    fut = asyncio.get_running_loop().create_future()
                    remote._next += 1
                    num = remote._next
                    remote._results[num] = fut
                    remote._causes[num] = None
                    body = ('{"kind": "call", "call": %d, "method": "%s", "arguments": %s}' % (num, method, args % v)).encode()
                    send(struct.pack(">I", len(body)) + body)
                    try:
                        out.append([n, method, str(await asyncio.wait_for(fut, 5))])
                    except Exception as e:
                        out.append([n, method, type(e).__name__ + str(e)[:100]])
                    await asyncio.sleep(0.02)
            return out
        """)
        for o in out: print(o)
        print(hostile.record)
