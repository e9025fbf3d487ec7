"""What agents keep for themselves: small JSON values by key, which outlive their processes."""

import json
from typing import Any

from surrealdb import RecordID

from hairem_core.errors import HairemError
from hairem_core.memory.database import Database
from hairem_core.memory.errors import StateFull
from hairem_core.memory.statement import Statement
from hairem_core.memory.writer import Change, Head, Writer


class AgentState:
    """The values of all agents."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer
        self._keys: dict[str, set[str]] = {}
        """By agent, of those that set a value since the store was opened."""

    async def get(self, agent_id: str, key: str) -> Any:
        """Return what an agent keeps under a key, or None. Raises MemoryUnavailable."""
        rows = await self._database.query(
            "SELECT VALUE value FROM $id", {"id": RecordID("agent_state", [agent_id, key])}
        )
        values = [each for each in rows if each is not None]
        return json.loads(values[0]) if values else None

    async def put(
        self, agent_id: str, key: str, value: Any, *, max_keys: int | None = None
    ) -> None:
        """Keep a JSON value under a key of an agent's; None deletes it.

        Raises ValueError or TypeError for a value that is not JSON, StateFull when the agent has
        `max_keys` others already, and MemoryUnavailable.
        """
        record = RecordID("agent_state", [agent_id, key])
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)

        async def build(head: Head) -> Change:
            keys = await self._keys_of(agent_id)
            if value is None:
                keys.discard(key)
                gone = Statement(text="DELETE $id RETURN NONE", variables={"id": record})
                return Change(statements=[gone])
            if max_keys is not None and key not in keys and len(keys) >= max_keys:
                raise StateFull(
                    f"{agent_id} keeps {len(keys):,} values already, as many as it may",
                    hint="Keep several in one value, or remove some by setting them to None.",
                )
            keys.add(key)
            put = Statement(
                text="UPSERT $id CONTENT { value: $value } RETURN NONE",
                variables={"id": record, "value": text},
            )
            return Change(statements=[put])

        try:
            await self._writer.commit(build)
        except HairemError:
            self._keys.pop(agent_id, None)
            raise

    def forget_keys(self) -> None:
        """Read anew which keys there are: some were erased."""
        self._keys.clear()

    async def _keys_of(self, agent_id: str) -> set[str]:
        """Return the keys under which an agent keeps values; only this process changes them."""
        if agent_id not in self._keys:
            # A range over ids is a seek: between NONE and an array lies every text.
            keys = await self._database.query(
                "SELECT VALUE record::id(id)[1] FROM agent_state:[$agent, NONE]..[$agent, []]",
                {"agent": agent_id},
            )
            self._keys[agent_id] = set(keys)
        return self._keys[agent_id]
