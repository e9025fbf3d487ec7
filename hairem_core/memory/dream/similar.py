"""Which fragments say the same: found exactly, without comparing each with each.

Near-duplicates share most of their words. Two sets of words of which a share `t` is common must
have one of their rarest words in common, so only those are looked up.
Source: prefix filtering, Chaudhuri, Ganti & Kaushik (2006); Bayardo, Ma & Srikant (2007).
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from hairem_core.memory.interpret.text import plain
from hairem_core.memory.language import words_of

OVERLAP = 0.8
"""Share of the words of two texts that must be common where their vectors agree as well."""
OVERLAP_ALONE = 0.9
"""The same where there are no vectors."""
COSINE = 0.95
_HARMLESS_WORDS = """
    a an the that just so well also please oh ok okay ah le la les l un une que qu alors donc bien
    bon ben
"""
_HARMLESS = frozenset(_HARMLESS_WORDS.split())
"""Words that say nothing by themselves: they may come and go."""
_TURNING_WORDS = """
    never neither without none nothing nobody cannot except unless only hardly less until
    since least jamais aucune rien personne sauf si seulement moins hors jusqu depuis sinon excepte
"""
_TURNING = frozenset(_TURNING_WORDS.split())
"""Words that turn what is said into something else. Small words, such as `not`, `his` and `from`,
do so too.
"""
_PLEASE = re.compile(r"\bs'il (?:te|vous) plait\b")
_TOKEN = re.compile(r"\w+|\?")


@dataclass(frozen=True, slots=True)
class Text:
    """A text as it is compared."""

    words: frozenset[str]
    """Stems of the words that say something."""
    tokens: tuple[str, ...]
    """All words in their order, but for those that say nothing; and question marks."""

    @classmethod
    def of(cls, content: str) -> Text:
        """Return a content so."""
        spoken = _PLEASE.sub("", plain(content)).replace("n't", " not")
        all_tokens = tuple(_TOKEN.findall(spoken)) or (content,)
        return cls(
            words=words_of(content),
            tokens=tuple(each for each in all_tokens if each not in _HARMLESS) or all_tokens,
        )


def overlap(one: Text, other: Text) -> float:
    """Return which share of both texts' words they have in common, from 0 to 1."""
    both = len(one.words | other.words)
    return len(one.words & other.words) / both if both else 0.0


def says_all(kept: Text, other: Text) -> bool:
    """Return whether `kept` says all that `other` says, so that nothing is lost with that one.

    Its words hold the other's, in the same order, and it has no turn or number of its own.
    """
    rest = iter(kept.tokens)
    more: list[str] = []
    for wanted in other.tokens:
        for each in rest:
            if each == wanted:
                break
            more.append(each)
        else:
            return False
    more += rest
    return not any(map(_turns, more))


def _turns(token: str) -> bool:
    """Return whether a word makes another thing of what is said."""
    return token in _TURNING or any(map(str.isdigit, token)) or not words_of(token)


type Cosine = Callable[[int, int], float | None]


def duplicates(texts: Sequence[Text], cosine: Cosine) -> Iterator[tuple[int, int]]:
    """Yield pairs: a text, and one before it that says the same and is itself no duplicate.

    `texts` come oldest first. `cosine` tells how near two of them lie, None without vectors. Found
    again among what is left, the pairs are the same: none depends on one that was merged.
    """
    same: dict[tuple[str, ...], int] = {}
    rarity = Counter(word for text in texts for word in text.words)
    prefixes: defaultdict[str, list[int]] = defaultdict(list)
    for number, text in enumerate(texts):
        prefix = _prefix(text, rarity)
        kept = same.get(text.tokens)
        if kept is None:
            found = sorted({each for word in prefix for each in prefixes[word]})
            alike = (each for each in found if _is_same(texts, each, number, cosine))
            kept = next(alike, None)
        if kept is not None:
            yield number, kept
            continue
        same[text.tokens] = number
        for word in prefix:
            prefixes[word].append(number)


def _prefix(text: Text, rarity: Counter[str]) -> list[str]:
    ordered = sorted(text.words, key=lambda word: (rarity[word], word))
    return ordered[: len(ordered) - math.ceil(OVERLAP * len(ordered)) + 1]


def _is_same(texts: Sequence[Text], kept: int, other: int, cosine: Cosine) -> bool:
    common = overlap(texts[kept], texts[other])
    if common < OVERLAP or not says_all(texts[kept], texts[other]):
        return False
    near = cosine(kept, other)
    return common >= OVERLAP_ALONE if near is None else near >= COSINE
