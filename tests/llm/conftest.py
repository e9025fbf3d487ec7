"""A gateway that knows the scripted model server."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest

from hairem_core.config.system import LlmConfig
from hairem_core.llm.gateway import ModelGateway
from hairem_core.sdk.chat import ChatMessage, ChatRequest, Delta, ToolSpec
from tests.support.scripted_model import ScriptedModel

KEY = "sk-scripted-0123456789abcdef"

type MakeGateway = Callable[..., Awaitable[ModelGateway]]

TURN_ON = ToolSpec(
    name="intent__HassTurnOn",
    description="Turns on a device",
    parameters={
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "area": {"type": "string"},
            "domain": {"type": "array", "items": {"type": "string"}},
        },
    },
)


@pytest.fixture
async def model() -> AsyncGenerator[ScriptedModel]:
    async with ScriptedModel(api_key=KEY) as server:
        yield server


@pytest.fixture
async def make_gateway(model: ScriptedModel) -> AsyncGenerator[MakeGateway]:
    made: list[ModelGateway] = []

    async def make(**changes: Any) -> ModelGateway:
        config: dict[str, Any] = {
            "chat": target(model),
            "first_token_timeout": 5.0,
            "stall_timeout": 5.0,
        } | changes
        gateway = ModelGateway(LlmConfig.model_validate(config))
        made.append(gateway)
        await gateway.warm_up()
        return gateway

    yield make
    for gateway in made:
        await gateway.close()


@pytest.fixture
async def gateway(make_gateway: MakeGateway) -> ModelGateway:
    return await make_gateway()


def target(model: ScriptedModel, name: str = "scripted", **changes: Any) -> dict[str, Any]:
    """Return the configuration of a model on the scripted server."""
    return {"model": f"openai/{name}", "api_base": model.openai_base, "api_key": KEY} | changes


def ask(text: str, *before: ChatMessage, name: str | None = None, **changes: Any) -> ChatRequest:
    """Return a request whose last message is the `text` of a person, who is called `name`."""
    messages = [*before, ChatMessage(role="user", content=text, name=name)]
    return ChatRequest(messages=messages, **changes)


def tools(*specs: ToolSpec) -> list[ToolSpec]:
    """Return the tools, those of the house where none are given."""
    return list(specs) or [TURN_ON]


async def deltas(
    gateway: ModelGateway, request: ChatRequest, agent: str = "renarde"
) -> list[Delta]:
    """Return the whole answer."""
    return [delta async for delta in gateway.stream(agent, request)]


def text_of(answer: list[Delta]) -> str:
    """Return the words of an answer."""
    return "".join(delta.content or "" for delta in answer)
