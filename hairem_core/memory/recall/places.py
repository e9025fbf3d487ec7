"""In which agent's columns, and in which row, each fragment is."""

from dataclasses import dataclass

from hairem_core.memory.recall.columns import Columns

_ROW_BITS = 40


@dataclass(frozen=True, eq=False)
class Place:
    """Where a fragment is: whose columns, and which row."""

    columns: Columns
    row: int


class Places:
    """Where each fragment is, by its number.

    Kept as plain numbers: as objects, they would be looked through at each collection of garbage.
    """

    def __init__(self) -> None:
        self._packed: dict[int, int] = {}
        self._columns: list[Columns] = []

    def __len__(self) -> int:
        return len(self._packed)

    def put(self, seq: int, columns: Columns, row: int) -> None:
        """Note where a fragment is."""
        if columns not in self._columns:
            self._columns.append(columns)
        self._packed[seq] = self._columns.index(columns) << _ROW_BITS | row

    def get(self, seq: int) -> Place | None:
        """Return where a fragment is."""
        return self._unpack(self._packed.get(seq))

    def pop(self, seq: int) -> Place | None:
        """Return where a fragment was, and forget it."""
        return self._unpack(self._packed.pop(seq, None))

    def _unpack(self, packed: int | None) -> Place | None:
        if packed is None:
            return None
        return Place(self._columns[packed >> _ROW_BITS], packed & (1 << _ROW_BITS) - 1)
