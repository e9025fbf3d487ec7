"""Agents that say more than anybody can take."""

import asyncio

import pytest

from hairem_core.hotplug.frames import LONGEST_FRAME
from hairem_core.sdk.message import Message
from tests.hotplug.hostile.puppet import PUPPET
from tests.hotplug.hostile.street import SLOWLY, Street, once_more
from tests.support.bus import until

pytestmark = [pytest.mark.alone, pytest.mark.asyncio(loop_scope="package")]

SECONDS = 1.2
_LOG_MB = 1.0
"""What of a flood may come to be kept: 64 KiB a second, and four seconds of it at once."""


@pytest.mark.parametrize(
    "step",
    [
        "print('a line of the log ' * 4)",
        "os.write(2, b'0123456789\\n' * 5000)",
        "os.write(2, b'\\n' * 60_000)",
        "ctx.logger.warning('a line of the log ' * 4)",
        "ctx.logger.warning('x' * 7_000_000)",
    ],
    ids=["print", "os.write", "empty lines", "ctx.logger", "long records"],
)
@once_more
async def test_a_flood_of_log_is_cut(street: Street, step: str) -> None:
    async with street.hostile(f"log: {step}") as hostile:
        await hostile.do(f"""
            end = time.monotonic() + {SECONDS}
            while time.monotonic() < end:
                {step}
                await asyncio.sleep(0)
        """)
        kept = hostile.log
        assert sum(map(len, kept)) < _LOG_MB * 2**20
        assert any("left out" in line or "dropped" in line for line in kept), kept[-3:]
        assert await hostile.do("return 'here'") == "here"
        assert not hostile.record.restarts


@once_more
async def test_a_line_of_50_mb_is_cut(street: Street) -> None:
    async with street.hostile("a line of 50 MB") as hostile:
        await hostile.do("""
            for _ in range(50):
                os.write(2, b"x" * 1_000_000)
            os.write(2, b"\\nthe next line\\n")
        """)
        await asyncio.sleep(0.5)
        assert sum(map(len, hostile.log)) < 20_000
        assert not hostile.record.restarts


@once_more
async def test_a_line_of_the_log_passes_for_no_other(street: Street) -> None:
    async with street.hostile("log forging") as hostile:
        await hostile.do("""
            forged = "\\r2026-11-21 ERROR hairem.agent.neighbour: on fire"
            print(f"\\x1b[2Jquiet{forged}", flush=True)
            ctx.logger.info("first\\n2026-11-21 ERROR hairem.agent.neighbour: on fire")
        """)
        await hostile.says("quiet")
        await hostile.says("first")
        for line in hostile.log:
            assert not any(each in line for each in "\x1b\r"), line
            assert all(part.startswith(" ") for part in line.split("\n")[1:]), line


@once_more
async def test_10_000_messages_at_once(street: Street) -> None:
    heard: list[Message] = []
    stop = await street.core.bus.listen("user:victim", heard.append)
    async with street.hostile("10,000 messages published at once") as hostile:
        await hostile.begin_turn("""
            for number in range(10_000):
                asyncio.ensure_future(
                    ctx.bus.publish("user:victim", topic=Topic.AGENT_NOTE, content=str(number))
                ).add_done_callback(lambda task: task.exception())
        """)
        await until(lambda: heard)
        await asyncio.sleep(SECONDS)
        # 50 a second, and four seconds of it at once.
        assert 100 < len(heard) < 200 + 50 * (SECONDS + 3)
        assert [int(each.payload.content) for each in heard[:100]] == list(range(100))
        await hostile.says("agents.limits.messages_per_second: more than 50 messages a second")
        assert hostile.record.state == "live"
        assert not hostile.record.restarts
        await hostile.put_down()
    await stop()


