"""Adding an H-Core in a real Home Assistant, through the REST API of its config flows."""

import json

import pytest

from tests.support.child import free_port
from tests.support.house import House

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]


async def test_a_wrong_token_is_said_at_the_token(house: House) -> None:
    core = house.core
    flow = await house.home.start_flow()
    step = await house.home.answer_flow(
        flow, host=core.host, port=core.port, token="hairem_not-a-token-of-this-house"
    )

    assert step["type"] == "form"
    assert step["errors"] == {"token": "invalid_auth"}
    await house.home.delete(f"/api/config/config_entries/flow/{flow['flow_id']}")


async def test_an_address_where_nobody_listens_is_said(house: House) -> None:
    flow = await house.home.start_flow()
    step = await house.home.answer_flow(flow, host="127.0.0.1", port=free_port(), token=house.token)

    assert step["type"] == "form"
    assert step["errors"] == {"base": "cannot_connect"}
    await house.home.delete(f"/api/config/config_entries/flow/{flow['flow_id']}")


async def test_the_same_core_is_added_once(house: House) -> None:
    core = house.core
    flow = await house.home.start_flow()
    step = await house.home.answer_flow(flow, host=core.host, port=core.port, token=house.token)

    assert step["type"] == "abort"
    assert step["reason"] == "already_configured"


async def test_each_agent_is_a_device_with_one_conversation_entity(house: House) -> None:
    devices = await house.home.socket.command("config/device_registry/list")
    ours = {
        device["name"]: device
        for device in devices
        if any(domain == "hairem" for domain, _ in device["identifiers"])
    }
    entities = await house.home.socket.command("config/entity_registry/list")

    assert {"Electra", "Renarde"} <= ours.keys()
    for name in ("Electra", "Renarde"):
        assert ours[name]["entry_type"] == "service"
        assert [
            entity["entity_id"]
            for entity in entities
            if entity["device_id"] == ours[name]["id"]
            and entity["entity_id"].startswith("conversation.")
        ] == [house.agents[name.lower()]]


async def test_diagnostics_hold_no_secret(house: House) -> None:
    entries = await house.home.get("/api/config/config_entries/entry")
    entry = next(each for each in entries if each["domain"] == "hairem")

    found = await house.home.get(f"/api/diagnostics/config_entry/{entry['entry_id']}")

    assert found["data"], "diagnostics are empty"
    assert house.token not in json.dumps(found)
