"""Agents that say too much."""

import pytest

from tests.hotplug.hostile.street import Hostile, Street, once_more

pytestmark = pytest.mark.asyncio(loop_scope="module")

FOR_TWO_SECONDS = """
end = time.monotonic() + 2
said = 0
while time.monotonic() < end:
    {}
return said
"""


@pytest.mark.parametrize(
    ("what", "step"),
    [
        ("print", "print('a line of the log ' * 4); said += 80"),
        ("os.write", "said += os.write(2, (b'y' * 10 + b'\\n') * 5000)"),
        ("empty lines", "said += os.write(2, b'\\n' * 50000)"),
        ("ctx.logger", "ctx.logger.warning('a line of the log ' * 4); said += 80\n    await asyncio.sleep(0)"),
        ("a log record of 7 MB", "ctx.logger.warning('x' * 7_000_000); said += 7_000_000\n    await asyncio.sleep(0)"),
    ],
)
@once_more
async def test_a_flood_of_log(street: Street, what: str, step: str) -> None:
    async with street.hostile(what) as hostile:
        said = await hostile.do(FOR_TWO_SECONDS.format(step))
        print(f"    {said / 2e6:.0f} MB/s said")
        assert hostile.record.state == "live"
        print([x[:80] for x in hostile.log[-2:]], len(hostile.log), sum(map(len, hostile.log)))


@once_more
async def test_a_line_of_50_mb(street: Street) -> None:
    async with street.hostile("one line of 50 MB") as hostile:
        assert await hostile.do("""
            for _ in range(50):
                os.write(2, b"x" * 1_000_000)
            os.write(2, b"\\nthe next line\\n")
            return "said"
        """) == "said"
        print([x[:80] for x in hostile.log[-2:]], len(hostile.log), sum(map(len, hostile.log)))


@once_more
async def test_publish_10_000(street: Street) -> None:
    async with street.hostile("10,000 messages published, without waiting") as hostile:
        out = await hostile.do("""
            tasks = [asyncio.ensure_future(ctx.bus.publish("agent:neighbour", topic=Topic.AGENT_NOTE, content="x")) for _ in range(10000)]
            results = await asyncio.gather(*tasks, return_exceptions=True)
            return [sum(isinstance(each, UUID) for each in results), str(next((each for each in results if not isinstance(each, UUID)), None))]
        """)
        print(out, hostile.record)

@once_more
async def test_raw_10_000(street: Street) -> None:
    async with street.hostile("raw frames") as hostile:
        out = await hostile.do("""
            s = host_socket()
            end = time.monotonic() + 3
            n = 0
            while time.monotonic() < end:
                n += 100
                send(b"".join(frame(kind="call", call=10**9 + n + i, method="bus.publish", arguments=dict(recipient="agent:neighbour", topic="agent.note", type="SUBJECTIVE", content="x", data={}, metadata={}, priority="P2", conversation_id=None)) for i in range(100)), s)
                await asyncio.sleep(0)
            return n
        """)
        print(out, hostile.record)

@once_more
async def test_same_number(street: Street) -> None:
    async with street.hostile("raw frames, one number") as hostile:
        await hostile.start("""
            s = host_socket()
            end = time.monotonic() + 4
            while time.monotonic() < end:
                send(b"".join(frame(kind="call", call=1, method="memory.recall", arguments=dict(query="fine day")) for i in range(100)), s)
                await asyncio.sleep(0)
        """)
        import asyncio
        await asyncio.sleep(4)
        print(hostile.record, len(asyncio.all_tasks()))
@once_more
async def test_recall_1000(street: Street) -> None:
    async with street.hostile("1,000 recalls at once") as hostile:
        out = await hostile.do("""
            results = await asyncio.gather(*(ctx.memory.recall("fine day", limit=50) for _ in range(1000)), return_exceptions=True)
            return [sum(isinstance(each, list) for each in results), str(next((each for each in results if not isinstance(each, list)), None))]
        """)
        print(out, hostile.record)
@once_more
async def test_not_reading(street: Street) -> None:
    async with street.hostile("not reading what it asked for") as hostile:
        assert await hostile.do("""
            for i in range(40):
                await ctx.bus.publish("user:nobody", topic=Topic.NARRATIVE_TEXT, content="z" * 90000)
            return len(await ctx.memory.recent(limit=100))
        """) == 40
        await hostile.start("""
            s = host_socket()
            n = 0
            while True:
                n += 1
                send(frame(kind="call", call=10**9 + n, method="memory.recent", arguments=dict(limit=100)), s)
        """)
        import asyncio
        await asyncio.sleep(5)
        print(hostile.record, len(asyncio.all_tasks()))
@once_more
async def test_abandon(street: Street) -> None:
    async with street.hostile("abandoned") as hostile:
        out = await hostile.do("""
            for _ in range(20):
                tasks = [asyncio.ensure_future(ctx.memory.recall("fine day", limit=50)) for _ in range(200)]
                await asyncio.sleep(0)
                for t in tasks: t.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        """)
        print(hostile.record)
@once_more
async def test_big_logs(street: Street) -> None:
    async with street.hostile("1000 Log frames of 8 MiB") as hostile:
        await hostile.start("""
            s = host_socket()
            body = frame(kind="log", level=20, text="x" * (8 * 2**20 - 60))
            for _ in range(1000):
                send(body, s)
                await asyncio.sleep(0)
        """)
        import asyncio
        await asyncio.sleep(5)
        print(hostile.record)
@once_more
async def test_big_json(street: Street) -> None:
    async with street.hostile("1000 frames of 8 MiB JSON") as hostile:
        await hostile.start("""
            s = host_socket()
            body = frame(kind="call", call=7, method="state.set", arguments={"key": "k", "value": [[]] * 2_000_000})
            ctx.logger.info("%s", len(body))
            for _ in range(1000):
                send(body, s)
                await asyncio.sleep(0)
        """)
        import asyncio
        await asyncio.sleep(5)
        print(hostile.record, hostile.log)
