"""One agent in a real H-Core of its own, as a test sees it."""

import asyncio
import itertools
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from hairem_core.api import frames
from hairem_core.api.turns import Turns
from hairem_core.core import Core
from hairem_core.errors import HairemError
from hairem_core.hlink import keys
from hairem_core.hlink.dead import dead_letters
from hairem_core.hotplug.log import LogLine
from hairem_core.hotplug.registry import AgentRecord, AgentState
from hairem_core.sdk.message import Message, MessageType, Priority, Topic
from hairem_core.testing.house import ScriptedHome
from hairem_core.testing.model import ScriptedModel

_PAUSE = 0.01
_START_SECONDS = 30.0
"""Beside what installing its requirements takes."""
_FINISHED = (AgentState.REJECTED, AgentState.QUARANTINED)
"""Whence it does not come back by itself; what crashed is started again."""


class AgentTestError(HairemError):
    """The agent did not do what the test waited for."""

    code = "agent_test"


class TurnFailed(HairemError):
    """The agent gave no answer; `code` is one of docs/bridge.md."""

    def __init__(self, code: str, what: str) -> None:
        super().__init__(what)
        self.code = code  # type: ignore[misc]  # the class's constant, told by the bridge


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What came of one tool call, as the model was told."""

    name: str
    arguments: dict[str, Any]
    data: Any = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the agent answered."""

    text: str
    receipts: list[Receipt]
    """Of the tools that were used for it, the agent's own and the house's, in order."""
    continue_conversation: bool
    """Whether the agent waits for an answer in its turn."""


class StoredState:
    """The agent's `ctx.state`, from outside."""

    def __init__(self, core: Core, agent_id: str) -> None:
        self._memory = core.memory
        self._agent_id = agent_id

    async def get(self, key: str, default: Any = None) -> Any:
        """Return what is kept under `key`, else `default`."""
        value = await self._memory.get_state(self._agent_id, key)
        return default if value is None else value

    async def set(self, key: str, value: Any) -> None:
        """Keep a JSON value under `key`; None removes it."""
        await self._memory.set_state(self._agent_id, key, value)


