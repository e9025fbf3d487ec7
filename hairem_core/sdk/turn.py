"""Answering a person: prompt, model, tools, until the answer is whole."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from hairem_core.sdk.asking import asks_memory
from hairem_core.sdk.chat import ChatMessage, ChatRequest, ToolCall, ToolResult, ToolSpec
from hairem_core.sdk.context import AgentContext
from hairem_core.sdk.errors import AgentError
from hairem_core.sdk.message import Message, MessageType, Topic
from hairem_core.sdk.recollection import ANSWERS, ENDED, Recollection
from hairem_core.sdk.tools import Toolbox
from hairem_core.sdk.utterance import Utterance

MAX_TOOL_ROUNDS = 10
"""As many as Home Assistant allows in one turn."""

_ADDRESS_WORDS = {
    "en": "You are talking with {name}.",
    "fr": "Tu parles avec {name}.",
}
_ROOM_WORDS = {
    "en": "They speak to you in this room: {area}.",
    "fr": "On te parle dans cette pièce : {area}.",
}
_ANOTHER = {
    "en": ("another person", "another {name}"),
    "fr": ("une autre personne", "une autre personne nommée {name}"),
}
_MOST_TURNS = 100
"""Of a conversation: so many memory gives at once."""
_ARCHIVE_SECONDS = 3.0
"""How long a person waits for what the archive may know of their question."""
_LANGUAGE_WORDS = {
    "en": "Answer in English.",
    "fr": "Réponds en français.",
}


class Turn:
    """One utterance and what an agent does about it."""

    def __init__(self, ctx: AgentContext, message: Message, *, toolbox: Toolbox) -> None:
        self._ctx = ctx
        self._message = message
        self._toolbox = toolbox
        self.utterance = Utterance.of(message)
        self.language = ctx.persona.language_for(self.utterance.language)
        self._said: list[str] = []
        self._is_offline = False
        self._has_acted = False

    async def run(self, *, extra_instructions: str = "") -> str:
        """Answer, streaming; return the whole text.

        Raises RemoteError when the model fails, AgentError when it never stops calling tools.
        """
        messages = await self.prompt(extra_instructions)
        # A model may not be offered two tools of one name: the agent's own is the one.
        outside = [each for each in self.utterance.tools if each.name not in self._toolbox]
        tools = [*self._toolbox.specs, *outside]
        for _ in range(MAX_TOOL_ROUNDS + 1):
            text, calls = await self._ask_model(messages, tools)
            if text.strip():
                self._said.append(text.strip())
            if not calls:
                return await self._finish()
            self._has_acted = True
            messages.append(ChatMessage(role="assistant", content=text, tool_calls=calls))
            messages += [_as_message(result) for result in await self._use_tools(calls)]
        raise AgentError(f"the model asked for tools {MAX_TOOL_ROUNDS + 1} times without an answer")

    async def prompt(self, extra_instructions: str = "") -> list[ChatMessage]:
        """Return the messages that the model is given."""
        said = self._message.payload.content
        turns, found = await asyncio.gather(self._turns(), self._recall(said))
        recent = self._history(turns, found)
        known = {message.content for message in recent}
        told = [each for each in found if each.content not in known or _is_answer(each)]
        # In its place in the history nothing says that it is no longer so.
        told += [each for each in turns if each.valid_to is not None and each.role == "user"]
        messages = [
            ChatMessage(role="system", name="persona", content=self._who_and_where()),
        ]
        if instructions := "\n".join(
            filter(None, (extra_instructions, self.utterance.instructions))
        ):
            messages.append(ChatMessage(role="system", name="instructions", content=instructions))
        if told:
            told.sort(key=lambda each: each.at)
            lines = "\n".join(_as_line(each, self._name(each)) for each in told)
            messages.append(ChatMessage(role="system", name="memory", content=lines))
        name = _one_line(self.utterance.speaker_name)
        return [*messages, *recent, ChatMessage(role="user", content=said, name=name)]

    async def _recall(self, said: str) -> list[Recollection]:
        """Return what is remembered; of what has faded too, where just that is asked."""
        memory, mine = self._ctx.memory, {self._message.header.msg_id}
        if asks_memory(said):
            try:
                async with asyncio.timeout(_ARCHIVE_SECONDS):
                    return await memory.recall(said, exclude=mine, include_archived=True)
            except TimeoutError:
                self._ctx.logger.warning("The archive is slow to answer; what is at hand must do")
        return await memory.recall(said, exclude=mine)

    async def _turns(self) -> list[Recollection]:
        """Return what memory holds of what was said just before in this conversation."""
        header, history = self._message.header, self.utterance.history
        turns = await self._ctx.memory.recent(
            conversation_id=header.conversation_id,
            limit=min(_MOST_TURNS, len(history) + 1) if history else None,
        )
        return [each for each in turns if each.event_id != header.msg_id]

    def _history(
        self, turns: Sequence[Recollection], found: Sequence[Recollection]
    ) -> list[ChatMessage]:
        """Return what was said just before: as the client knows it, else from memory."""
        if not self.utterance.history:
            return [
                ChatMessage(role=each.role, content=each.content, name=self._name(each))
                for each in turns
            ]
        # A device that many speak into does not know who said what. Where two said the same, the
        # asker did.
        said = [each for each in (*found, *turns) if each.role == "user"]
        said.sort(key=lambda each: each.speaker == self._message.header.sender)
        names = {each.content: self._name(each) for each in said}
        return [
            each.model_copy(update={"name": names.get(each.content.strip())})
            if each.role == "user" and each.name is None
            else each
            for each in self.utterance.history
        ]

    def _name(self, each: Recollection) -> str | None:
        """Return what whoever said something is called here; nobody else has the asker's name."""
        kind, _, _ = (each.speaker or "").partition(":")
        if kind != "user":
            return None
        asker, name = _one_line(self.utterance.speaker_name), _one_line(each.speaker_name)
        if each.speaker == self._message.header.sender:
            return asker
        somebody, another = _ANOTHER[self.language]
        if name is None:
            return somebody
        return another.format(name=name) if name == asker else name

    def _who_and_where(self) -> str:
        words = [self._ctx.persona.prompt(self.language), _LANGUAGE_WORDS[self.language]]
        if name := self.utterance.speaker_name:
            words.append(_ADDRESS_WORDS[self.language].format(name=name))
        if self.utterance.device and (area := self.utterance.device.area):
            words.append(_ROOM_WORDS[self.language].format(area=area))
        return "\n".join(words)

    async def _ask_model(
        self, messages: list[ChatMessage], tools: list[ToolSpec]
    ) -> tuple[str, list[ToolCall]]:
        request = ChatRequest(messages=messages, tools=tools, language=self.language)
        pieces: list[str] = []
        calls: list[ToolCall] = []
        async for delta in self._ctx.llm.stream(request):
            if delta.tool_calls:
                calls += delta.tool_calls
            elif delta.thinking:
                await self._emit(Topic.AGENT_NOTE, delta.thinking)
            elif delta.content:
                self._is_offline = self._is_offline or delta.is_offline
                # Words of a second round must not stick to those of the first.
                gap = " " if self._said and not pieces else ""
                pieces.append(delta.content)
                await self._emit(Topic.NARRATIVE_TEXT, gap + delta.content)
        return "".join(pieces), calls

    async def _emit(self, topic: Topic, content: str) -> None:
        await self._ctx.bus.answer(
            self._message, topic=topic, type=MessageType.STREAM, content=content
        )

    async def _use_tools(self, calls: list[ToolCall]) -> list[ToolResult]:
        results = {
            call.id: await self._use_own_tool(call) for call in calls if call.name in self._toolbox
        }
        if outside := [call for call in calls if call.id not in results]:
            for result in await self._ctx.ha.call_tools(self._message, outside):
                results[result.id] = result
        return [results[call.id] for call in calls]

    async def _use_own_tool(self, call: ToolCall) -> ToolResult:
        """Return what one of the agent's own tools did, and tell the house, as clients do."""
        result = await self._toolbox.call(call)
        await self._ctx.bus.answer(
            self._message,
            topic=Topic.TOOL_RECEIPT,
            type=MessageType.RAW,
            data={"results": [result.model_dump(mode="json")]},
        )
        return result

    async def _finish(self) -> str:
        text = " ".join(self._said)
        data = {"continue_conversation": text.endswith("?")}
        if self._is_offline and not self._has_acted:
            # What was done is news; that there is nobody to think is not worth remembering.
            data["offline"] = True
        await self._ctx.bus.answer(
            self._message,
            topic=Topic.NARRATIVE_TEXT,
            content=text,
            data=data,
        )
        return text


def _as_message(result: ToolResult) -> ChatMessage:
    body = result.model_dump_json(include={"error"} if result.error else {"data"})
    return ChatMessage(role="tool", name=result.name, tool_call_id=result.id, content=body)


def _as_line(each: Recollection, name: str | None) -> str:
    """Return a line of the prompt; `name` is what the person is called who said it."""
    local: datetime = each.at.astimezone()
    kind, _, agent = (each.speaker or "").partition(":")
    # A person's id says nothing to a model, and would be spoken.
    who = f"{kind} {(name or '') if kind == 'user' else agent}".rstrip()
    said = f"{who}: " if who else ""
    mark = f" {ENDED}" if each.valid_to is not None else f" {ANSWERS}" if _is_answer(each) else ""
    # Only memory says what is an answer: who said so in so many words would answer everything.
    words = " ".join(each.content.replace(ANSWERS, "").replace(ENDED, "").split())
    return f"- {local:%Y-%m-%d %H:%M} {said}{words}{mark}"


def _one_line(name: str | None) -> str | None:
    """Return a name as a line of the prompt can hold it."""
    return " ".join((name or "").replace(":", " ").split()) or None


def _is_answer(each: Recollection) -> bool:
    return each.why is not None and each.why.is_answer
