"""Who an agent is, where its manifest gives no UUID."""

from uuid import UUID, uuid5

_NAMESPACE = UUID("6d2f9c1e-5b0a-5e43-9c39-8a1d6f2b7c55")


def agent_uuid(agent_id: str) -> UUID:
    """Return the UUID of an agent whose manifest gives none: UUIDv5 of its id."""
    return uuid5(_NAMESPACE, agent_id)
