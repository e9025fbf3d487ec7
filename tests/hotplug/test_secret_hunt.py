"""An agent does all it can by accident to show its secrets; then they are hunted for, everywhere.

On a whole H-Core. Where a secret may be found: in the agent's own process and state, and, if its
author wrote it into the manifest, in that file and its snapshot.
"""

import asyncio
import base64
import json
import logging
import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from hairem_core.core import Core
from hairem_core.sdk.chat import ChatRequest, Delta, ModelRole, ToolCall
from tests.hotplug.helpers import HEAD, ask, from_test
from tests.support.bus import until
from tests.support.core import Client, OpenGate, running_core, write_agent

FROM_ENVIRONMENT = "env-9f2c/Kq8+zz=tail"
FROM_FILE = "file-71bd\"quoted\\back'slash"
FROM_MANIFEST = "text-5a0e-été-sauvage"
ALL = (FROM_ENVIRONMENT, FROM_FILE, FROM_MANIFEST)

LEAKY = (
    HEAD
    + """
import json, sys, traceback
from urllib.parse import quote

class Agent(BaseAgent):
    @property
    def everything(self):
        return " ".join(self.ctx.secrets.values())

    async def setup(self):
        print("setup", self.everything, flush=True)
        self.ctx.logger.info("setup %s", dict(self.ctx.secrets))
        self.ctx.spawn_task(self.fail(), name="task " + self.everything)

    async def fail(self):
        raise RuntimeError("in a task: " + self.everything)

    async def teardown(self):
        print("teardown", self.everything, flush=True)

    @tool
    async def look(self) -> dict[str, str]:
        \"\"\"Look at something.\"\"\"
        return dict(self.ctx.secrets)

    async def instructions(self, message):
        return "Your token is " + self.everything

    async def on_message(self, message):
        match message.payload.content:
            case "log":
                self.ctx.logger.warning("%s %r", self.everything, self.ctx.secrets.get("FROM_FILE"))
                self.ctx.logger.info(json.dumps(dict(self.ctx.secrets)))
                self.ctx.logger.info(quote(self.everything, safe=""))
                print(self.everything, repr(dict(self.ctx.secrets)))
                print(self.everything, file=sys.stderr, flush=True)
                # A line that is read in two pieces.
                print("x" * 4090 + self.everything, flush=True)
                print("y" * 16370 + self.everything, flush=True)
                try:
                    raise KeyError(self.everything)
                except KeyError:
                    self.ctx.logger.exception("caught %s", self.everything)
                    traceback.print_exc()
            case "publish":
                for kind in (MessageType.SUBJECTIVE, MessageType.STREAM):
                    await self.ctx.bus.publish(
                        "user:test", topic=Topic.AGENT_NOTE, type=kind, content=self.everything,
                        data={"deep": [dict(self.ctx.secrets)], self.everything[:80]: 1},
                        metadata=Metadata(pose_hint=self.ctx.secrets["FROM_ENVIRONMENT"]),
                        conversation_id=self.ctx.secrets["FROM_TEXT"],
                    )
                await self.ctx.visual.pose(self.ctx.secrets["FROM_TEXT"])
            case "state":
                await self.ctx.state.set("token", dict(self.ctx.secrets))
            case "raise":
                raise ValueError("cannot go on: " + self.everything)
            case "refused":
                await self.ctx.bus.publish("user:" + self.ctx.secrets["FROM_TEXT"],
                                           topic=Topic.AGENT_NOTE)
            case "exit":
                print("last words", self.everything, end="", flush=True)
                sys.exit(self.everything)
            case _:
                await super().on_message(message)
                return
        await self.ctx.bus.answer(message, topic=Topic.AGENT_NOTE, content="did it")

    async def on_utterance(self, message):
        if message.payload.content == "fail":
            raise ValueError("cannot answer: " + self.everything)
        await super().on_utterance(message)
"""
)
NEIGHBOUR = (
    HEAD
    + """
class Agent(BaseAgent):
    async def on_message(self, message):
        hides = []
        pids, pieces = message.payload.content.split(";")
        for pid in ("self", *pids.split()):
            try:
                with open(f"/proc/{pid}/environ") as file:
                    text = file.read()
            except OSError:
                text = ""
            hides += [piece[::-1] in text for piece in pieces.split()]
        seen = {
            "environment": dict(os.environ), "hides": hides,
            "secrets": dict(self.ctx.secrets), "config": dict(self.ctx.config),
        }
        await self.ctx.bus.answer(message, topic=Topic.AGENT_NOTE, content="seen", data=seen)
"""
)
BROKEN = (
    HEAD
    + """
class Agent(BaseAgent):
    async def setup(self):
        raise RuntimeError("cannot reach http://x/?token=" + self.ctx.secrets["KEY"])
"""
)


