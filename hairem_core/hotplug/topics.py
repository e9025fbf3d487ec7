"""What an agent may say, and what only H-Core and its clients say."""

from hairem_core.hotplug.errors import AgentFailed
from hairem_core.sdk.message import Topic

_HOUSE_TOPICS = frozenset(
    {
        Topic.USER_UTTERANCE,
        Topic.SYSTEM_WHISPER,
        Topic.SYSTEM_HEARTBEAT,
        Topic.SYSTEM_LIFECYCLE,
        Topic.SYSTEM_EMERGENCY,
        Topic.TOOL_CALL,
        Topic.TURN_CANCELLED,
        Topic.TURN_FAILED,
        Topic.DREAM_PROGRESS,
    }
)
"""What only H-Core and its clients say."""


def check_topic(topic: Topic, recipient: str) -> None:
    """Raise AgentFailed for what only H-Core says: a client would act on it.

    A receipt is for the person whose words it answers; one sent to an agent would pass for
    Home Assistant's.
    """
    is_forged = topic is Topic.TOOL_RECEIPT and not recipient.startswith("user:")
    if topic in _HOUSE_TOPICS or is_forged:
        raise AgentFailed(
            f"ctx.bus: {topic.value} to {recipient} is not an agent's to send",
            hint="For tools of Home Assistant there is ctx.ha.call_tools.",
        )
