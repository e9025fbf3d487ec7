"""Which rows of an agent's columns tell of the one person whom a question is about."""

from collections.abc import Callable, Iterable
from functools import cached_property

import numpy as np

from hairem_core.memory.arrays import Bools, Ints
from hairem_core.memory.fragment import KINDS
from hairem_core.memory.interpret.entities import entity_key
from hairem_core.memory.recall.codes import NOBODY
from hairem_core.memory.recall.columns import Columns
from hairem_core.memory.recall.whom import Person, related

_TOLD = [KINDS.index("fact"), KINDS.index("note")]

type _Asks = Callable[[str, frozenset[str]], bool]


class Asked:
    """The one person whom a question is about, among the rows of one agent.

    All masks are of shape (size,).
    """

    def __init__(
        self, person: Person, columns: Columns, size: int, seen: Bools, holds: Bools
    ) -> None:
        """`seen` are the rows that whoever asks may see, `holds` those that hold."""
        self.person = person
        self._codes = columns.codes
        self._whom = columns.whom[:size]
        self._kin = columns.kin[:size]
        self._called = columns.called[:size]
        self._kind = columns.kind[:size]
        self._slot = columns.slot[:size]
        # "My son Lars lives in Bergen" says for good who Lars is, "my son is called Lars" until it
        # is corrected.
        self._tells_kin = seen & (self._kin != NOBODY) & (holds | (self._whom == self._called))

    def answers(self, words: frozenset[str]) -> Bools:
        """Return which rows tell just what a question with these words asks for."""
        person = self.person
        found = self._holding(words, person.asks_for) & self._tells_of(self._mine)
        if person.relation is None:
            return found
        owner = self._tells_of(self._owner)
        theirs = owner & np.isin(self._kin, self._kinship)
        if person.is_name_asked:
            found |= theirs
        found |= self._holding(words, person.asks_owner_for) & owner & (self._kin == NOBODY)
        return found

    def everything(self) -> Bools:
        """Return which facts and notes tell of the person, or of their relatives."""
        told: Bools = np.isin(self._kind, _TOLD) & self.family()
        return told

    def others(self) -> Bools:
        """Return which rows tell of somebody else."""
        others: Bools = (self._whom != NOBODY) & ~self._tells_of(self._mine)
        if self.person.relation is None:
            return others & ~self.family()
        return others & ~np.isin(self._kin, self._kinship)

    def family(self) -> Bools:
        """Return which rows tell of the one asked about, of whose they are, or of others theirs."""
        codes = [code for key in self._keys for code in self._codes.family(key)]
        return self._tells_of({*codes, *self._mine})

    def _holding(self, words: frozenset[str], asks: _Asks) -> Bools:
        asked = [code for code, slot in enumerate(self._codes.slots) if asks(slot, words)]
        return np.isin(self._slot, asked)

    def _tells_of(self, codes: Iterable[int]) -> Bools:
        return np.isin(self._whom, list(codes))

    @cached_property
    def _keys(self) -> set[str]:
        """The keys under which facts tell of the person, or of whose relative they are."""
        key = self.person.key
        return {key, *(entity_key(name) for who, name in self._codes.speakers if who == key)}

    @cached_property
    def _owner(self) -> set[int]:
        return self._known(self._keys)

    @cached_property
    def _kinship(self) -> list[int]:
        relation = self.person.relation
        return list(self._known(related(each, relation) for each in self._keys if relation))

    @cached_property
    def _mine(self) -> set[int]:
        """The indices in `people` of codes under which facts tell of who is asked about."""
        if self.person.relation is None:
            return self._owner | self._known_as()
        names = self._called[self._tells_kin & np.isin(self._kin, self._kinship)]
        keys = {self._codes.people[code] for code in np.unique(names)}
        speaking = {who for who, name in self._codes.speakers if entity_key(name) in keys}
        return {*self._kinship, *self._known(keys | speaking)}

    def _known_as(self) -> set[int]:
        """Return under whose relatives the person is known, and nobody else."""
        named = self._tells_kin & np.isin(self._called, list(self._owner))
        found: set[int] = set()
        for kin in np.unique(self._kin[named]):
            called: Ints = self._called[self._tells_kin & (self._kin == kin)]
            if set(called.tolist()) <= self._owner:
                found.add(int(kin))
        return found

    def _known(self, keys: Iterable[str]) -> set[int]:
        found = (self._codes.person(key) for key in keys)
        return {code for code in found if code != NOBODY}