class RecordingModel:
    """Stands for a language model: asks for the agent's tool once, then repeats what it knows."""

    def __init__(self) -> None:
        self.requests: list[ChatRequest] = []

    async def stream(self, agent_id: str, request: ChatRequest) -> AsyncGenerator[Delta]:
        self.requests.append(request)
        if request.messages[-1].role == "tool":
            yield Delta(content=f"I found: {request.messages[-1].content}")
        else:
            yield Delta(tool_calls=[ToolCall(id="1", name="look")])

    def has_model(self, agent_id: str | None, role: ModelRole) -> bool:
        return True


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    yield quote(secret, safe="")
    yield base64.b64encode(secret.encode()).decode().rstrip("=")


def found_in(text: str) -> list[str]:
    """Return what of the secrets is in a text, in whatever form; also a part that would do."""
    pieces = {form for secret in ALL for form in _forms(secret)}
    pieces |= {secret[:9] for secret in ALL} | {secret[-9:] for secret in ALL}
    return sorted(piece for piece in pieces if piece in text)


def test_the_hunter_finds_what_is_there() -> None:
    for secret in ALL:
        assert found_in(f"x{secret}y")
        assert found_in(json.dumps({"x": secret}))
        assert found_in(quote(secret, safe=""))
    assert found_in("nothing *** here") == []


