"""An agent's services on a real bus and a real store.

The model is a double that keeps what it was asked; the client who would run Home Assistant's tools
is one that answers with what it was sent.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from hairem_core.config.system import AgentLimits, MemoryConfig
from hairem_core.hlink.bus import Bus
from hairem_core.home.tools import ToolLink
from hairem_core.hotplug.bundle import read_bundle
from hairem_core.hotplug.secrets import SecretStore
from hairem_core.hotplug.services import AgentServices
from hairem_core.memory.store import MemoryStore
from hairem_core.sdk.chat import ChatRequest, Delta, ModelRole, ToolCall, ToolSpec
from hairem_core.sdk.message import Message, MessageType, Topic
from hairem_core.sdk.utterance import Utterance
from tests.support.bus import connect, running_redis

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
        self.is_there = True

    async def stream(self, agent_id: str, request: ChatRequest) -> AsyncGenerator[Delta]:
        self.requests.append(request)
        yield Delta(content="fine")

    def has_model(self, agent_id: str | None, role: ModelRole) -> bool:
        return self.is_there


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


class Maker:
    """Makes services for agents of several permissions."""

    def __init__(self, folder: Path, bus: Bus, memory: MemoryStore, home: ToolLink) -> None:
        self._folder, self._bus, self._memory, self._home = folder, bus, memory, home
        self.now = 0.0
        """Seconds, for the rates: they pass when a test says so."""

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
            clock=lambda: self.now,
        )
        made = Services(services, self._bus, self._memory, model, secrets)
        await self._bus.listen("user:test", made.heard.append)
        return made


@asynccontextmanager
async def service_maker(folder: Path) -> AsyncIterator[Maker]:
    """Yield a maker on a real redis-server and a real store under `folder`."""
    async with running_redis(folder) as server:
        bus = connect(server.url)
        memory = await MemoryStore.open(f"surrealkv://{folder / 'memory'}")
        link = ToolLink(bus, timeout=5)
        await link.start()
        try:
            yield Maker(folder, bus, memory, link)
        finally:
            await link.stop()
            await memory.close()
            await bus.close()


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
