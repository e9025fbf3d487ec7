"""An agent."""

from hairem_core.sdk import BaseAgent, Message, tool


class Butler(BaseAgent):
    """A good agent under another name."""
