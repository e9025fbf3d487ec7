"""Messages as people and agents send them."""

from datetime import datetime

from hairem_core.sdk.message import Message, MessageType, Metadata, Topic


def said(
    content: str,
    *,
    by: str = "user:anna",
    name: str | None = None,
    to: str = "agent:renarde",
    conversation_id: str | None = "c1",
    at: datetime | None = None,
) -> Message:
    """Return a person's words to an agent."""
    message = Message.create(
        sender=by,
        recipient=to,
        type=MessageType.RAW,
        topic=Topic.USER_UTTERANCE,
        content=content,
        data={"language": "en", "nothing": None} | ({"speaker_name": name} if name else {}),
        metadata=Metadata(importance=0.5),
        conversation_id=conversation_id,
    )
    if at is None:
        return message
    header = message.header.model_copy(update={"timestamp": at})
    return message.model_copy(update={"header": header})


def answered(question: Message, content: str) -> Message:
    """Return the agent's whole answer."""
    return question.answer(
        sender=question.header.recipient,
        type=MessageType.SUBJECTIVE,
        topic=Topic.NARRATIVE_TEXT,
        content=content,
    )
