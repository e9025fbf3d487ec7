"""How much an agent may say, and how often."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hairem_core.errors import HairemError
from hairem_core.sdk.message import Message, Topic
from tests.hotplug.service_maker import Maker, service_maker
from tests.support.bus import until


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Maker]:
    async with service_maker(tmp_path) as maker:
        yield maker


async def test_a_pose_is_told_to_the_crew(make: Maker) -> None:
    services = await make()
    heard: list[Message] = []
    await services.bus.register("other")
    message = services.utterance()
    await services.call("visual.pose", message.header.msg_id, name="happy")
    entries: Any = await services.bus.redis.xrange("hlink:{other}:p3")
    heard = [Message.model_validate_json(entry[b"m"]) for _, entry in entries]
    (pose,) = heard
    assert (pose.header.sender, pose.header.recipient) == ("agent:tester", "crew")
    assert (pose.header.topic, pose.payload.content) == (Topic.VISUAL_POSE, "happy")
    assert (pose.header.parent_id, pose.header.hops) == (message.header.msg_id, 1)
    for wrong in ("", " ", "x" * 65, "two\nlines", "\0"):
        with pytest.raises(HairemError, match=r"ctx\.visual\.pose: name: "):
            await services.call("visual.pose", name=wrong)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"content": "x" * 100_001}, "content: String should have at most 100000 characters"),
        ({"data": {"x": "y" * 262_144}}, "data: 262,152 bytes of JSON; 256 KiB are allowed"),
        ({"data": {"x": "é" * 131_072}}, "data: 262,152 bytes of JSON"),
        ({"metadata": {"pose_hint": "x" * 65}}, "metadata.pose_hint"),
        ({"metadata": {"anything": 1}}, "metadata.anything"),
        ({"recipient": "redis"}, "recipient"),
        ({"sender": "agent:other"}, "sender: Extra inputs are not permitted"),
    ],
)
async def test_a_message_has_bounds(make: Maker, fields: dict[str, Any], says: str) -> None:
    services = await make()
    with pytest.raises(HairemError) as caught:
        await services.publish(**fields)
    assert caught.value.code == "agent_failed"
    assert says in str(caught.value)
    assert "yyyy" not in str(caught.value)
    await services.publish(content="x" * 100_000, data={"x": "y" * 262_000})
    await until(lambda: services.heard)


async def test_state_has_bounds(make: Maker) -> None:
    services = await make()
    with pytest.raises(HairemError, match="value: 65,538 bytes of JSON; 64 KiB are allowed"):
        await services.call("state.set", key="k", value="x" * 65_536)
    await services.call("state.set", key="k", value="x" * 65_000)
    for number in range(999):
        await services.memory.set_state("tester", str(number), number)
    with pytest.raises(HairemError, match="keeps 1,000 values already") as caught:
        await services.call("state.set", key="one too many", value=1)
    assert caught.value.code == "state_full"
    await services.call("state.set", key="k", value=None)
    await services.call("state.set", key="one too many", value=1)
    assert await services.call("state.get", key="one too many") == 1


async def test_too_many_messages_are_refused_and_pieces_are_not(make: Maker) -> None:
    services = await make(messages_per_second=5)
    for _ in range(20):
        await services.publish()
    with pytest.raises(HairemError) as caught:
        await services.publish()
    assert caught.value.code == "rate_limited"
    assert str(caught.value) == (
        "agents.limits.messages_per_second: more than 5 messages a second. "
        "Do it less often, or raise the limit in system.yaml."
    )
    make.now += 0.2
    await services.publish()
    # Words of an answer under way, and what is no message, go on.
    for _ in range(100):
        await services.publish(type="STREAM")
    assert await services.call("state.get", key="x") is None
    message = services.utterance()

    async def answer() -> None:
        await services.call(
            "bus.answer",
            parent_id=str(message.header.msg_id),
            topic="narrative.text",
            type="SUBJECTIVE",
            content="x",
            data={},
            metadata={},
        )

    # The answer that a person waits for is never too much; a second one may be.
    await answer()
    assert message.header.msg_id in services.it.answered
    with pytest.raises(HairemError, match="5 messages a second"):
        await answer()


async def test_calls_without_end_are_refused(make: Maker) -> None:
    services = await make(messages_per_second=1)
    for _ in range(160):
        with pytest.raises(HairemError, match=r"ctx has no 'no\.such'"):
            await services.call("no.such")
    for _ in range(2):
        with pytest.raises(HairemError, match="more than 40 calls of ctx a second") as caught:
            await services.call("no.such")
        assert caught.value.code == "rate_limited"
        with pytest.raises(HairemError, match="40 calls of ctx"):
            services.it.iterate("llm.stream", {})
    make.now += 1
    assert await services.call("state.get", key="x") is None
