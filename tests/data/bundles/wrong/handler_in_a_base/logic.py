"""An agent."""

from .base import Base


class Agent(Base):
    """Inherits a mistake."""
