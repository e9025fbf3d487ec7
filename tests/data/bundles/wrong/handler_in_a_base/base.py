"""A base."""

from hairem_core.sdk import BaseAgent


class Base(BaseAgent):
    def teardown(self):
        """Is never awaited."""
