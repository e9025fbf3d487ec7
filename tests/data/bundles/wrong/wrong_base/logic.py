"""An agent."""

from .base import Base


class Agent(Base):
    """Derives from the wrong thing."""
