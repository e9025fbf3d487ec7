"""What H-Core does for an agent: after a look at its permissions, and without its secrets."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from hairem_core.errors import HairemError
from hairem_core.hotplug.bundle import Manifest
from hairem_core.sdk.chat import ChatMessage, ChatRequest, ToolCall
from hairem_core.sdk.errors import PermissionDenied
from hairem_core.sdk.message import Message, MessageType, Topic
from hairem_core.sdk.utterance import Utterance
from tests.hotplug.service_maker import SECRET, TOOLS, Maker, service_maker, with_client
from tests.support.bus import until


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Maker]:
    async with service_maker(tmp_path) as maker:
        yield maker


# --- permissions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("manifest", ["manifest.yaml", "expert.yaml"])
async def test_a_refusal_names_the_file_to_edit_and_the_line(make: Maker, manifest: str) -> None:
    services = await make("[home.read]", manifest=manifest)
    with pytest.raises(PermissionDenied) as caught:
        services.it.iterate("llm.stream", {"request": {"messages": [{"role": "user"}]}})
    assert str(caught.value) == (
        f"/source/tester/{manifest}: tester may not use this. Add `- llm` under `permissions:`."
    )
    assert caught.value.code == "permission_denied"


async def test_what_is_refused_as_a_whole_names_every_line(make: Maker) -> None:
    services = await make("[]")
    read = ToolCall(id="1", name="homeassistant__GetLiveContext")
    act = ToolCall(id="2", name="intent__HassTurnOn")
    message = services.utterance()
    with pytest.raises(PermissionDenied) as caught:
        await services.tools(message, act, read, act)
    assert caught.value.hint == (
        "Add `- home.act` under `permissions:`. Add `- home.read` under `permissions:`."
    )
    assert services.ran == []


async def test_refused_calls_do_not_stop_the_others(make: Maker) -> None:
    services = await with_client(await make("[{home.act: [light]}]"))
    message = services.utterance()
    results = await services.tools(
        message,
        ToolCall(id="1", name="homeassistant__GetLiveContext"),
        ToolCall(id="2", name="intent__HassTurnOn", arguments={"name": "Lamp"}),
        ToolCall(id="3", name="climate__HassClimateSetTemperature", arguments={"temperature": 30}),
        ToolCall(id="4", name="intent__HassTurnOn", arguments={"domain": ["lock", "light"]}),
    )
    assert [each.id for each in results] == ["1", "2", "3", "4"]
    assert [each.name for each in results][2] == "climate__HassClimateSetTemperature"
    assert "needs the permission home.read" in results[0].error
    assert results[1].data == {"got": {"name": "Lamp", "domain": ["light"]}}
    assert "acts on climate" in results[2].error
    assert results[3].data == {"got": {"domain": ["light"]}}
    assert [call["id"] for call in services.ran] == ["2", "4"]


async def test_calls_refused_for_their_domain_alone_are_told_to_the_model(make: Maker) -> None:
    services = await make("[{home.act: [light]}]")
    call = ToolCall(id="1", name="climate__HassClimateSetTemperature")
    (result,) = await services.tools(services.utterance(), call)
    assert "`home.act: [light]`" in result.error


async def test_an_agent_is_shown_the_tools_that_it_may_use(make: Maker) -> None:
    async def shown(permissions: str) -> list[str]:
        services = await make(permissions)
        message = services.utterance()
        seen = services.it.shown(message)
        assert seen.header == message.header
        return [tool.name for tool in Utterance.of(seen).tools]

    everything = [tool.name for tool in TOOLS]
    assert await shown("[]") == []
    assert await shown("[home.read]") == everything[:1]
    assert await shown("[{home.act: [light]}]") == everything[1:2]
    assert await shown("[home.read, home.act]") == everything
    services = await make()
    strange = services.utterance().model_copy(deep=True)
    strange.payload.data["tools"] = "none of these"
    assert services.it.shown(strange) is strange


async def test_tools_of_a_message_that_was_not_received_are_refused(make: Maker) -> None:
    services = await make("[home.act]")
    with pytest.raises(HairemError, match="did not receive a message"):
        await services.call(
            "home.call_tools", parent_id=str(uuid4()), calls=[{"id": "1", "name": "x"}]
        )


async def test_shared_memory_needs_its_permission(make: Maker) -> None:
    services = await make("[]")
    other = Message.create(
        sender="user:anna",
        recipient="agent:electra",
        type=MessageType.RAW,
        topic=Topic.USER_UTTERANCE,
        content="The key is under the flowerpot",
    )
    await services.memory.record(other)
    told = "The key of the shed is under the flowerpot"
    await services.memory.remember("electra", told, shared=True)
    assert await services.call("memory.recall", query="key flowerpot") == []
    with pytest.raises(PermissionDenied, match=r"Add `- memory\.shared` under `permissions:`"):
        await services.call("memory.recall", query="key", shared=True)
    services = await make("[memory.shared]")
    (found,) = await services.call("memory.recall", query="key flowerpot", shared=True)
    # What was said to another is still the other's own.
    assert found.content == told


async def test_an_agent_keeps_replaces_and_lets_go(make: Maker) -> None:
    services = await make("[memory.shared]")
    keep: dict[str, Any] = {"about": "Gaspard", "importance": 0.9, "confidence": 0.8}
    keep |= {"shared": False, "pinned": True, "replaces": None}
    first = await services.call("memory.remember", content="Gaspard eats fish", **keep)
    keep |= {"replaces": str(first.fragment_id)}
    second = await services.call("memory.remember", content="Gaspard eats no fish", **keep)

    (found,) = await services.call("memory.recall", query="What does Gaspard eat?")
    assert found.fragment_id == second.fragment_id
    assert (found.importance, found.confidence, found.kind) == (0.9, 0.8, "note")
    asked = {"query": "fish", "as_of": first.valid_from.isoformat(), "about": "Gaspard"}
    (before,) = await services.call("memory.recall", **asked)
    assert before.fragment_id == first.fragment_id
    chain = await services.call("memory.history", fragment_id=str(first.fragment_id))
    assert [each.content for each in chain] == ["Gaspard eats fish", "Gaspard eats no fish"]

    await services.call("memory.forget", fragment_id=str(second.fragment_id))
    assert await services.call("memory.recall", query="What does Gaspard eat?") == []
    with pytest.raises(HairemError, match="no fragment"):
        await services.call("memory.forget", fragment_id=str(second.fragment_id))


async def test_another_agents_fragments_cannot_be_touched(make: Maker) -> None:
    services = await make("[memory.shared]")
    theirs = await services.memory.remember("electra", "The alarm is at the neighbours'")
    for method in ("memory.forget", "memory.history"):
        with pytest.raises(HairemError, match="no fragment"):
            await services.call(method, fragment_id=str(theirs.fragment_id))
    with pytest.raises(HairemError, match="no fragment"):
        await services.call(
            "memory.remember",
            content="The alarm is here",
            about=None,
            importance=0.5,
            confidence=1,
            shared=False,
            pinned=False,
            replaces=str(theirs.fragment_id),
        )
    assert await services.memory.history("electra", theirs.fragment_id) == [theirs]


@pytest.mark.parametrize("content", ["", "   ", "x" * 8_001])
async def test_what_cannot_be_kept_is_told(make: Maker, content: str) -> None:
    services = await make()
    with pytest.raises(HairemError, match=r"ctx\.memory\.remember: content"):
        await services.call(
            "memory.remember",
            content=content,
            about=None,
            importance=0.5,
            confidence=1,
            shared=False,
            pinned=False,
            replaces=None,
        )


async def test_sharing_needs_its_permission(make: Maker) -> None:
    services = await make("[]")
    with pytest.raises(PermissionDenied, match=r"memory\.shared"):
        await services.call(
            "memory.remember",
            content="for all",
            about=None,
            importance=0.5,
            confidence=1,
            shared=True,
            pinned=False,
            replaces=None,
        )


# --- secrets -------------------------------------------------------------------------------------


async def test_nothing_that_is_published_or_remembered_holds_a_secret(make: Maker) -> None:
    services = await make()
    message = services.utterance()
    hidden: dict[str, Any] = {
        "content": f"my token is {SECRET}",
        "data": {"deep": [{SECRET: json.dumps(SECRET)}]},
        "metadata": {"pose_hint": SECRET},
    }
    await services.publish(**hidden, conversation_id=SECRET)
    await services.publish(**hidden, type="STREAM")
    await services.call(
        "bus.answer",
        parent_id=str(message.header.msg_id),
        topic="narrative.text",
        type="SUBJECTIVE",
        **hidden,
    )
    await services.call("visual.pose", name=SECRET)
    await until(lambda: len(services.heard) == 3)
    for each in services.heard:
        assert SECRET not in each.model_dump_json()
        assert each.payload.content == "my token is ***"
    journal: Any = await services.bus.redis.xrange("hlink:journal")
    assert len(journal) >= 3
    assert SECRET.encode() not in repr(journal).encode()
    recalled = await services.memory.recent("tester", conversation_id=None, limit=10)
    assert [each.content for each in recalled] == ["my token is ***"]


async def test_a_secret_is_no_address(make: Maker) -> None:
    services = await make()
    manifest = {"id": "other", "name": "O", "secrets": {"PASSWORD": "hunter2hunter2"}}
    services.secrets.resolve(Manifest.model_validate(manifest), known_ids=["tester", "other"])
    with pytest.raises(HairemError, match="a secret is no address") as caught:
        await services.publish(recipient="user:hunter2hunter2")
    assert "hunter2" not in str(caught.value)


async def test_a_model_is_not_told_a_secret(make: Maker) -> None:
    services = await make("[llm]")
    request = ChatRequest(messages=[ChatMessage(role="user", content=f"Say {SECRET}")])
    items = services.it.iterate("llm.stream", {"request": request.model_dump()})
    assert [item.content async for item in items] == ["fine"]
    assert services.model.requests[0].messages[0].content == "Say ***"


async def test_a_tool_of_the_house_is_not_given_a_secret(make: Maker) -> None:
    services = await with_client(await make("[home.act]"))
    results = await services.tools(
        services.utterance(),
        ToolCall(id="1", name="notify__send", arguments={"message": f"it is {SECRET}"}),
        ToolCall(id="2", name="notify__send", arguments={"message": "nothing"}),
    )
    assert results[0].error == "a secret must not be given to a tool of Home Assistant"
    assert results[1].data == {"got": {"message": "nothing"}}
    assert [call["id"] for call in services.ran] == ["2"]


async def test_state_is_the_agents_own(make: Maker) -> None:
    services = await make()
    await services.call("state.set", key="token", value=SECRET)
    assert await services.call("state.get", key="token") == SECRET
