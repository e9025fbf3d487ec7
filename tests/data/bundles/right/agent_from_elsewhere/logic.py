"""Only says where the agent is."""

from .agents.butler import Butler

Agent = Butler
