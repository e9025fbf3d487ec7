"""The scene of `scripts/demo`, with what it shows held to account."""

import pytest

from tests.support.home_assistant import KITCHEN_LIGHT
from tests.support.house import House
from tests.support.scene import Scene

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(150)]


async def test_the_scene_from_the_first_greeting_to_the_memory_after_a_kill(house: House) -> None:
    lines: list[str] = []
    scene = Scene(house, say=lines.append, exact=True)
    await house.home.call("light.turn_off", entity_id=KITCHEN_LIGHT)
    complaints = len(house.home.complaints())

    await scene.play()

    assert scene.light["before"] == "off"
    assert scene.light["after"] == "on"
    assert scene.remembered
    assert {turn.agent for turn in scene.turns} == {"electra", "renarde"}
    for turn in scene.turns:
        assert turn.answer in " ".join(lines)
        if turn.via == "assist_pipeline/run":
            assert turn.pieces > 1, "the answer came in one piece"
            assert 0 < turn.first_delta_ms <= turn.total_ms
    greeting = next(turn for turn in scene.turns if turn.text == "Bonjour Renarde !")
    assert "hôtesse" in greeting.answer
    # The kill is told once, not once an agent or once an attempt; nothing else is complained about.
    assert len(house.home.complaints()) == complaints + 1, house.home.complaints()
