"""Agents as conversation agents of Home Assistant."""

from typing import Literal, override

from homeassistant.components import conversation
from homeassistant.const import CONF_LLM_HASS_API, CONF_PROMPT, MATCH_ALL
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .answer import Answer
from .const import DEFAULT_PROMPT, DOMAIN
from .convert import async_speaker, device_of, format_history, format_tools
from .coordinator import HairemConfigEntry, HairemCoordinator
from .entity import HairemEntity
from .errors import CannotConnect, CodedError, TurnFailed
from .failures import async_failure
from .models import Agent, ConverseRequest

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,
    entry: HairemConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add an entity for each agent, those that come later as well."""
    coordinator = entry.runtime_data.coordinator
    crew = coordinator.crew
    known: set[str] = set()

    @callback
    def add_new() -> None:
        known.intersection_update(crew.known)
        new = [agent for uuid, agent in crew.members.items() if uuid not in known]
        known.update(crew.members)
        if new:
            async_add_entities(HairemConversationEntity(coordinator, agent) for agent in new)

    entry.async_on_unload(coordinator.async_add_listener(add_new))
    add_new()


class HairemConversationEntity(HairemEntity, conversation.ConversationEntity):
    """An agent that can be spoken to."""

    _attr_name = None
    _attr_supports_streaming = True
    _attr_translation_key = "agent"

    def __init__(self, coordinator: HairemCoordinator, agent: Agent) -> None:
        """Speak for `agent`."""
        super().__init__(coordinator, agent)
        self._options = coordinator.entry.options
        self._async_agent_changed()

    @property
    @override
    def supported_languages(self) -> list[str] | Literal["*"]:
        """Return all: an agent that is addressed in a language it does not speak says so itself."""
        return MATCH_ALL

    @property
    def _llm_api_ids(self) -> list[str]:
        """Return whose tools the agent is offered."""
        return self._options.get(CONF_LLM_HASS_API, []) if self.agent.may_use_tools else []

    @callback
    @override
    def _async_agent_changed(self) -> None:
        self._attr_supported_features = (
            conversation.ConversationEntityFeature.CONTROL
            if self._llm_api_ids
            else conversation.ConversationEntityFeature(0)
        )

    @override
    async def _async_handle_message(
        self,
        user_input: conversation.ConversationInput,
        chat_log: conversation.ChatLog,
    ) -> conversation.ConversationResult:
        """Have the agent answer.

        Raises HomeAssistantError, worded for the person, where it gives no answer.
        """
        prompt = "\n".join(filter(None, (DEFAULT_PROMPT, self._options.get(CONF_PROMPT))))
        try:
            await chat_log.async_provide_llm_data(
                user_input.as_llm_context(DOMAIN),
                self._llm_api_ids,
                prompt,
                user_input.extra_system_prompt,
            )
        except conversation.ConverseError as err:
            return err.as_conversation_result()

        try:
            return await self._async_converse(user_input, chat_log)
        except (CodedError, CannotConnect) as err:
            raise await async_failure(self.hass, self.agent, user_input.language, err) from err

    async def _async_converse(
        self, user_input: conversation.ConversationInput, chat_log: conversation.ChatLog
    ) -> conversation.ConversationResult:
        """Run a turn. Raises CodedError or CannotConnect."""
        client = self.coordinator.client
        if client is None or not client.is_connected:
            raise TurnFailed("not_connected", "There is no connection to H-Core")
        request = await self._async_request(user_input, chat_log)
        async with client.converse(request) as turn:
            answer = Answer(turn, chat_log, self.entity_id)
            done = await answer.async_receive()
        result = conversation.async_get_result_from_chat_log(user_input, chat_log)
        last = chat_log.content[-1]
        if isinstance(last, conversation.AssistantContent) and not last.content:
            # All was said before the last tool, and Home Assistant looks only at what follows.
            result.response.async_set_speech(answer.said)
        result.continue_conversation = done.continue_conversation
        return result

    async def _async_request(
        self, user_input: conversation.ConversationInput, chat_log: conversation.ChatLog
    ) -> ConverseRequest:
        instructions, *history, _ = chat_log.content
        assert isinstance(instructions, conversation.SystemContent)
        return ConverseRequest(
            agent_id=self.agent.id,
            text=user_input.text,
            conversation_id=chat_log.conversation_id,
            language=user_input.language,
            user=await async_speaker(self.hass, user_input),
            device=device_of(self.hass, user_input),
            history=format_history(history),
            instructions=instructions.content,
            tools=format_tools(chat_log.llm_api),
        )
