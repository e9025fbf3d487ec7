"""A person speaks, an agent answers."""

from homeassistant.core import HomeAssistant

from tests.integration.bridge_server import BridgeServer
from tests.integration.conftest import Ask, spoken


async def test_answer(hass: HomeAssistant, bridge: BridgeServer, ask: Ask) -> None:
    result = await ask("Who is home?")
    assert spoken(result) == "Who is home? "
    assert bridge.turns[0].command.agent_id == "renarde"
