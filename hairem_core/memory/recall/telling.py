"""What a fact or note tells of whom: what it is stored under, or else what its words say by rule.

An agent that keeps "Anna moved to Lyon" says neither that it is where she lives, nor has it a word
in common with "Where does Anna live?".
"""

from hairem_core.memory.fragment import Fragment
from hairem_core.memory.interpret.extracted import Said
from hairem_core.memory.interpret.facts import extract

type Telling = tuple[str, str] | None
"""Key of the entity, and slot; None for what tells nothing in particular of anybody."""


def telling(fragment: Fragment) -> Telling:
    """Return of whom a fragment tells what."""
    if fragment.kind not in ("fact", "note"):
        return None
    if fragment.slot is not None:
        return (fragment.subject, fragment.slot) if fragment.subject is not None else None
    said = Said(
        text=fragment.content,
        # "I" is whoever said it, or else of whom it was kept.
        speaker=fragment.speaker or fragment.subject or "",
        speaker_name=fragment.speaker_name,
        language=fragment.language,
        at=fragment.at,
    )
    told = [(each.subject, each.slot) for each in extract(said) if not each.retracts]
    if len(told) != 1:
        return None  # several things: it is the answer to no one question
    ((subject, slot),) = told
    subject = fragment.subject or subject
    return (subject, slot) if subject and slot else None
