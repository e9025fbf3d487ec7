"""An agent's calls of `ctx.memory` and `ctx.state`, after looking at its permissions."""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from hairem_core.config.system import MemoryConfig
from hairem_core.hotplug import _arguments as args
from hairem_core.sdk.message import Message
from hairem_core.sdk.recollection import MemoryKind, Recollection

MEMORY_METHODS = frozenset(
    {
        *("memory.recent", "memory.recall", "memory.remember", "memory.history", "memory.forget"),
        *("state.get", "state.set"),
    }
)


class Memory(Protocol):
    """The memory, as its store offers it."""

    async def record(self, message: Message) -> bool:
        """Keep a message; False if it was there already."""
        ...

    async def recent(
        self, agent_id: str, *, conversation_id: str | None, limit: int
    ) -> list[Recollection]:
        """Return the last things said, oldest first."""
        ...

    async def recall(
        self,
        agent_id: str,
        query: str,
        *,
        limit: int,
        exclude: Collection[UUID] = (),
        shared: bool = False,
        asker: str | None = None,
        kinds: Collection[MemoryKind] = (),
        about: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        as_of: datetime | None = None,
        include_archived: bool = False,
        is_use: bool = False,
    ) -> list[Recollection]:
        """Return what fits `query`, best first; `shared`, of what others share too."""
        ...

    async def remember(
        self,
        agent_id: str,
        content: str,
        *,
        about: str | None = None,
        importance: float = 0.7,
        confidence: float = 1.0,
        shared: bool = False,
        pinned: bool = False,
        replaces: UUID | None = None,
    ) -> Recollection:
        """Keep something that the agent chose to remember."""
        ...

    async def history(self, agent_id: str, fragment_id: UUID) -> list[Recollection]:
        """Return what was replaced by what, the oldest first."""
        ...

    async def drop(self, agent_id: str, fragment_id: UUID) -> None:
        """Let go of a fragment of the agent's."""
        ...

    async def get_state(self, agent_id: str, key: str) -> Any:
        """Return what was set under `key`, else None."""
        ...

    async def set_state(
        self, agent_id: str, key: str, value: Any, *, max_keys: int | None = None
    ) -> None:
        """Keep a JSON value under `key`, unless there are too many keys; None removes it."""
        ...


class MemoryCalls:
    """Carries out one agent's calls. Raises HairemError, and pydantic's ValidationError."""

    def __init__(
        self,
        agent_id: str,
        memory: Memory,
        limits: MemoryConfig,
        *,
        require: Callable[[str], None],
        redact: Callable[[str], str],
    ) -> None:
        """`require` raises PermissionDenied where a permission is not there."""
        self._agent_id = agent_id
        self._memory = memory
        self._limits = limits
        self._require = require
        self._redact = redact

    async def call(self, method: str, arguments: dict[str, Any], asker: str | None) -> Any:
        """Return the result of a call; `asker` is the person whose words the agent handles."""
        match method:
            case "memory.recent":
                return await self._recent(args.Recent.model_validate(arguments))
            case "memory.recall":
                return await self._recall(args.Recall.model_validate(arguments), asker)
            case "memory.remember":
                return await self._remember(args.Remember.model_validate(arguments))
            case "memory.history":
                fragment_id = args.OneFragment.model_validate(arguments).fragment_id
                return await self._memory.history(self._agent_id, fragment_id)
            case "memory.forget":
                fragment_id = args.OneFragment.model_validate(arguments).fragment_id
                return await self._memory.drop(self._agent_id, fragment_id)
            case "state.get":
                key = args.GetState.model_validate(arguments).key
                return await self._memory.get_state(self._agent_id, key)
            case "state.set":
                state = args.SetState.model_validate(arguments)
                return await self._memory.set_state(
                    self._agent_id, state.key, state.value, max_keys=args.MOST_STATE_KEYS
                )
        raise AssertionError(method)

    async def _recent(self, wanted: args.Recent) -> list[Recollection]:
        limit = self._limits.recent_turns if wanted.limit is None else wanted.limit
        if limit == 0:
            return []
        return await self._memory.recent(
            self._agent_id, conversation_id=wanted.conversation_id, limit=limit
        )

    async def _recall(self, wanted: args.Recall, asker: str | None) -> list[Recollection]:
        if wanted.shared:
            self._require("memory.shared")
        limit = self._limits.recall_results if wanted.limit is None else wanted.limit
        if limit == 0:
            return []
        return await self._memory.recall(
            self._agent_id,
            wanted.query,
            limit=limit,
            exclude=wanted.exclude,
            shared=wanted.shared,
            asker=asker,
            kinds=wanted.kinds,
            about=wanted.about,
            since=wanted.since,
            until=wanted.until,
            as_of=wanted.as_of,
            include_archived=wanted.include_archived,
            is_use=True,
        )

    async def _remember(self, wanted: args.Remember) -> Recollection:
        if wanted.shared:
            self._require("memory.shared")
        return await self._memory.remember(
            self._agent_id,
            self._redact(wanted.content),
            about=wanted.about and self._redact(wanted.about),
            importance=wanted.importance,
            confidence=wanted.confidence,
            shared=wanted.shared,
            pinned=wanted.pinned,
            replaces=wanted.replaces,
        )
