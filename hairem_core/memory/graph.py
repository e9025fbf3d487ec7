"""What agents know of whom and what, and of how these hang together: entities and relations."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from hairem_core.memory.database import Database
from hairem_core.memory.fragment import Entity, Relation


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Entities, those named most first, and relations, the weightiest first."""

    entities: list[Entity]
    relations: list[Relation]


async def read_graph(
    database: Database,
    *,
    agents: Collection[UUID] | None = None,
    keys: Collection[str] | None = None,
    limit: int,
) -> Graph:
    """Return at most `limit` entities and as many relations.

    `agents` None: of every agent. `keys`: only these entities, what is related to them, and those
    relations; None: all. Raises MemoryUnavailable.
    """
    conditions = ["true"]
    variables: dict[str, Any] = {"limit": limit}
    if agents is not None:
        conditions.append("record::id(id)[0] IN $agents")
        variables["agents"] = list(agents)
    related = list(conditions)
    if keys is not None:
        related.append("(record::id(id)[1] IN $keys OR record::id(id)[3] IN $keys)")
        variables["keys"] = list(keys)
    rows = await database.query(
        f"SELECT * FROM relation WHERE {' AND '.join(related)}"  # noqa: S608  our own words
        " ORDER BY weight DESC, last_at DESC LIMIT $limit",
        variables,
    )
    relations = [_relation(row) for row in rows]
    if keys is not None:
        ends = {each for relation in relations for each in (relation.source, relation.target)}
        conditions.append("record::id(id)[1] IN $keys")
        variables["keys"] = [*{*keys, *ends}]
    rows = await database.query(
        f"SELECT * FROM entity WHERE {' AND '.join(conditions)}"  # noqa: S608  our own words
        " ORDER BY mentions DESC, last_at DESC LIMIT $limit",
        variables,
    )
    return Graph(entities=[_entity(row) for row in rows], relations=relations)


def _entity(row: dict[str, Any]) -> Entity:
    agent, key = row["id"].id
    return Entity(
        agent=agent,
        key=key,
        name=row["name"],
        kind=row["kind"],
        mentions=row["mentions"],
        last_at=row["last_at"],
    )


def _relation(row: dict[str, Any]) -> Relation:
    agent, source, kind, target = row["id"].id
    return Relation(
        agent=agent,
        source=source,
        kind=kind,
        target=target,
        weight=row["weight"],
        last_at=row["last_at"],
        derived_from=tuple(row["derived_from"]),
    )
