"""Which agents memory knows: by UUID, with the id that each had last."""

from collections.abc import Callable
from uuid import UUID

from surrealdb import RecordID

from hairem_core.memory.database import Database, Statement
from hairem_core.memory.writer import Change, Head, Writer


class AgentNames:
    """Tells UUIDs by ids and ids by UUIDs."""

    def __init__(self, writer: Writer, identify: Callable[[str], UUID]) -> None:
        self._writer = writer
        self._identify = identify
        self._names: dict[UUID, str] = {}
        self._unsaved: set[UUID] = set()
        writer.prepare(self._save)

    def identify(self, agent_id: str) -> UUID:
        """Return an agent's UUID, and remember its id."""
        agent = self._identify(agent_id)
        if self._names.get(agent) != agent_id:
            self._names[agent] = agent_id
            self._unsaved.add(agent)
        return agent

    def name(self, agent: UUID) -> str:
        """Return the id that an agent had last, or its UUID if it never had one here."""
        return self._names.get(agent, str(agent))

    def all(self) -> dict[UUID, str]:
        """Return every agent's id."""
        return dict(self._names)

    async def load(self, database: Database) -> None:
        """Read what is stored. Raises MemoryUnavailable."""
        rows = await database.query("SELECT * FROM agent")
        self._names = {row["id"].id: row["name"] for row in rows} | self._names

    def _save(self, change: Change, head: Head) -> None:
        """Add to a commit the agents that are new."""
        for agent in self._unsaved:
            change.statements.append(
                Statement(
                    text="UPSERT $id CONTENT { name: $name } RETURN NONE",
                    variables={"id": RecordID("agent", agent), "name": self._names[agent]},
                )
            )
        self._unsaved.clear()
