"""What can go wrong with memory."""

from typing import ClassVar

from hairem_core.errors import HairemError


class MemoryUnavailable(HairemError):
    """The store cannot be opened, or does not answer."""

    code: ClassVar[str] = "memory_unavailable"


class StateFull(HairemError):
    """An agent keeps as many values as it may."""

    code: ClassVar[str] = "state_full"
