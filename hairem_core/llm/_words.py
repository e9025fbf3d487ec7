"""What the words of a question and of a statement say: whose it is, and of what."""

import re

from hairem_core.llm._house import fold

_SMALL_WORDS = """
    a about after again all also am an and any are as at be been can could did do does for from get
    had has have he her his how i in is it its know me my of on or our out please recall remember
    remind said say she so still tell that the their theirs them then there they this to told us was
    we were what when where which who whose why will with you your
    put left leave find found keep kept lie lies need
    ai aller alors as au aux avec avons c ce ces cet cette combien comment d dans de des deja dire
    dis dit du elle en es est et etait eu il ils j je l la le les leur m ma mais me mes moi mon n ne
    nos notre nous on ont ou par parle pas pour pourquoi qu quand que quel quelle quelles quels qui
    quoi rappelle rappelles s sa sais savez se ses si sont souviens sur t ta te tes toi ton toujours
    tu un une va vos votre vous y
    mis mettre range pose laisse trouve trouver trouvent
"""
_SMALL = frozenset(_SMALL_WORDS.split())
_KINDS = frozenset(("time", "day", "date", "hour", "heure", "jour", "sort", "kind", "endroit"))
"""Words of what kind the answer is, which need not be in it."""
_SAME = dict.fromkeys(("called", "call", "calls", "named", "nom", "prenom", "appelle"), "name")
_NAME = re.compile(r"(?<=[^\W_]['\s])[^\W\d_a-zà-öø-ÿ][^\W_]+")
_STEM = 5
"""Letters by which two words count as one: `anniversaire`, `anniversaires`."""
_ORDERS = re.compile(
    r"\b(?:remind|tell|show|give) me\b|\b(?:rappelle|dis|montre|donne)[- ]moi\b|\bcan i\b"
)
_FIRST_PERSON = re.compile(r"\b(?:i|me|my|mine|myself|je|moi|mon|ma|mes)\b|\b[jm]'")
_TELLING = re.compile(
    r"\bdid i (?:tell|say|ask)|\bhave i (?:told|said|asked)"
    r"|\bje t'a|\bt'ai[- ]je|\bai[- ]je dit|\bj'ai dit"
)
_RELATIVES = """
    mother mum mom father dad sister brother son daughter wife husband partner girlfriend boyfriend
    baby grandmother grandfather aunt uncle cousin niece nephew friend colleague neighbour roommate
    boss teacher mere maman pere papa soeur frere fils fille femme mari compagne compagnon copine
    copain bebe grand-mere grand-pere tante oncle cousine neveu ami amie collegue voisin voisine
    patron chef chien chienne chat chatte dog cat
"""
_RELATIVE_SUBJECT = re.compile(
    r"^(?:and |but |well |et |mais )?(?:my|our|mon|ma|mes|notre|nos) "
    rf"(?:\w+ )?(?P<who>{'|'.join(_RELATIVES.split())})s?\b"
)
_OWNERS = re.compile(
    r"\b(?P<of>[^\W\d_]{2,})'s? (?=\w)|\bd(?:e|u|es) (?:mon|ma|mes|son|sa|ses) (?P<de>[\w-]+)"
)
_IS = frozenset({"it", "that", "what", "there", "here", "he", "she", "who", "let"})
_ARTICLE = re.compile(r"^(?:the|a|an|le|la|les|l'|un|une|des) ?")
_REMEMBER = re.compile(
    r"^\W*(?:please )?(?:remember|note|souviens[- ]toi|retiens|note[sz]?)(?: bien)?"
    r"(?: that\b| que\b| qu')?[\s:,]*(?P<what>.+)",
    re.IGNORECASE | re.DOTALL,
)
_ASKS_TO = (
    r"(?:[\w-]+, )?(?:(?:please|hey|ok|s'il te plait|stp)[ ,]+)*"
    r"(?:(?:can|could|would|will) you (?:please )?|(?:i want|i'd like|i need) you to "
    r"|you (?:can|must|should) |(?:peux|pourrais|veux)[- ]tu |pou(?:vez|rriez)[- ]vous "
    r"|tu (?:peux|dois|devrais) |je veux que tu |il faut (?:que tu )?)?(?:please |now |just )?"
)
_FORGET = re.compile(
    rf"^\W*{_ASKS_TO}"
    r"(?:forget|oublie[sz]?|oublier)\b(?![-'])"
    rf"|^\W*{_ASKS_TO}(?:erase|delete|remove|efface[rsz]?|supprime[rsz]?)\b.*"
    r"(?:\bmemory\b|\bmemoire\b|\bwhat (?:i|you)\b|\bthat (?:i|my|he|she|we|the)\b|\bce que\b"
    r"|\bque (?:je|mon|ma|mes|j')|\bsouvenirs?\b|\bmemories\b)"
)


def told_to_remember(text: str) -> str | None:
    """Return what a sentence asks to remember; None where it does not ask that."""
    told = _REMEMBER.match(text)
    return told["what"].strip().rstrip(".") if told else None


def wants_forgotten(text: str) -> bool:
    """Return whether a sentence asks to forget something."""
    return _FORGET.match(_plain(text)) is not None


def is_of_asker(question: str) -> bool:
    """Return whether a question is about whoever asks it."""
    return _FIRST_PERSON.search(_ORDERS.sub("", _plain(question))) is not None


def is_of_telling(question: str) -> bool:
    """Return whether a question is about what the asker said, whatever of."""
    return _TELLING.search(_plain(question)) is not None


def is_of_speaker(statement: str) -> bool:
    """Return whether a statement is about who says it, and not only about someone of theirs."""
    said = _plain(told_to_remember(statement) or statement)
    return _FIRST_PERSON.search(said) is not None and _RELATIVE_SUBJECT.match(said) is None


def subject(statement: str) -> set[str]:
    """Return the stems of what a statement begins with, which it most likely is about."""
    said = _plain(told_to_remember(statement) or statement)
    if relative := _RELATIVE_SUBJECT.match(said):
        return stems(relative["who"])
    first = re.findall(r"[\w-]+", _ARTICLE.sub("", said))[:1]
    return stems(" ".join(first))


def owners(statement: str) -> set[str]:
    """Return the stems of those whose things a statement tells of, other than the speaker's."""
    found = (each["of"] or each["de"] for each in _OWNERS.finditer(_plain(statement)))
    return stems(" ".join(each for each in found if each not in _IS))


def names(question: str) -> set[str]:
    """Return the stems of names in a question: words with a capital that do not begin it."""
    words = _NAME.findall(question.replace("\u2019", "'"))
    return set().union(*map(stems, words))


def bare(text: str) -> str:
    """Return a text in which only its words count."""
    return " ".join(re.findall(r"\w+", _plain(text)))


def stems(text: str) -> set[str]:
    """Return the stems of the words of a text that say something."""
    words = [
        word
        for word in re.findall(r"\w+", _plain(text))
        if word not in _SMALL and (len(word) > 1 or word.isdigit())
    ]
    telling = [word for word in words if word not in _KINDS] or words
    return {_stem(_SAME.get(word, word)) for word in telling}


def _stem(word: str) -> str:
    bare = word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
    return bare[:_STEM]


def _plain(text: str) -> str:
    return fold(text.replace("\u2019", "'")).replace("\u0153", "oe")
