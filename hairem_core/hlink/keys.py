"""The names that H-Link uses in Redis."""

from hairem_core.sdk.message import Message, MessageType, Priority, Topic

LANES = (Priority.P0, Priority.P1, Priority.P2, Priority.P3)
GROUP = "hosts"
"""The one consumer group of every inbox."""
FIELD = "m"
"""The field of a stream entry that holds the message as JSON."""

AGENTS = "hlink:agents"
"""Set of the ids of agents that have inboxes."""
DEAD = "hlink:dead"
RESENT = "hlink:dead:resent"
"""Hash of the dead letters that were sent again: entry id to the time."""
JOURNAL = "hlink:journal"
LIVE = "hlink:live:"
"""Prefix of the pub/sub channels, one per address."""

_TEXT_PIECES = (Topic.NARRATIVE_TEXT, Topic.AGENT_NOTE)


def inbox(agent_id: str, lane: Priority) -> str:
    """Return the stream of one agent's lane. The braces keep an agent in one Cluster slot."""
    return f"hlink:{{{agent_id}}}:{lane.value.lower()}"


def done(agent_id: str) -> str:
    """Return the sorted set of an agent's handled `msg_id`s, scored by the time in seconds."""
    return f"hlink:{{{agent_id}}}:done"


def live(address: str) -> str:
    """Return the pub/sub channel of an address."""
    return LIVE + address


def agent_of(address: str) -> str | None:
    """Return the agent id of an `agent:` address, else None."""
    kind, _, name = address.partition(":")
    return name if kind == "agent" else None


def is_journaled(message: Message) -> bool:
    """Return whether observers find `message` in the journal.

    Everything is, but for the pieces of a text under way: the finished text follows them.
    """
    header = message.header
    return header.type is not MessageType.STREAM or header.topic not in _TEXT_PIECES
