"""Which agents memory knows: by UUID, with the id that each had last."""

from collections.abc import Callable
from uuid import UUID

from surrealdb import RecordID

from hairem_core.memory.database import Database
from hairem_core.memory.statement import Statement
from hairem_core.memory.writer import Change, Head, Writer
from hairem_core.sdk.identity import agent_uuid

type Identify = Callable[[str], UUID | None]
"""Returns the UUID of an agent, given its id; None where the agent is not known."""


class AgentNames:
    """Tells UUIDs by ids and ids by UUIDs."""

    def __init__(self, writer: Writer, identify: Identify) -> None:
        self._identify = identify
        self._names: dict[UUID, str] = {}
        self._unsaved: set[UUID] = set()
        self._saving: dict[UUID, str] = {}
        """Those that are in the commit under way."""
        writer.prepare(self._save)
        writer.observe(self._saved)

    def identify(self, agent_id: str) -> UUID:
        """Return an agent's UUID, and remember its id.

        That of its manifest where the agent is known; else the one that it had here last.
        """
        known = (agent for agent, name in self._names.items() if name == agent_id)
        agent = self._identify(agent_id) or next(known, None) or agent_uuid(agent_id)
        if self._names.get(agent) != agent_id:
            self._names[agent] = agent_id
            self._unsaved.add(agent)
        return agent

    def name(self, agent: UUID) -> str:
        """Return the id that an agent had last, or its UUID if it never had one here."""
        return self._names.get(agent, str(agent))

    def called(self, agent_id: str) -> frozenset[UUID]:
        """Return all that had an id last; several where another house's memory was taken in."""
        return frozenset(agent for agent, name in self._names.items() if name == agent_id)

    def meant(self, agent_id: str) -> frozenset[UUID]:
        """Return whose memory an id means: of all that had it, or of one that has said nothing yet.

        Empty where neither memory nor the crew knows such an agent.
        """
        known = self._identify(agent_id)
        return self.called(agent_id) or frozenset([known] if known is not None else [])

    def all(self) -> dict[UUID, str]:
        """Return every agent's id."""
        return dict(self._names)

    async def load(self, database: Database) -> None:
        """Read what is stored. Raises MemoryUnavailable."""
        rows = await database.query("SELECT * FROM agent")
        self._names = {row["id"].id: row["name"] for row in rows} | self._names

    def _save(self, change: Change, head: Head) -> None:
        """Add to a commit the agents that are new."""
        self._saving = {agent: self._names[agent] for agent in self._unsaved}
        for agent, name in self._saving.items():
            change.statements.append(
                Statement(
                    text="UPSERT $id CONTENT { name: $name } RETURN NONE",
                    variables={"id": RecordID("agent", agent), "name": name},
                )
            )

    def _saved(self, change: Change, head: Head) -> None:
        for agent, name in self._saving.items():
            if self._names[agent] == name:
                self._unsaved.discard(agent)
        self._saving = {}