CALLS = {
    "messages": (
        "call(10**9 + n, 'bus.publish', recipient='agent:neighbour', topic='agent.note', "
        "type='SUBJECTIVE', content='x', data={}, metadata={}, priority='P2', "
        "conversation_id=None)"
    ),
    "recalls": "call(10**9 + n, 'memory.recall', query='fine day', limit=50)",
    "abandoned": (
        "call(10**9 + n, 'memory.recall', query='fine day') + frame(kind='abandon', call=10**9 + n)"
    ),
    "nonsense": "call(10**9 + n, 'nothing')",
    "streams": "call(10**9 + n, 'llm.stream', request=dict(messages=[dict(role='user')]))",
}
LONG = (
    f"frame(kind='log', level=40, text='x' * {LONGEST_FRAME - 100})",
    # What takes most of the reader's time and memory: millions of objects, four bytes each.
    f"call(10**9 + n, 'state.set', key='k', value=[[]] * {LONGEST_FRAME // 4 - 50})",
)
AGAIN_AND_AGAIN = """
    connection, n, end = host_socket(), 0, time.monotonic() + {}
    while time.monotonic() < end:
        n += 1
        send({}, connection)
        if not n % 20:
            await asyncio.sleep(0)
"""


@pytest.mark.parametrize("name", CALLS)
@once_more
async def test_raw_frames_wait_for_their_turn(street: Street, name: str) -> None:
    async with street.hostile(f"raw frames: {name}") as hostile:
        await hostile.begin_turn(AGAIN_AND_AGAIN.format(SECONDS, CALLS[name]))
        await asyncio.sleep(SECONDS)
        assert hostile.record.state == "live", hostile.record
        assert not hostile.record.restarts, hostile.record
        await hostile.put_down()


@once_more
async def test_the_longest_frames_wait_for_their_turn(street: Street) -> None:
    what = "raw frames: log records and JSON of 8 MiB"
    async with street.gang(what, [PUPPET] * len(LONG), most_mb=512) as gang:
        for each, step in zip(gang, LONG, strict=True):
            await each.begin_turn(AGAIN_AND_AGAIN.format(SECONDS, step))
        await asyncio.sleep(2 * SECONDS)
        for each in gang:
            assert each.record.state == "live", each.record
            await each.says("says more than H-Core takes of one agent, and has to wait")
        await asyncio.gather(*(each.put_down() for each in gang))


@once_more
async def test_1000_recalls_at_once_are_all_answered(street: Street) -> None:
    async with street.hostile("1,000 recalls at once") as hostile:
        outcome = await hostile.do("""
            recalls = (ctx.memory.recall("fine day", limit=50) for _ in range(1000))
            return [type(each).__name__ for each in await asyncio.gather(*recalls)]
        """)
        assert outcome == ["list"] * 1000


@once_more
async def test_more_calls_than_are_taken_are_refused(street: Street) -> None:
    async with street.hostile("1,500 slow calls at once", PUPPET, "[llm]") as hostile:
        outcome = await hostile.do(f"""
            request = ChatRequest(messages=[ChatMessage(role="user", content="{SLOWLY}")])

            async def read():
                async for _ in ctx.llm.stream(request):
                    pass

            reads = [asyncio.ensure_future(read()) for _ in range(1_500)]
            await asyncio.wait(reads, timeout=2)
            refused = {{each.exception().code for each in reads if each.done()}}
            for each in reads:
                each.cancel()
            await asyncio.gather(*reads, return_exceptions=True)
            return [list(refused), await ctx.state.get("free again", "yes")]
        """)
        assert outcome == [["rate_limited"], "yes"]
        await hostile.says("1,024 calls of ctx at once")


@once_more
async def test_what_it_does_not_read_does_not_pile_up(street: Street) -> None:
    async with street.hostile("asks and does not read", most_mb=256) as hostile:
        event = await hostile.turn("""
            for _ in range(20):
                await ctx.bus.publish("user:x", topic=Topic.NARRATIVE_TEXT, content="z" * 90_000)
            connection, n = host_socket(), 0
            while True:
                n += 1
                send(call(10**9 + n, "memory.recent", limit=100), connection)
        """)
        assert "gave no sign of life" in event["error"]["message"]
        await hostile.restarted("gave no sign of life")


@once_more
async def test_state_has_its_limits(street: Street) -> None:
    async with street.hostile("state") as hostile:
        outcome = await hostile.do("""
            said = []
            for size in (60_000, 70_000, 2_000_000, 50_000_000):
                try:
                    await ctx.state.set("key", "x" * size)
                    said.append("ok")
                except AgentError as err:
                    said.append(str(err))
            return said
        """)
        assert outcome[0] == "ok"
        assert "64 KiB are allowed" in outcome[1]
        assert "64 KiB are allowed" in outcome[2]
        assert f"at most {LONGEST_FRAME:,} bytes" in outcome[3]
        assert await hostile.do("return len(await ctx.state.get('key'))") == 60_000
