"""Which facts and notes are just what a question asks for, of the one person asked about.

"Where do I live?" has no word in common with "I moved to Lyon", and all with what others say of
where they live.
"""

from collections.abc import Collection
from functools import lru_cache

import numpy as np

from hairem_core.memory.arrays import Bools
from hairem_core.memory.fragment import KINDS
from hairem_core.memory.interpret.entities import entity_key
from hairem_core.memory.interpret.slots import is_asked_for, words_of_question
from hairem_core.memory.interpret.vocabulary import PARTNERS, PETS, ROLES
from hairem_core.memory.recall.columns import NOBODY, Columns
from hairem_core.sdk.asking import of_whom

_TOLD = [KINDS.index("fact"), KINDS.index("note")]
_FRENCH_HIS = "son"
"""In French it is no relative."""
_NAMING = frozenset(
    ("who", "whose", "name", "names", "called", "call", "qui", "nom", "prénom", "appelle")
)
"""Words of which a question has one that asks who somebody's mother is, not something of hers."""


def answering(columns: Columns, size: int, text: str, people: Collection[str]) -> Bools:
    """Return which of the first `size` rows answer a question about `people`; shape (size,).

    `people` are addresses of speakers; of somebody who never spoke, only all that is known can be
    asked for.
    """
    if (whom := of_whom(text)) is not None:
        names = {entity_key(whom)} if whom else set()
        if len(people) > 1:
            return np.zeros(size, np.bool_)
        told = np.isin(columns.kind[:size], _TOLD)
        return told & np.isin(columns.whom[:size], codes_of(columns, people, names))
    if len(people) != 1:
        return np.zeros(size, np.bool_)
    words = words_of_question(text)
    asked = [code for code, slot in enumerate(columns.slots) if _asks_for(slot, words)]
    if not asked:
        return np.zeros(size, np.bool_)
    of_them = np.isin(columns.whom[:size], codes_of(columns, people))
    return of_them & np.isin(columns.slot[:size], asked)


def codes_of(columns: Columns, people: Collection[str], keys: Collection[str] = ()) -> list[int]:
    """Return the indices in `people` of columns under which facts tell of people, by their
    addresses or `keys`.
    """
    named = {entity_key(name) for who, name in columns.speakers if who in people}
    found = (columns.person(key) for key in {*people, *named, *keys})
    return [code for code in found if code != NOBODY]


def _asks_for(slot: str, words: frozenset[str]) -> bool:
    """Return whether a question asks for what a column's slot holds.

    Where my mother lives is not where I live, and the other way round.
    """
    relative, _, told = slot.rpartition("/")
    if not is_asked_for(told, words):
        return False
    if relative:
        return is_asked_for(relative, words)
    relatives = _relatives(words)
    return not relatives or (relatives == {told} and not words.isdisjoint(_NAMING))


@lru_cache(maxsize=64)
def _relatives(words: frozenset[str]) -> frozenset[str]:
    """Return the people and animals of somebody's that a question names by what they are."""
    named = {role for role in ROLES | PETS if role != _FRENCH_HIS and is_asked_for(role, words)}
    return frozenset("partner" if each in PARTNERS else each for each in named)