@pytest.fixture
def bundles(agents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One agent with secrets from three places, a neighbour with none, and one that fails."""
    leaky = write_agent(agents, "leaky", LEAKY, "[llm]")
    with (leaky / "manifest.yaml").open("a") as file:
        file.write(
            "secrets:\n  FROM_ENVIRONMENT:\n  FROM_FILE: !secret leaky_file\n"
            f"  FROM_TEXT: {FROM_MANIFEST}\n"
        )
    write_agent(agents, "neighbour", NEIGHBOUR, "[]")
    broken = write_agent(agents, "broken", BROKEN, "[]")
    with (broken / "manifest.yaml").open("a") as file:
        file.write("secrets:\n  KEY: !secret leaky_file\n")
    path = tmp_path / "secrets.yaml"
    path.write_text(f"leaky_file: {json.dumps(FROM_FILE)}\n")
    path.chmod(0o600)
    monkeypatch.setenv("LEAKY_FROM_ENVIRONMENT", FROM_ENVIRONMENT)
    monkeypatch.setenv("NEIGHBOUR_FROM_ENVIRONMENT", "not declared, so not given")
    return agents


async def _rest(core: Core, path: str) -> str:
    headers = {"Authorization": f"Bearer {core.new_token}"}
    async with (
        aiohttp.ClientSession(f"http://{core.address}", headers=headers) as session,
        session.get(path) as response,
    ):
        assert response.status == 200, path
        return await response.text()


async def _everything_in_redis(core: Core) -> str:
    redis: Any = core.bus.redis
    texts = []
    async for key in redis.scan_iter():
        match (await redis.type(key)).decode():
            case "stream":
                value = await redis.xrange(key)
            case "zset":
                value = await redis.zrange(key, 0, -1)
            case "set":
                value = await redis.smembers(key)
            case "hash":
                value = await redis.hgetall(key)
            case _:
                value = await redis.get(key)
        texts.append(f"{key} {_decoded(value)}")
    return "\n".join(texts)


def _decoded(value: Any) -> Any:
    match value:
        case bytes():
            return value.decode()
        case dict():
            return {_decoded(key): _decoded(each) for key, each in value.items()}
        case list() | tuple() | set():
            return [_decoded(each) for each in value]
    return value


async def test_secrets_are_nowhere_but_where_they_belong(
    bundles: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    model = RecordingModel()
    seen: dict[str, str] = {}
    frames: list[Any] = []
    async with running_core(
        tmp_path,
        agents=bundles,
        wait=False,
        models=model,
        gatekeeper=OpenGate(),
        bus={"max_deliveries": 1},
        agents_config={"secrets_file": tmp_path / "secrets.yaml"},
    ) as core:
        await until(lambda: core.registry["leaky"].state == "live")
        await until(lambda: core.registry["neighbour"].state == "live")
        assert core.new_token
        async with Client.connect(core.address, core.new_token) as client:
            frames.append(await client.receive())
            agents = await client.send("agents/subscribe")
            logs = await client.send("agents/logs", agent_id="leaky", lines=500)

            for what in ("log", "state", "publish"):
                frames += await ask(core, from_test("leaky", what), 3 if what == "publish" else 1)
            frames += await client.turn("leaky", "what is your token?")
            frames += await client.turn("leaky", "fail")
            for what in ("raise", "refused"):
                await core.bus.publish(from_test("leaky", what))
            pids = (core.agent_pid("leaky"), core.forkserver_pid, os.getpid())
            # Written backwards, so that asking for it is not finding it.
            pieces = " ".join(secret[:9][::-1] for secret in ALL)
            look = from_test("neighbour", f"{' '.join(map(str, pids))};{pieces}")
            (others,) = await ask(core, look)
            restarts = core.registry["leaky"].restarts
            await core.bus.publish(from_test("leaky", "exit"))
            await until(lambda: core.registry["leaky"].restarts > restarts)
            await until(lambda: core.registry["leaky"].state == "live")
            await until(lambda: "cannot reach" in (core.registry["broken"].reason or ""))

            for command in (agents, logs):
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.3):
                        while True:
                            frames.append(await client.receive_for(command))

            # What H-Core itself says, for example of an answer that it got, passes a filter.
            logging.getLogger("hairem_core.anywhere").warning("H-Core says %s", FROM_FILE)

        for path in ("/api/health", "/api/agents", "/api/agents/leaky", "/api/agents/broken"):
            seen[path] = await _rest(core, path)
        seen["details"] = repr([core.control.details(each) for each in ("leaky", "broken")])
        seen["its log"] = "\n".join(line.text for line in core.control.log("leaky").lines(500))
        seen["registry"] = repr(core.registry.records())
        seen["redis"] = await _everything_in_redis(core)
        seen["memory"] = repr(await core.memory.database.query("SELECT * FROM raw_event")) + repr(
            await core.memory.recent("leaky", conversation_id=None, limit=100)
        )
        seen["what the neighbour sees"] = others.model_dump_json()
        state = await core.memory.get_state("leaky", "token")
    seen["frames"] = "\n".join(repr(each) for each in frames)
    seen["prompts"] = "\n".join(each.model_dump_json() for each in model.requests)
    seen["logs"] = caplog.text
    seen["records"] = "\n".join(repr(record.__dict__) for record in caplog.records)
    seen["standard output and error"] = "".join(capfd.readouterr())
    for file in sorted((tmp_path / "data").rglob("*")):
        # Its own state is in memory's files; its manifest is in the snapshot of its bundle.
        inside = file.relative_to(tmp_path / "data")
        if file.is_file() and inside.parts[0] != "memory" and file.name != "manifest.yaml":
            seen[str(inside)] = file.read_bytes().decode(errors="replace")

    assert {where: leaks for where, text in seen.items() if (leaks := found_in(text))} == {}
    # It did do all of it, and its own state is what it was given.
    assert state == dict(zip(("FROM_ENVIRONMENT", "FROM_FILE", "FROM_TEXT"), ALL, strict=True))
    for words in ("caught ***", "in a task: ***", "last words ***", "teardown ***", "setup ***"):
        assert words in seen["its log"] + seen["logs"], words
    assert "H-Core says ***" in seen["logs"]
    assert "cannot answer: *** *** ***" in seen["frames"]
    assert "I found: " in seen["frames"]
    assert "Your token is *** *** ***" in seen["prompts"]
    assert "cannot reach http://x/?token=***" in seen["/api/agents/broken"]
    assert others.payload.data["secrets"] == {}
    assert not any(others.payload.data["hides"])
    assert "not declared" not in seen["what the neighbour sees"]
