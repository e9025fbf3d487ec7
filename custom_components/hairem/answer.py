"""How an agent's answer gets into Home Assistant's chat log."""

from collections.abc import AsyncGenerator

from homeassistant.components import conversation

from .const import MAX_TOOL_ROUNDS
from .convert import format_tool_result, tool_deltas
from .errors import CommandFailed, TurnFailed
from .models import Cancelled, Delta, Done, Failed, Thinking, ToolCalls
from .turn import Turn


class Answer:
    """Feeds the events of one turn to a chat log, which streams them on and runs the tools.

    The chat log runs tools when a stream of deltas ends, so the turn reaches it as several streams:
    one up to each of the turn's `tool_calls`, and the last up to its end.
    """

    def __init__(self, turn: Turn, chat_log: conversation.ChatLog, entity_id: str) -> None:
        """Prepare to feed `turn` to `chat_log`, as words of the agent `entity_id`."""
        self.said = ""
        """Everything that was streamed so far."""
        self._turn = turn
        self._chat_log = chat_log
        self._entity_id = entity_id
        self._tool_rounds = 0
        self._done: Done | None = None

    async def async_receive(self) -> Done:
        """Feed the whole turn, running what tools it asks for, and return its last event.

        Raises TurnFailed, CommandFailed or CannotConnect where there is no answer.
        """
        while True:
            results = [
                format_tool_result(content)
                async for content in self._chat_log.async_add_delta_content_stream(
                    self._entity_id, self._until_tools()
                )
                if isinstance(content, conversation.ToolResultContent)
            ]
            if self._done is not None:
                break
            try:
                await self._turn.send_tool_results(results)
            except CommandFailed:
                # A turn may end while its tools run: the event that says why is waiting.
                if not self._turn.has_ended:
                    raise
        if not isinstance(self._chat_log.content[-1], conversation.AssistantContent):
            # An agent may act without another word; the log still needs an answer at its end.
            self._chat_log.async_add_assistant_content_without_tools(
                conversation.AssistantContent(agent_id=self._entity_id)
            )
        return self._done

    async def _until_tools(
        self,
    ) -> AsyncGenerator[
        conversation.AssistantContentDeltaDict | conversation.ToolResultContentDeltaDict
    ]:
        yield {"role": "assistant"}
        async for event in self._turn:
            match event:
                case Delta(content):
                    self.said += content
                    yield {"content": content}
                case Thinking(content):
                    yield {"thinking_content": content}
                case ToolCalls(calls):
                    self._tool_rounds += 1
                    if self._tool_rounds > MAX_TOOL_ROUNDS:
                        raise TurnFailed(
                            "too_many_tool_rounds",
                            f"It still asked for tools after {MAX_TOOL_ROUNDS} rounds of them",
                        )
                    for delta in tool_deltas(calls, offered=self._chat_log.llm_api is not None):
                        yield delta
                    return
                case Done(text=text):
                    if text.startswith(self.said) and (rest := text.removeprefix(self.said)):
                        self.said = text
                        yield {"content": rest}
                    if not self.said and not self._tool_rounds:
                        raise TurnFailed("empty_answer", "Its answer was empty")
                    self._done = event
                case Failed(code=code, message=message):
                    raise TurnFailed(code, message)
                case Cancelled():
                    raise TurnFailed("cancelled", "Someone cancelled the turn")
