"""What a person said, with all that came along."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from hairem_core.sdk.chat import ChatMessage, ToolSpec
from hairem_core.sdk.message import Message


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Device(_Strict):
    """What the person spoke into."""

    id: str | None = None
    name: str | None = None
    area: str | None = None


class Utterance(_Strict):
    """The `data` of a `user.utterance` message."""

    language: str | None = None
    """As the client said it, for example `fr-CH`."""
    speaker_name: str | None = None
    device: Device | None = None
    history: list[ChatMessage] | None = None
    """What was said before in this conversation, oldest first; None where the client keeps none."""
    instructions: str | None = None
    tools: list[ToolSpec] = Field(default_factory=list)
    """Tools that the speaker's client executes."""

    @classmethod
    def of(cls, message: Message) -> Self:
        """Return the utterance that `message` carries. Raises pydantic.ValidationError."""
        return cls.model_validate(message.payload.data)

    def as_data(self) -> dict[str, Any]:
        """Return it as the `data` of a message."""
        return self.model_dump(mode="json", exclude_none=True)
