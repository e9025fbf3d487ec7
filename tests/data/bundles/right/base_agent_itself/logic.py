"""The plain agent."""

from hairem_core.sdk import BaseAgent as Agent

__all__ = ["Agent"]
