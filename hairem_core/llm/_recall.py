"""Finding the answer to a question in what the prompt remembers, without a model."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hairem_core.llm._house import fold
from hairem_core.sdk.chat import ChatMessage
from hairem_core.sdk.recollection import ANSWERS

_LINE = re.compile(
    r"- (?:(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d) )?(?:(?P<who>user|agent)(?: (?P<name>[^:\n]+))?: )?"
    rf"(?P<text>.+?)(?P<answers> {re.escape(ANSWERS)})?$",
    re.MULTILINE,
)
_ABOUT_MEMORY = re.compile(
    r"\bwhat (?:did|have|had) (?:i|we) (?:tell|told|say|said|ask|asked)\b|"
    r"\bdo you (?:remember|recall)\b|"
    r"\bwhat do you (?:remember|recall|know about)\b|\bremind me\b|"
    r"\bqu'est-ce que (?:je|nous) t'a\w+|\bque t'ai-je\b|\bqu'ai-je dit\b|"
    r"\bte (?:souviens|rappelles)[- ]tu\b|\btu te (?:souviens|rappelles)\b|\brappelle[- ]moi\b|"
    r"\bque sais-tu (?:de|sur)\b|\bqu'est-ce que tu sais (?:de|sur)\b",
    re.IGNORECASE,
)
_QUESTION = re.compile(
    r"^(?:what|where|when|who|which|how|why|is|are|was|were|do|does|did|have|has|"
    r"que|qu'|qui|quand|quel|quelle|quels|quelles|o[uù]|comment|pourquoi|combien|est-ce)\b|\?\s*$",
    re.IGNORECASE,
)
_SMALL_WORDS = """
    a about again all am an and any are as at ask be been can could did do does for from had has
    have how i in is it its know me my of on or our out please recall remember remind said say so
    tell that the their them there they this to told us was we were what when where which who why
    will with you your ai aller alors as au aux avec avons c ce ces cet cette combien comment d
    dans de des dire dis dit du elle en es est et etait eu il ils j je l la le les leur m ma mais
    me mes moi mon n ne nos notre nous on ont ou par pas pour pourquoi qu quand que quel quelle
    quelles quels qui quoi rappelle rappelles s sa sais se ses si son sont souviens sur t ta te
    tes toi ton tu un une va vos votre vous y
"""
_SMALL = frozenset(_SMALL_WORDS.split())
_NAME = re.compile(r"(?<=[^\W_]['\s])[^\W\d_a-zà-öø-ÿ][^\W_]+")
_STEM = 5
"""Letters by which two words count as one: `anniversaire`, `anniversaires`."""


@dataclass(frozen=True)
class Remembered:
    """One thing that was said; `at` is local time in words, or None when it was just now."""

    text: str
    at: str | None = None
    by_user: bool = True
    name: str | None = None
    """Of who said it, where it is known."""
    is_answer: bool = False
    """Whether memory says that it tells just what is asked."""


def statements(messages: Sequence[ChatMessage]) -> list[Remembered]:
    """Return what a prompt remembers, oldest first: recalled lines, then this conversation."""
    found: list[Remembered] = []
    for message in messages:
        if message.role == "system" and message.name == "memory":
            for line in _LINE.finditer(message.content):
                who = line["who"]
                found.append(
                    Remembered(
                        line["text"],
                        line["at"],
                        by_user=who != "agent",
                        name=line["name"],
                        is_answer=line["answers"] is not None,
                    )
                )
    said = [Remembered(each.content) for each in messages if each.role == "user"]
    found += said[:-1]
    # What it said itself, and what it was asked before, is not a source.
    return [each for each in found if each.by_user and not is_question(each.text)]


def asks_memory(text: str) -> bool:
    """Return whether a sentence asks what is remembered, in so many words."""
    return _ABOUT_MEMORY.search(text) is not None


def is_question(text: str) -> bool:
    """Return whether a sentence is a question."""
    return _QUESTION.search(text.strip()) is not None or asks_memory(text)


def find(question: str, known: Sequence[Remembered], *, limit: int = 3) -> list[Remembered]:
    """Return what answers a question, best first; the last ones said, if it asks for no subject.

    What memory says tells it; else by words: a plain question wants half of its words found, one
    that asks for a memory is content with one. Whom it names must have said it, or be named.
    """
    if answers := [each for each in reversed(known) if each.is_answer]:
        return answers[:limit]
    wanted = _stems(question)
    if not wanted:
        return list(reversed(known[-limit:])) if asks_memory(question) else []
    named = _names(question)
    known = [each for each in known if named <= _stems(f"{each.name or ''} {each.text}")]
    enough = 1 if asks_memory(question) else max(1, (len(wanted) + 1) // 2)
    scored = [(len(wanted & _stems(each.text)), index, each) for index, each in enumerate(known)]
    best = max((score for score, _, _ in scored), default=0)
    # Of two that match alike, the later one is more likely still true.
    ranked = sorted(scored, key=lambda item: item[:2], reverse=True)
    return [each for score, _, each in ranked if score >= enough and score == best][:limit]


def _names(question: str) -> set[str]:
    """Return the stems of names in a question: words with a capital that do not begin it."""
    words = _NAME.findall(question.replace("\u2019", "'"))
    return set().union(*map(_stems, words))


def _stems(text: str) -> set[str]:
    return {
        word[:_STEM]
        for word in re.findall(r"\w+", fold(text.replace("\u2019", "'")))
        if word not in _SMALL and (len(word) > 1 or word.isdigit())
    }
