"""How long texts may be that go over `/api/memory`; it costs nothing to import."""

LONGEST_QUESTION = 4_096
LONGEST_NAME = 256
"""Of someone or something that is asked about, or to be forgotten."""
LONGEST_AGENT_ID = 64
