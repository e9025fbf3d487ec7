"""What a fact or note tells of whom: what it is stored under, or else what its words say by rule.

An agent that keeps "Anna moved to Lyon" says neither that it is where she lives, nor has it a word
in common with "Where does Anna live?".
"""

from hairem_core.memory.fragment import Fragment
from hairem_core.memory.interpret.extracted import Said
from hairem_core.memory.interpret.facts import extract
from hairem_core.memory.interpret.subjects import subjects_of
from hairem_core.memory.interpret.text import plain
from hairem_core.memory.interpret.vocabulary import PETS, ROLES

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


def kinship(fragment: Fragment) -> tuple[str, str, str] | None:
    """Return whose relative, what they are and by which key they are known, where a fact says so.

    "My son is called Lars" says so, and "my son Lars lives in Bergen", which is a fact of Lars.
    """
    if fragment.kind != "fact" or fragment.subject is None:
        return None
    relation, _, name = (fragment.slot or "").removeprefix("pet:").partition(":")
    if relation in ROLES | PETS:
        keys = (each for each in fragment.about if each.startswith("name:"))
        key = next((each for each in keys if each != fragment.subject), f"name:{name}")
        return fragment.subject, relation, key
    if fragment.speaker is None or not fragment.subject.startswith("name:"):
        return None
    for each in subjects_of(fragment.content, plain(fragment.content), fragment.speaker):
        if each.role is not None and each.name is not None and each.key == fragment.subject:
            return fragment.speaker, each.role, each.key
    return None
