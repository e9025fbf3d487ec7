"""Who may recall what: the only place where it is decided, for every store that is asked.

A fragment is its agent's alone, unless it is shared; what is shared, an agent sees that asks for it
and has the permission (which whoever calls has looked at).
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
import tantivy
from tantivy import Occur, Query

from hairem_core.memory.arrays import Bools
from hairem_core.memory.fragment import Fragment, Visibility

READER_FIELD = "reader"
_SHARED = "shared"


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What one agent may see; `agent` None is the owner of the house, who may see everything."""

    agent: UUID | None
    with_shared: bool = False
    namesakes: frozenset[UUID] = frozenset()
    """Other UUIDs of the same agent, of whose everything may be seen too."""

    def admits(self, fragment: Fragment) -> bool:
        """Return whether a fragment may be seen."""
        return self.admits_of(fragment.agent, fragment.visibility)

    def admits_of(self, agent: UUID, visibility: Visibility) -> bool:
        """Return whether a fragment of an agent may be seen."""
        if self.sees_all_of(agent):
            return True
        return self.with_shared and visibility == _SHARED

    def sees_all_of(self, agent: UUID) -> bool:
        """Return whether everything of an agent's may be seen, private or not."""
        return self.agent in (None, agent) or agent in self.namesakes

    @property
    def owners(self) -> list[UUID] | None:
        """Of whom everything may be seen; None: of everybody."""
        return None if self.agent is None else [self.agent, *self.namesakes]

    def admitted(self, agent: UUID, shared: Bools) -> Bools:
        """Return which rows of an agent's may be seen, given which are shared; the same shape."""
        if self.sees_all_of(agent):
            return np.ones_like(shared)
        return shared if self.with_shared else np.zeros_like(shared)

    def where(self) -> tuple[str, dict[str, Any]]:
        """Return the same as a condition of SurrealQL, with its variables."""
        if self.owners is None:
            return "true", {}
        mine = "agent IN $scope_owners"
        if self.with_shared:
            return f"({mine} OR visibility = '{_SHARED}')", {"scope_owners": self.owners}
        return mine, {"scope_owners": self.owners}

    def text_query(self, schema: tantivy.Schema) -> Query | None:
        """Return the same as a query of the text index; None where everything may be seen."""
        terms = [Query.term_query(schema, READER_FIELD, each, "basic") for each in self.readers()]
        if not terms:
            return None
        # Whose it is must hold, and must not count.
        return Query.const_score_query(
            Query.boolean_query([(Occur.Should, each) for each in terms]), 0.0
        )

    def readers(self) -> list[str]:
        """Return the terms of the text index of what may be seen; none where everything may be."""
        if self.owners is None:
            return []
        return [*(each.hex for each in self.owners), *([_SHARED] if self.with_shared else [])]


def readers(fragment: Fragment) -> list[str]:
    """Return the terms by which the text index knows who may see a fragment."""
    return [fragment.agent.hex, *([_SHARED] if fragment.visibility == _SHARED else [])]
