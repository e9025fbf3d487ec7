"""What an import did."""

from dataclasses import dataclass, field
from typing import Literal

from hairem_core.memory.chain import Break
from hairem_core.memory.portable.reader import Problem


@dataclass(kw_only=True)
class Tally:
    """What became of the lines of one kind."""

    added: int = 0
    known: int = 0
    """They were here already, and nothing was changed."""
    left_out: int = 0
    """They make no sense here: forgotten, or of a chain that is not this one."""
    refused: int = 0
    """Told among the problems."""


@dataclass(kw_only=True)
class ImportReport:
    """What an import did."""

    lines: int = 0
    unreadable: int = 0
    """Lines of no kind: damaged, or after the end."""
    tallies: dict[str, Tally] = field(default_factory=dict)
    """By kind of line."""
    chain: Literal["none", "kept", "appended"] = "none"
    """What became of the events: all have the places that they had, or some got new ones at the
    end of this store's own chain.
    """
    chain_break: Break | None = None
    """Where the chain does not hold after it."""
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    problem_count: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether everything in the file could be read and taken in."""
        return self.problem_count == 0 and self.chain_break is None

    @property
    def added(self) -> int:
        """How much was not here before."""
        return sum(each.added for each in self.tallies.values())
