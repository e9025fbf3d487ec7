"""Which fact does a new one replace? Decided by rule, or by a model's choice among candidates.

Nothing is ever deleted: what is replaced is closed, what is told late is stored as history.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from hairem_core.memory.fragment import Fragment
from hairem_core.memory.interpret.extracted import ExtractedFact, Said
from hairem_core.memory.interpret.facts import value_in
from hairem_core.memory.interpret.slots import family_of, is_of_name, is_single, value_of
from hairem_core.memory.interpret.text import plain, words
from hairem_core.memory.language import words_of

_FILLER_WORDS = """
    a an the now really just also still too currently actually very much please is are am s m re
    my i le la les l un une des du de maintenant desormais aussi vraiment toujours est sont suis en
    fait that que so well
"""
_FILLERS = frozenset(_FILLER_WORDS.split())
_DENIES = re.compile(
    r"\b(?:not|no longer|never|no|n't|cannot|can't|don't|doesn't|isn't|aren't|won't|ne|n'|pas"
    r"|plus|jamais)\b|n't\b"
)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What becomes of a new fact."""

    what: Literal["new", "replaces", "same", "history", "closes", "nothing"]
    """`new`: it stands beside the others. `replaces`: it takes the place of `old`. `same`: `old`
    says so already, and is strengthened. `history`: it held only until `until`. `closes`: `old`
    ends without a successor. `nothing`: nothing is stored.
    """
    old: tuple[Fragment, ...] = ()
    until: datetime | None = None


def decide(
    fact: ExtractedFact,
    at: datetime,
    known: Sequence[Fragment],
    *,
    chosen: Fragment | None = None,
) -> Decision:
    """Return what becomes of a fact told at `at`, given all facts of its agent and subject.

    `known` holds those that ceased to hold too. `chosen` is the one that a model says it replaces;
    where it no longer holds, the rule decides. What says the same in other words, a dream merges.
    """
    valid = [each for each in known if each.is_valid]
    if fact.retracts:
        return _retraction(fact, at, valid)
    chosen_id = chosen.id if chosen is not None else None
    old = next((each for each in valid if each.id == chosen_id), None)
    if old is None and fact.slot is not None:
        old = max(
            (each for each in valid if each.slot == fact.slot),
            key=lambda each: (each.valid_from, each.seq),
            default=None,
        )
    if old is None and fact.corrects:
        old = _corrected(fact, valid)
    if old is None:
        old = _alike(fact, valid)
        if old is not None and _denies(fact.content) == _denies(old.content):
            return Decision(what="same", old=(old,))
    elif is_same(fact, old):
        return Decision(what="same", old=(old,))
    if until := _held_until(fact, at, known, old):
        return Decision(what="history", until=until)
    return Decision(what="replaces", old=(old,)) if old is not None else Decision(what="new")


def is_same(fact: ExtractedFact, old: Fragment) -> bool:
    """Return whether a fact says what a stored one of the same slot says already."""
    if _tokens(fact.content) == _tokens(old.content):
        return True
    before = stored_value(old)
    return before is not None and before == fact.value


def stored_value(old: Fragment) -> str | None:
    """Return the value of a stored fact, read from its words; None where it cannot be."""
    if old.subject is None or old.slot is None:
        return None
    speaker = old.speaker or old.subject
    said = Said(text=old.content, speaker=speaker, language=old.language, at=old.at)
    return value_in(old.content, subject=old.subject, slot=old.slot, speaker=speaker, said=said)


def candidates(contents: Iterable[str], known: Iterable[Fragment], *, limit: int) -> list[Fragment]:
    """Return the valid facts that what was said may replace, the nearest by their words first."""
    said = frozenset[str]().union(*map(words_of, contents))

    def overlap(fragment: Fragment) -> float:
        own = words_of(fragment.content)
        return len(own & said) / (len(own) or 1)

    valid = [each for each in known if each.is_valid and each.kind == "fact"]
    return sorted(valid, key=lambda each: (-overlap(each), -each.seq))[:limit]


def slot_for(fact: ExtractedFact, known: Sequence[Fragment], *, replaced: bool) -> str | None:
    """Return the slot under which a model's fact may be stored.

    A slot that the rules do not know may stand for things of which one has several. Where one fact
    holds it already and is not replaced, the new one gets none.
    """
    if fact.slot is None or replaced or ":" in fact.slot or is_single(fact.slot):
        return fact.slot
    taken = any(each.is_valid and each.slot == fact.slot for each in known)
    return None if taken else fact.slot


def _retraction(fact: ExtractedFact, at: datetime, valid: Sequence[Fragment]) -> Decision:
    """Close what ceases to hold: the same value, or the only thing of the kind that there is."""
    slot = fact.slot or ""
    same_slot = [each for each in valid if each.slot == slot]
    if ":" in slot:
        found = same_slot or [each for each in valid if (each.slot or "").startswith(f"{slot}:")]
    else:
        found = [each for each in same_slot if stored_value(each) in (None, fact.value)]
    if len(found) != 1 or found[0].valid_from > at:
        return Decision(what="nothing")
    return Decision(what="closes", old=tuple(found))


def _corrected(fact: ExtractedFact, valid: Sequence[Fragment]) -> Fragment | None:
    """Return the fact that a correction speaks of, where several of its kind may hold.

    It is the last of its kind. Of what names nobody it must be the very last thing told, else it is
    not clear what was meant.
    """
    family = family_of(fact.slot or "")
    last = sorted(valid, key=lambda each: (each.valid_from, each.seq))
    if not is_of_name(fact.slot or ""):
        last = last[-1:]
    kin = [each for each in last if family and family_of(each.slot or "") == family]
    return kin[-1] if kin else None


def _alike(fact: ExtractedFact, valid: Sequence[Fragment]) -> Fragment | None:
    """Return the fact without a slot that says the same, or denies just that."""
    if fact.slot is not None:
        return None
    own = _tokens(fact.content, denials=False)
    return next(
        (
            each
            for each in valid
            if each.slot is None and _tokens(each.content, denials=False) == own
        ),
        None,
    )


def _held_until(
    fact: ExtractedFact, at: datetime, known: Sequence[Fragment], old: Fragment | None
) -> datetime | None:
    """Return when late news ceased to hold: when something newer of its slot began or ended."""
    rivals = [each for each in known if fact.slot is not None and each.slot == fact.slot]
    if old is not None and old not in rivals:
        rivals.append(old)
    turns = [each.valid_from for each in rivals]
    turns += [each.valid_to for each in rivals if each.valid_to is not None]
    return min((each for each in turns if each > at), default=None)


def _tokens(content: str, *, denials: bool = True) -> frozenset[str]:
    found = {value_of(each) or each for each in words(plain(content))} - _FILLERS
    if not denials:
        found = {each for each in found if not _DENIES.search(each)} - {"longer", "do", "does"}
    return frozenset(found)


def _denies(content: str) -> bool:
    return bool(_DENIES.search(plain(content)))
