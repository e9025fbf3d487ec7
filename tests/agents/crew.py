"""The shipped agents on a real H-Core: their bundles, what they are told, what they say."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from hairem_core.core import Core
from hairem_core.hlink import keys
from hairem_core.sdk.message import Message, MessageType, Priority, Topic
from tests.support.core import ROOT


def copy_agent(
    folder: Path, agent_id: str, *, ports: list[int] | None = None, **config: Any
) -> Path:
    """Copy a shipped bundle into `folder`, with other ports and other `config`."""
    bundle = folder / agent_id
    shutil.copytree(
        ROOT / "agents" / agent_id, bundle, ignore=shutil.ignore_patterns("__pycache__")
    )
    manifest = bundle / "manifest.yaml"
    yaml = YAML()
    content = yaml.load(manifest.read_text())
    content["config"].update(config)
    if ports is not None:
        content["permissions"] = [
            {"network": ports} if "network" in each else each for each in content["permissions"]
        ]
    with manifest.open("w") as out:
        yaml.dump(content, out)
    return bundle


def utterance(
    agent_id: str, text: str, *, user: str = "user:anna", language: str = "en"
) -> Message:
    """Return what a person says to an agent."""
    return Message.create(
        sender=user,
        recipient=f"agent:{agent_id}",
        type=MessageType.RAW,
        topic=Topic.USER_UTTERANCE,
        content=text,
        data={"language": language},
        priority=Priority.P1,
    )


async def journal(core: Core) -> list[Message]:
    """Return what travelled, oldest first."""
    rows: Any = await core.bus.redis.xrange(keys.JOURNAL)
    return [Message.model_validate_json(fields[keys.FIELD.encode()]) for _, fields in rows]


async def unasked(core: Core, agent_id: str) -> list[Message]:
    """Return what an agent said of its own accord."""
    return [
        each
        for each in await journal(core)
        if each.header.sender == f"agent:{agent_id}" and each.payload.data.get("proactive")
    ]


async def until_unasked(
    core: Core, agent_id: str, count: int = 1, *, seconds: float = 20
) -> list[Message]:
    """Return what an agent said of its own accord, once there is that much of it."""
    async with asyncio.timeout(seconds):
        while len(said := await unasked(core, agent_id)) < count:
            await asyncio.sleep(0.05)
    return said


async def answer_of(core: Core, message: Message) -> str:
    """Send `message` and return the whole answer."""
    await core.bus.publish(message)
    async with asyncio.timeout(20):
        while True:
            for each in await journal(core):
                if each.header.parent_id == message.header.msg_id and each.header.topic in (
                    Topic.NARRATIVE_TEXT,
                    Topic.TURN_FAILED,
                ):
                    return each.payload.content
            await asyncio.sleep(0.02)
