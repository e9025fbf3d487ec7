"""What is learned from one utterance by rule, without a model: English and French.

Precision goes before recall: a fact comes only of a clause that fits a pattern as a whole, whose
subject is named in it, and which is no question, hypothesis, command, quotation or hearsay. In one
audit of an agent's memory 97.8% of 10,134 stored entries were junk.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from hairem_core.memory.interpret.attributes import attributes_of
from hairem_core.memory.interpret.corrections import corrected
from hairem_core.memory.interpret.entities import Mention, entities_of, entity_key
from hairem_core.memory.interpret.extracted import Antecedent, ExtractedFact, Said
from hairem_core.memory.interpret.guards import Clause, clauses_of, no_more
from hairem_core.memory.interpret.predicates import ENGLISH, FRENCH, Predicate
from hairem_core.memory.interpret.said_of import facts_of
from hairem_core.memory.interpret.slots import is_of_name
from hairem_core.memory.interpret.subjects import subjects_of
from hairem_core.memory.interpret.text import plain, words

MOST_FACTS = 8
"""Facts of one utterance, at most: who tells more at once tells a story."""
REMEMBERED = 0.95
"""Importance of what was asked to be remembered: it fades last of all that fades."""
_HEDGED = 0.6
_BARE_VERB = re.compile(
    r"(?: \w+ly| also| just| still| all| both)* (?:like|love|live|work|prefer|know|trust|have"
    r"|enjoy|hate|adore"
    r"|dislike|eat|drink|speak|play|keep|put|started|got|found|reside|own|detest|come|study)\b"
)
_ADDRESSED = re.compile(r"\b(?:you|your|you're|yourself|tu|toi|te|ton|ta|tes|vous|votre|vos)\b")
_ACTS = re.compile(r"(?:i|we|je|on|nous)\b|j'")
_MOST_WORDS = 20
"""Words of a clause that says one thing; a longer one tells a story."""
_LEAST_REMEMBERED = 3
"""Words that something has which was asked to be remembered, and fits no pattern."""


def extract(said: Said, *, antecedent: Antecedent | None = None) -> list[ExtractedFact]:
    """Return what is learned from an utterance, each fact once, in the order in which it was said.

    `antecedent` is the fact that the speaker told last in the same conversation: corrections such
    as "no, it's green now" speak of it.
    """
    found: dict[tuple[str, str, bool], ExtractedFact] = {}
    is_denied = False
    for clause in clauses_of(said.text):
        facts = _of_clause(clause, said)
        if not facts and (before := no_more(clause)) is not None:
            facts = [replace(each, retracts=True) for each in _of_clause(before, said)]
            # "…, it's green" is yet to come.
            is_denied = is_denied or bool(facts)
            antecedent = next(filter(None, map(_held, facts)), antecedent)
        if not facts and (clause.is_correction or is_denied) and antecedent is not None:
            facts = corrected(clause, antecedent)
        for fact in facts:
            # Who corrects himself in one breath means the last.
            found[fact.subject, fact.slot or f":{fact.value}", fact.retracts] = fact
            antecedent = antecedent_of(fact) or antecedent
    # What something is now says that it is no longer what it was.
    told = {(each.subject, each.slot) for each in found.values() if not each.retracts}
    facts = [
        each
        for each in found.values()
        if not each.retracts or ":" in (each.slot or "") or (each.subject, each.slot) not in told
    ]
    return facts[:MOST_FACTS]


def _held(fact: ExtractedFact) -> Antecedent | None:
    return antecedent_of(replace(fact, retracts=False))


def antecedent_of(fact: ExtractedFact) -> Antecedent | None:
    """Return a fact as a correction may speak of it; None where it has no value to correct."""
    if fact.slot is None or not fact.spoken_value or fact.retracts:
        return None
    return Antecedent(
        content=fact.content,
        subject=fact.subject,
        slot=fact.slot,
        spoken_value=fact.spoken_value,
        importance=fact.importance,
        about=fact.about,
    )


def value_in(content: str, *, subject: str, slot: str, speaker: str, said: Said) -> str | None:
    """Return the value of a fact that is stored, read from its words; None where it cannot be.

    `said` lends its time and language.
    """
    again = replace(said, text=content, speaker=speaker)
    for fact in extract(again):
        if (fact.subject, fact.slot) == (subject, slot):
            return fact.value
    return None


def _of_clause(clause: Clause, said: Said) -> list[ExtractedFact]:
    if len(words(clause.plain[: clause.end])) > _MOST_WORDS:
        return []
    facts = list(attributes_of(clause, said.speaker)) or list(_by_predicate(clause, said))
    if not facts and clause.is_told_whole:
        facts = _as_told(clause, said)
    return [_finished(each, clause) for each in facts]


def _by_predicate(clause: Clause, said: Said) -> Iterator[ExtractedFact]:
    text, bare = clause.text[: clause.end].rstrip(" .!,"), clause.plain[: clause.end].rstrip(" .!,")
    is_french = (said.language or "").startswith("fr")
    predicates: tuple[Predicate, ...] = (*FRENCH, *ENGLISH) if is_french else (*ENGLISH, *FRENCH)
    for subject in subjects_of(text, bare, said.speaker):
        for predicate in predicates:
            match = predicate.pattern.fullmatch(bare, subject.end)
            # "Sounds like a plan": no name is followed by a verb as I and you have it.
            if match is None or (not subject.is_speaker and _BARE_VERB.match(bare, subject.end)):
                continue
            facts = facts_of(predicate.what, subject, match, text, said.speaker)
            if facts:
                yield from facts
                return


def _as_told(clause: Clause, said: Said) -> list[ExtractedFact]:
    """Return what was asked to be remembered as it was said, though it fits no pattern."""
    content = clause.text.strip(" .!,")
    bare = plain(content)
    if len(words(bare)) < _LEAST_REMEMBERED or _ADDRESSED.search(bare):
        return []
    named = [each for each in entities_of(content) if each.kind == "person"]
    starts = [each for each in named if plain(each.name) in bare[: len(each.name) + 3]]
    subject = starts[0].key if starts else said.speaker
    return [ExtractedFact(content=content, subject=subject, slot=None, value=bare)]


def _finished(fact: ExtractedFact, clause: Clause) -> ExtractedFact:
    """Return a fact with all that is named in it, and as sure and as important as it was said."""
    known = {each.key: each for each in fact.entities}
    for each in entities_of(fact.content):
        known.setdefault(each.key, each)
    mentions = tuple(known.values())
    about = tuple(dict.fromkeys((fact.subject, *fact.about, *known)))
    return replace(
        fact,
        about=about,
        entities=(*mentions, *_subject(fact, mentions)),
        importance=REMEMBERED if clause.is_to_remember else fact.importance,
        confidence=_HEDGED if clause.is_hedged else fact.confidence,
        corrects=_corrects(fact, clause),
    )


def _corrects(fact: ExtractedFact, clause: Clause) -> bool:
    """Return whether a fact takes the place of another though both could hold.

    "No, I hate olives" may answer a question, and ends no other dislike; "no, my cat is called
    Minou" says that the name was wrong.
    """
    if fact.slot is None or not clause.corrects:
        return False
    return clause.is_meant or (is_of_name(fact.slot) and not _ACTS.match(clause.plain))


def _subject(fact: ExtractedFact, mentions: tuple[Mention, ...]) -> tuple[Mention, ...]:
    if fact.subject in {each.key for each in mentions} or not fact.subject.startswith("thing:"):
        return ()
    name = fact.subject.removeprefix("thing:")
    return (Mention(key=entity_key(name, "thing"), name=name, kind="thing"),)
