"""Which values are worth keeping: a value that may be anything is none."""

import re

from hairem_core.memory.interpret.text import plain
from hairem_core.memory.interpret.vocabulary import JOBS

MOST_WORDS = 8
_NO_VALUE = re.compile(
    r"^(?:it|that|this|these|those|them|him|her|you|me|us|what|when|where|how|who|why|to be|the"
    r" way|the idea|your"
    r"|nothing|everything|something|anything|someone|everyone|so|very|too|not|here|there|the"
    r" same|one|ones|being"
    r"|done|gone|going|having|getting|ok|okay|fine|good|great|wrong|right|broken|dead|empty|full"
    r"|ready|off"
    r"|late|lost|tired|busy|bored|happy|sad|sick|ill|hungry|thirsty|sure|sorry|afraid|glad|(?:on"
    r"|back|home|up|down)$"
    r"|ca|cela|ce|c'est|ceci|que|quoi|qui|ou|quand|comment|toi|moi|lui|eux|vous|tu|te|tout|rien"
    r"|tres|trop|pas|ici|la$"
    r"|votre|ton|ta|tes|en train|bien|mal|pret|fini|casse|vide|fatigue|content|triste|desole"
    r"|malade|quel|quelle"
    r"|aussi|encore|bientot|un peu|a bit|a little|kind of|sort of)\b"
)
_QUESTIONED = re.compile(r"\b(?:what|where|who|which|quoi|quel|quelle|lequel|laquelle)$")
_DANGLING = re.compile(
    r"\b(?:you|your|tu|toi|vous|this|that|it|ca|them|him|i|we|je)\b|\b(?:to|of|with|for|de|a)$"
    r"|^(?:both|is|are|was|were|has|have|such|their|his|her|most) "
)
"""What speaks of something else that was said, or breaks off."""

_RETIRED = frozenset(
    {"retired", "retraite", "retraitee", "a la retraite", "unemployed", ("au chomage")}
)


def is_worth(value: str, *, most_words: int = MOST_WORDS) -> bool:
    """Return whether a plain value says something by itself."""
    words = value.split()
    if not 1 <= len(words) <= most_words or len(value) < 2:
        return False
    return not (_NO_VALUE.match(value) or _QUESTIONED.search(value) or _DANGLING.search(value))


def is_job(value: str) -> bool:
    """Return whether a plain value is someone's work."""
    bare = re.sub(r"^(?:an?|une?|le|la) ", "", value)
    if bare in _RETIRED:
        return True
    words = [each.removesuffix("s") for each in bare.split()]
    return (
        1 <= len(words) <= 4
        and words[0] not in {"such", "so", "very", "not"}
        and any(each in JOBS for each in words)
    )


def items_of(text: str) -> list[tuple[int, int]]:
    """Return the places of the things that are listed in a text: `nuts, milk and dust`."""
    spots, start = [], 0
    bare = plain(text)
    for joint in re.finditer(r"\s*,\s*(?:and |or |et |ou )?|\s+(?:and|or|et|ou|ni|nor)\s+", bare):
        spots.append((start, joint.start()))
        start = joint.end()
    spots.append((start, len(text)))
    return [(a, b) for a, b in spots if text[a:b].strip()]
