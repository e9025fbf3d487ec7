"""What can go wrong with memory."""

from typing import ClassVar

from hairem_core.errors import HairemError


class MemoryUnavailable(HairemError):
    """The store cannot be opened, or does not answer."""

    code: ClassVar[str] = "memory_unavailable"


class MemoryInUse(MemoryUnavailable):
    """Another process has the store open."""


class UpgradeFailed(MemoryUnavailable):
    """The store could not be brought up to date. An embedded one is as it was."""


class ConnectionLost(MemoryUnavailable):
    """A server went away before it told whether a write was carried out."""


class CarriedOutLate(MemoryUnavailable):
    """A write that seemed lost was carried out right before this one, which was not: try again."""


class TransactionFailed(HairemError):
    """The engine refused a write, and carried out nothing of it."""

    code: ClassVar[str] = "memory_refused"


class TakenOver(MemoryUnavailable):
    """Another H-Core has opened this memory; this one writes no more."""


class StateFull(HairemError):
    """An agent keeps as many values as it may."""

    code: ClassVar[str] = "state_full"


class MemoryRefused(HairemError):
    """What was asked of memory is not allowed or makes no sense."""

    code: ClassVar[str] = "memory_refused"


class UnknownFragment(HairemError):
    """There is no such fragment, or none that this agent may see."""

    code: ClassVar[str] = "unknown_fragment"
