"""Requests to forget something: they state nothing, whatever they speak of."""

import re

from hairem_core.memory.interpret.text import plain, sentences

_TO_FORGET = re.compile(
    r"\W*(?:(?:hey|ok|okay|no|well|also|and|actually|please|non|et|bon|alors|en fait"
    r"|s'il (?:te|vous) plait|stp)\b[\s,]*)*"
    r"(?:(?:can|could|would|will) you |you (?:can|should|must|may|have to) |i(?:'d like| want) you"
    r" to |(?:peux|pourrais|veux)[- ]tu |(?:pouvez|pourriez)[- ]vous |(?:tu|vous) (?:peux|dois"
    r"|devrais|pourrais|pouvez|devez) |il faut (?:que (?:tu|vous) )?|j'aimerais que (?:tu|vous) "
    r"|je (?:veux|voudrais) que (?:tu|vous) )?"
    r"(?:(?:please|just|now|bien|vite|s'il (?:te|vous) plait)\b,? )*"
    r"(?:forget|oubli(?:e|es|er|ez))\b(?!-me|,? (?:pas|jamais|not)\b)(?P<told>,? "
    r"(?:about |all |everything |tout |completement )?(?:that |what |ce que |ce qu'|que |qu'))?"
)
_NAMED = re.compile(r"[A-Z][\w-]{2,},\s+(?=\S)")
_JOINED = re.compile(r"\s*[,:]\s+|\s+-\s+|\s+(?=(?:but|because|mais|car)\b)")
_POLITE = re.compile(
    r"\W*(?:(?:please|thanks?|thank you|merci|s'il (?:te|vous) plait|stp|ok)\b\W*)*"
)


def stated(text: str) -> str:
    """Return what was said without requests to forget something; all of it where there is none.

    "Forget Friday, the dentist is on Monday" still says when the dentist is.
    """
    said = sentences(text)
    left = [_left(each) for each in said]
    return text if left == said else " ".join(filter(None, left))


def _left(sentence: str) -> str:
    named = _NAMED.match(sentence)
    start = named.end() if named else 0
    bare = plain(sentence)
    request = _TO_FORGET.match(bare, start)
    if request is None:
        return sentence
    if request["told"]:
        return ""  # all that follows is what is to be forgotten
    joint = _JOINED.search(bare, request.end())
    if joint is None or _POLITE.fullmatch(bare, joint.end()):
        return ""
    return sentence[joint.end() :]