class AgentUnderTest:
    """The agent of a bundle: in a process of its own, on a real bus, with a scripted model."""

    def __init__(self, core: Core, agent_id: str, model: ScriptedModel) -> None:
        self.core = core
        """The H-Core it lives in, for what is not here."""
        self.id = agent_id
        self.model = model
        """What its language model says."""
        self.home = ScriptedHome()
        """The tools of the house."""
        self.state = StoredState(core, agent_id)
        """Its `ctx.state`."""
        self._turns = Turns(core.bus, core.registry, agent_timeout=60, language="en")
        self._ids = itertools.count(1)
        self._asked: set[Any] = set()
        self._heard: set[Any] = set()

    @property
    def record(self) -> AgentRecord:
        """What the registry says of it."""
        return self.core.registry[self.id]

    @property
    def log(self) -> list[LogLine]:
        """The last lines of its log."""
        return self.core.control.log(self.id).lines()

    async def ask(
        self,
        text: str,
        *,
        language: str | None = None,
        speaker: str | None = None,
        conversation: str = "test",
    ) -> Answer:
        """Say something to it and return its whole answer.

        `speaker` is the name of who speaks. Raises TurnFailed.
        """
        events: asyncio.Queue[Any] = asyncio.Queue()
        command = frames.Converse(
            id=next(self._ids),
            type="converse",
            agent_id=self.id,
            text=text,
            language=language,
            conversation_id=conversation,
            user=frames.Speaker(id="tester", name=speaker) if speaker else None,
            tools=self.home.tools,
        )
        before = len(self.model.requests)
        turn = self._turns.open(command, events.put_nowait, lambda: None)
        self._asked.add(turn.turn_id)
        await self._turns.start(turn)
        while True:
            match await events.get():
                case frames.TurnToolCalls(tool_calls=calls):
                    await self._turns.give_results(turn, self.home.execute(calls))
                case frames.TurnDone(text=said, continue_conversation=goes_on):
                    receipts = self._receipts(text.strip(), since=before)
                    return Answer(text=said, receipts=receipts, continue_conversation=goes_on)
                case frames.TurnFailed(error=error):
                    raise TurnFailed(error.code, error.message)

    async def send(
        self,
        topic: Topic,
        content: str = "",
        *,
        data: dict[str, Any] | None = None,
        sender: str = "agent:tester",
        type: MessageType = MessageType.SUBJECTIVE,
        priority: Priority = Priority.P2,
        within: float = 10.0,
    ) -> Message:
        """Send it a message, and return that once its handler has returned.

        Raises AgentTestError when the handler raised, or took longer than `within` seconds.
        """
        message = Message.create(
            sender=sender,
            recipient=f"agent:{self.id}",
            type=type,
            topic=topic,
            content=content,
            data=data,
            priority=priority,
        )
        await self.core.bus.publish(message)
        msg_id = message.header.msg_id

        async def is_handled() -> bool:
            redis = self.core.bus.redis
            async for letter in dead_letters(redis):
                if letter.message and letter.message.header.msg_id == msg_id:
                    raise AgentTestError(f"{self.id} failed with {topic.value}: {letter.reason}")
            return await redis.zscore(keys.done(self.id), str(msg_id)) is not None

        await self.until(is_handled, what=f"{topic.value} to be handled", within=within)
        return message

    async def published(self, topic: Topic | None = None) -> list[Message]:
        """Return what it has sent, oldest first; of one topic, or all.

        Pieces of answers under way are left out.
        """
        entries: Any = await self.core.bus.redis.xrange(keys.JOURNAL)
        messages = [
            Message.model_validate_json(fields[keys.FIELD.encode()]) for _, fields in entries
        ]
        return [
            each
            for each in messages
            if each.header.sender == f"agent:{self.id}" and topic in (None, each.header.topic)
        ]

    async def says(self, topic: Topic = Topic.NARRATIVE_TEXT, *, within: float = 5.0) -> Message:
        """Return the next message of a topic that it sends unasked, one after another.

        Answers to `ask` do not count. Raises AgentTestError when none comes within that time.
        """
        found: list[Message] = []

        async def has_spoken() -> bool:
            for message in await self.published(topic):
                header = message.header
                if header.msg_id in self._heard or header.parent_id in self._asked:
                    continue
                self._heard.add(header.msg_id)
                found.append(message)
                return True
            return False

        await self.until(has_spoken, what=f"a {topic.value}", within=within)
        return found[0]

    async def until(
        self,
        condition: Callable[[], Awaitable[bool]],
        *,
        what: str = "the condition",
        within: float = 5.0,
    ) -> None:
        """Return once `condition()` is true. Raises AgentTestError after `within` seconds."""
        deadline = time.monotonic() + within
        while not await condition():
            if time.monotonic() > deadline:
                last = "".join(f"\n  {line.level} {line.text}" for line in self.log[-10:])
                raise AgentTestError(
                    f"{self.id}: waited {within:g} s in vain for {what}",
                    hint=f"The last lines of its log:{last}" if last else None,
                )
            await asyncio.sleep(_PAUSE)

    async def reload(self) -> None:
        """Put a new process in the old one's place, as a change of the bundle does."""
        generation = self.record.generation
        await self.core.control.reload(self.id)
        await self.wait_until_live(above=generation)

    async def wait_until_live(self, *, above: int = 0) -> None:
        """Return once it is live in a generation later than `above`. Raises AgentTestError."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            record = self.core.registry.get(self.id)
            if record and record.state is AgentState.LIVE and record.generation > above:
                return
            if record and record.state in _FINISHED:
                raise AgentTestError(f"{self.id} is {record.state.value}: {record.reason}")
            if record and record.progress:
                deadline = time.monotonic() + _START_SECONDS
            if time.monotonic() > deadline:
                how = f"is {record.state.value}" if record else "was not found"
                raise AgentTestError(f"{self.id} {how} after {_START_SECONDS:g} s")
            await asyncio.sleep(_PAUSE)

    def complaints(self) -> list[str]:
        """Return what must fail a test although its own assertions hold."""
        found = list(self.model.complaints)
        if unused := self.model.unused:
            found.append(f"the model was never asked for: {', '.join(unused)}")
        if self.record.restarts:
            found.append(f"{self.id} crashed and was started again: {self.record.last_error}")
        # The registry's count comes with a heartbeat, and may be a second late.
        found += [
            f"{self.id}: {line.text}"
            for line in self.log
            if line.level == "ERROR" and line.text.startswith("Task ")
        ]
        return found

    def _receipts(self, said: str, *, since: int) -> list[Receipt]:
        """Return the tools of one turn, as its last request shows them to the model."""
        for request in reversed(self.model.requests[since:]):
            users = [index for index, each in enumerate(request.messages) if each.role == "user"]
            if not users or request.messages[users[-1]].content != said:
                continue
            turn = request.messages[users[-1] :]
            calls = {call.id: call for each in turn for call in each.tool_calls}
            return [
                _receipt(calls[each.tool_call_id].arguments, each.name or "", each.content)
                for each in turn
                if each.role == "tool" and each.tool_call_id in calls
            ]
        return []


def _receipt(arguments: dict[str, Any], name: str, content: str) -> Receipt:
    body = json.loads(content)
    return Receipt(name=name, arguments=arguments, data=body.get("data"), error=body.get("error"))
