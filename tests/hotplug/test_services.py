"""What H-Core does for an agent: permissions, limits, and no secrets in what others read.

On a real bus and a real store. The model is a double that keeps what it was asked; the client who
would run Home Assistant's tools is one that answers with what it was sent.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from hairem_core.config import AgentLimits, MemoryConfig
from hairem_core.errors import HairemError
from hairem_core.hlink.bus import Bus
from hairem_core.home.tools import ToolLink
from hairem_core.hotplug.bundle import Manifest, read_bundle
from hairem_core.hotplug.secrets import SecretStore
from hairem_core.hotplug.services import AgentServices
from hairem_core.memory.store import MemoryStore
from hairem_core.sdk.chat import ChatMessage, ChatRequest, Delta, ToolCall, ToolSpec
from hairem_core.sdk.errors import PermissionDenied
from hairem_core.sdk.message import Message, MessageType, Topic
from hairem_core.sdk.utterance import Utterance
from tests.support.bus import connect, running_redis, until

SECRET = "tok-en/of+the house"
TOOLS = [
    ToolSpec(name="homeassistant__GetLiveContext"),
    ToolSpec(
        name="intent__HassTurnOn",
        parameters={
            "type": "object",
            "properties": {"domain": {"type": "array", "items": {"type": "string"}}},
        },
    ),
    ToolSpec(name="climate__HassClimateSetTemperature"),
]


class RecordingModel:
    """Stands for a language model; keeps what it was asked."""

    def __init__(self) -> None:
        self.requests: list[ChatRequest] = []

    async def stream(self, agent_id: str, request: ChatRequest) -> AsyncGenerator[Delta]:
        self.requests.append(request)
        yield Delta(content="fine")


@dataclass
class Services:
    """An agent's services and what surrounds them."""

    it: AgentServices
    bus: Bus
    memory: MemoryStore
    model: RecordingModel
    secrets: SecretStore
    heard: list[Message] = field(default_factory=list)
    ran: list[dict[str, Any]] = field(default_factory=list)
    """Tool calls as the client got them."""

    async def call(self, method: str, cause: UUID | None = None, **arguments: Any) -> Any:
        return await self.it.call(method, arguments, cause)

    async def publish(self, cause: UUID | None = None, **fields: Any) -> Any:
        return await self.call(
            "bus.publish",
            cause,
            **{
                "recipient": "user:test",
                "topic": "agent.note",
                "type": "SUBJECTIVE",
                "content": "",
                "data": {},
                "metadata": {},
                "priority": "P2",
                "conversation_id": None,
                **fields,
            },
        )

    def utterance(self, tools: list[ToolSpec] | None = None) -> Message:
        """Deliver words of a person, with tools, and return them."""
        message = Message.create(
            sender="user:test",
            recipient="agent:tester",
            type=MessageType.RAW,
            topic=Topic.USER_UTTERANCE,
            content="hello",
            data=Utterance(tools=TOOLS if tools is None else tools).as_data(),
        )
        self.it.receive(message)
        return message

    async def tools(self, message: Message, *calls: ToolCall) -> Any:
        return await self.call(
            "home.call_tools",
            parent_id=str(message.header.msg_id),
            calls=[call.model_dump() for call in calls],
        )


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[Bus]:
    async with running_redis(tmp_path) as server:
        bus = connect(server.url)
        yield bus
        await bus.close()


@pytest.fixture
async def memory(tmp_path: Path) -> AsyncIterator[MemoryStore]:
    store = await MemoryStore.open(f"surrealkv://{tmp_path / 'memory'}")
    yield store
    await store.close()


class Maker:
    """Makes services for agents of several permissions."""

    def __init__(self, folder: Path, bus: Bus, memory: MemoryStore, home: ToolLink) -> None:
        self._folder, self._bus, self._memory, self._home = folder, bus, memory, home

    async def __call__(
        self, permissions: str = "[]", *, manifest: str = "manifest.yaml", **limits: int
    ) -> Services:
        folder = self._folder / "tester"
        folder.mkdir(exist_ok=True)
        (folder / manifest).write_text(
            f"id: tester\nname: T\npermissions: {permissions}\nsecrets:\n  TOKEN: '{SECRET}'\n"
        )
        bundle = read_bundle(folder, source=Path("/source/tester"))
        secrets = SecretStore(self._folder / "secrets.yaml", {})
        secrets.resolve(bundle.manifest, known_ids=["tester"])
        model = RecordingModel()
        services = AgentServices(
            bundle,
            bus=self._bus,
            models=model,
            memory=self._memory,
            home=self._home,
            limits=MemoryConfig(),
            agent_limits=AgentLimits(**limits),
            secrets=secrets,
        )
        made = Services(services, self._bus, self._memory, model, secrets)
        await self._bus.listen("user:test", made.heard.append)
        return made


@pytest.fixture
async def make(tmp_path: Path, bus: Bus, memory: MemoryStore) -> AsyncIterator[Maker]:
    link = ToolLink(bus, timeout=5)
    await link.start()
    yield Maker(tmp_path, bus, memory, link)
    await link.stop()


async def with_client(services: Services) -> Services:
    """Have the person's client answer tool calls."""
    tasks: set[asyncio.Task[Any]] = set()

    def run(message: Message) -> None:
        if message.header.topic is not Topic.TOOL_CALL:
            return
        calls = message.payload.data["calls"]
        services.ran.extend(calls)
        results = [
            {"id": call["id"], "name": call["name"], "data": {"got": call["arguments"]}}
            for call in calls
        ]
        assert message.header.parent_id
        receipt = Message.create(
            sender="home:assist",
            recipient="agent:tester",
            type=MessageType.STREAM,
            topic=Topic.TOOL_RECEIPT,
            data={"results": results},
        )
        header = receipt.header.model_copy(update={"parent_id": message.header.parent_id})
        receipt = receipt.model_copy(update={"header": header})
        task = asyncio.ensure_future(services.bus.publish(receipt))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    await services.bus.listen("user:test", run)
    return services


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
    assert await services.call("memory.recall", query="key flowerpot") == []
    with pytest.raises(PermissionDenied, match=r"Add `- memory\.shared` under `permissions:`"):
        await services.call("memory.recall", query="key", shared=True)
    services = await make("[memory.shared]")
    (found,) = await services.call("memory.recall", query="key flowerpot", shared=True)
    assert found.content == other.payload.content


# --- what it may say -----------------------------------------------------------------------------


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
    # Words of an answer under way, and what is no message, go on.
    for _ in range(100):
        await services.publish(type="STREAM")
    assert await services.call("state.get", key="x") is None
    message = services.utterance()
    with pytest.raises(HairemError, match="5 messages a second"):
        await services.call(
            "bus.answer",
            parent_id=str(message.header.msg_id),
            topic="narrative.text",
            type="SUBJECTIVE",
            content="x",
            data={},
            metadata={},
        )
    assert message.header.msg_id not in services.it.answered


async def test_calls_without_end_are_refused(make: Maker) -> None:
    services = await make(messages_per_second=1)
    refused = 0
    for _ in range(400):
        try:
            await services.call("no.such")
        except HairemError as err:
            refused += err.code == "rate_limited"
    assert refused > 150
    with pytest.raises(HairemError, match="more than 40 calls of ctx a second"):
        services.it.iterate("llm.stream", {})


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
