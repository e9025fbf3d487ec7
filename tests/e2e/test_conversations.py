"""What people say to agents through Assist, and what the house does about it."""

import asyncio
import itertools

import pytest

from tests.support.house import LIVING_ROOM_LIGHT, House
from tests.support.scripted_model import Rule, ScriptedModel

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]


async def test_two_conversations_at_once_do_not_wait_for_each_other_or_mix(
    house: House, model: ScriptedModel
) -> None:
    model.script.rules += [
        Rule(match="tale", reply=["fox "] * 20, delay_chunk=0.05),
        Rule(match="count", reply=["watt "] * 20, delay_chunk=0.05),
    ]
    heard: list[str] = []
    socket = house.home.socket

    tale, count = await asyncio.gather(
        socket.run_pipeline(
            "Tell me a tale.", pipeline=await house.pipeline("renarde"), on_delta=heard.append
        ),
        socket.run_pipeline(
            "Count for me.", pipeline=await house.pipeline("electra"), on_delta=heard.append
        ),
    )

    assert "".join(tale.streamed).split() == ["fox"] * 20
    assert "".join(count.streamed).split() == ["watt"] * 20
    assert tale.conversation_id != count.conversation_id
    words = "".join(heard).split()
    switches = sum(one != other for one, other in itertools.pairwise(words))
    assert switches > 5, "one answer waited for the other"


async def test_a_conversation_goes_on_with_what_was_said_in_it(
    house: House, model: ScriptedModel
) -> None:
    pipeline = await house.pipeline("renarde")
    first = await house.home.socket.run_pipeline("My tea is Assam.", pipeline=pipeline)
    second = await house.home.socket.run_pipeline(
        "And with milk.", pipeline=pipeline, conversation_id=first.conversation_id
    )

    assert second.conversation_id == first.conversation_id
    said = [
        (message["role"], message["content"])
        for message in model.requests[-1].body["messages"]
        if message["role"] != "system"
    ]
    assert said[-3:] == [
        ("user", "My tea is Assam."),
        ("assistant", first.answer),
        ("user", "And with milk."),
    ]


async def test_conversation_process_answers_like_the_pipeline(house: House) -> None:
    reply = await house.home.process("Hello!", agent=house.agents["electra"])

    assert reply.error is None
    assert "Electra" in reply.answer
    assert reply.conversation_id


async def test_what_is_not_exposed_cannot_be_touched_and_nothing_is_claimed(
    house: House,
) -> None:
    home = house.home
    await home.call("light.turn_off", entity_id=LIVING_ROOM_LIGHT)
    await home.wait_for_state(LIVING_ROOM_LIGHT, "off")
    await home.expose(LIVING_ROOM_LIGHT, exposed=False)
    try:
        turn = await home.socket.run_pipeline(
            "Turn on the living room light.", pipeline=await house.pipeline("electra")
        )
    finally:
        await home.expose(LIVING_ROOM_LIGHT)

    assert turn.tool_calls, "the agent did not even try"
    assert await home.state(LIVING_ROOM_LIGHT) == "off"
    assert "Done" not in turn.answer
    assert "did not work" in turn.answer


async def test_a_pipeline_that_is_stopped_stops_the_model(
    house: House, model: ScriptedModel
) -> None:
    model.script.rules.append(
        Rule(match="forever", reply=[f"la{n} " for n in range(500)], delay_chunk=0.05)
    )
    first_words = asyncio.Event()
    socket = await house.home.open_socket()
    singing = asyncio.create_task(
        socket.run_pipeline(
            "Sing forever.",
            pipeline=await house.pipeline("renarde"),
            on_delta=lambda _: first_words.set(),
        )
    )
    await asyncio.wait_for(first_words.wait(), 15)
    # A browser tab that is closed.
    await socket.close()

    await model.wait_for(lambda requests: requests[-1].cancelled, timeout=3)
    with pytest.raises(ConnectionError):
        await singing
