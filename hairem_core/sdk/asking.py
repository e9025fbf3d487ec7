"""What a question asks of memory, in so many words: English and French."""

import re

_ABOUT_MEMORY = re.compile(
    r"\bwhat (?:did|have|had) (?:i|we) (?:tell|told|say|said|ask|asked)\b|"
    r"\bdo you (?:still )?(?:remember|recall)\b|"
    r"\bwhat (?:else )?do you (?:remember|recall|know (?:about|of))\b|\bremind me\b|"
    r"\bwhat you know (?:about|of)\b|\btell me (?:all |everything |more )?about\b|"
    r"\bqu'est-ce que (?:je|nous) t'a\w+|\bque t'ai-je\b|\bqu'ai-je dit\b|"
    r"\bte (?:souviens|rappelles)[- ]tu\b|\btu te (?:souviens|rappelles)\b|\brappelle[- ]moi\b|"
    r"\b(?:que|quoi) sais[- ]tu (?:de |d'|sur )|\bque tu sais (?:de |d'|sur )|"
    r"\btu sais quoi (?:de |d'|sur )|\bparle[- ]moi (?:de |d')",
    re.IGNORECASE,
)
_OF_WHOM = re.compile(
    r"(?:\bdo you (?:know|remember|recall) (?:about|of)|\byou know (?:about|of)"
    r"|\btell me (?:all |everything |more )?about"
    r"|\bsais[- ]tu (?:sur|de|d')|\btu sais (?:quoi )?(?:sur|de|d')"
    r"|\bparle[- ]moi (?:de|d'))\s*(?P<whom>[^\W\d_][\w'-]*(?: [^\W\d_][\w'-]*)?)\W*$",
    re.IGNORECASE,
)
_NOBODY = re.compile(
    r"(?:the|a|an|my|our|your|his|her|la|le|les|l'|un|une|mon|ma|mes)\b", re.IGNORECASE
)
_ASKER = frozenset({"me", "myself", "moi", "moi-même"})


def asks_memory(text: str) -> bool:
    """Return whether a sentence asks what is remembered, in so many words."""
    return _ABOUT_MEMORY.search(_straight(text)) is not None


def of_whom(text: str) -> str | None:
    """Return of whom a question asks all that is known, by the name that it has for them.

    "" is whoever asks; None where it asks something else: of a thing, or one thing in particular.
    """
    found = _OF_WHOM.search(_straight(text))
    if found is None or _NOBODY.match(found["whom"]):
        return None
    return "" if found["whom"].lower() in _ASKER else found["whom"]


def _straight(text: str) -> str:
    return text.replace("\u2019", "'")
