"""Who and what is spoken of: keys by which the same one is met again, and names in a sentence."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from hairem_core.memory.interpret.text import folded, plain

type EntityKind = Literal["person", "place", "thing"]

MOST_ENTITIES = 12
"""Names that are taken from one sentence."""
_LEADING = re.compile(
    r"^(?:the|a|an|my|our|your|his|her|their|le|la|les|l'|un|une|des|mon|ma|mes|ton"
    r"|ta|tes|notre|nos|votre|vos|son|sa|ses)(?:\s+|(?<=')\s*)"
)
_NOT_NAMES = """
    i a an the this that these those my our your his her its their he she it we you they there here
    who what when where why how which is are was were do does did can could will would should have
    has had yes no not ok okay hi hello hey bye good well please thanks thank sorry today tomorrow
    yesterday tonight now then also and but or if so because actually maybe perhaps remember note
    call turn switch open close play stop start set tell show add remind let make give in on at to
    for from with of oh ah wow hmm everyone everybody someone somebody nobody anyone anybody nothing
    something everything all some any one mr mrs ms dr
    monday tuesday wednesday thursday friday saturday sunday january february march april may june
    july august september october november december christmas easter halloween
    english french spanish german italian tv
    je tu il elle on nous vous ils elles ce cet cette ces ça ca c'est mon ma mes ton ta tes son sa
    ses notre nos votre vos leur leurs le la les un une des du de et ou mais donc or ni car si oui
    non salut bonjour bonsoir coucou merci pardon desole aujourd'hui demain hier maintenant alors
    quand comment pourquoi combien quel quelle quels quelles qui que quoi est sont ai as a avons
    avez ont suis es etait voila voici bon bien tout tous toute toutes rien personne quelqu'un
    tiens allume eteins ouvre ferme mets joue dis donne rappelle souviens n'oublie note retiens
    lundi mardi mercredi jeudi vendredi samedi dimanche janvier fevrier mars avril mai juin juillet
    aout septembre octobre novembre decembre noel paques avec chez dans pour sans sous sur par vers
    francais anglais m mme monsieur madame en au aux y d'accord
"""
_NO_NAMES = frozenset(_NOT_NAMES.split())
_WORD = re.compile(r"[^\W\d_](?:[\w-]|['\u2019](?=[^\W\d_]{3}))*")
_ELISION = re.compile(r"^(?:[dlcjmtsn]|qu)['\u2019]", re.IGNORECASE)
_PLACE_BEFORE = re.compile(
    r"(?:\b(?:in|at|to|from|near|towards|around|a|en|au|aux|dans|vers|pres de|depuis)\s+(?:the "
    r"|la |le |les )?(?:l')?)$"
)
_PEOPLE_BEFORE = re.compile(r"\b(?:chez|with|avec|and|et|to see|voir|called|named|appelle)\s+$")
_PEOPLE_TO = re.compile(r"\b(?:give|gave|said|talk|speak|write|parler|parle|dis|donne|confiance)\b")


@dataclass(frozen=True, kw_only=True)
class Mention:
    """Someone or something that is named in a sentence."""

    key: str
    name: str
    kind: EntityKind


def entity_key(name: str, kind: EntityKind = "person", *, owner: str | None = None) -> str:
    """Return the key of someone or something by a name as it was said.

    `name:gaspard` for people and places, `thing:spare key` for things; whom only their owner has,
    such as somebody's sister, is kept apart: `user:anna/sister`. Whoever speaks has the key
    `user:<id>`, which is no name's. Case, accents and articles do not count.
    """
    bare = " ".join(folded(name).split()).strip(" .,;:!?\"'")
    bare = _LEADING.sub("", bare)
    if owner is not None:
        return f"{owner}/{bare}"
    return f"{'thing' if kind == 'thing' else 'name'}:{bare}"


def is_name(word: str) -> bool:
    """Return whether a word, as it was written, can be someone's or some place's name."""
    return word[:1].isupper() and plain(word) not in _NO_NAMES


def could_be_name(word: str) -> bool:
    """Return whether a word can be a name though it may be written in lower case."""
    return bool(word) and word[0].isalpha() and plain(word) not in _NO_NAMES


def entities_of(text: str) -> list[Mention]:
    """Return who and what is named in a text, by capitals, in English or French.

    The first word of a sentence counts only where it cannot be anything but a name: followed by
    another name, or by what people do.
    """
    found: dict[str, Mention] = {}
    for name, start in _names(text):
        before = plain(text[:start])
        is_place = bool(_PLACE_BEFORE.search(before)) and not _PEOPLE_TO.search(before)
        kind: EntityKind = "place" if is_place and not _PEOPLE_BEFORE.search(before) else "person"
        key = entity_key(name, kind)
        found.setdefault(key, Mention(key=key, name=name, kind=kind))
        if len(found) >= MOST_ENTITIES:
            break
    return list(found.values())


def _names(text: str) -> Iterator[tuple[str, int]]:
    """Yield the capitalised names of a text, of one word or several, with their places."""
    run: list[str] = []
    start = end = 0
    for match in _WORD.finditer(text):
        word, at = match.group(), match.start()
        if elided := _ELISION.match(word):
            word, at = word[elided.end() :], at + elided.end()
        word = re.sub(r"['\u2019]s$", "", word)
        if run and text[end:at] == " " and is_name(word):
            run.append(word)
        else:
            if run:
                yield " ".join(run), start
            run, start = ([word], at) if is_name(word) and not _opens(text, at, word) else ([], at)
        end = at + len(word)
    if run:
        yield " ".join(run), start


_DOES = re.compile(
    r"^(?:'s| is| was| has| lives| works| likes| loves| hates| moved| knows| trusts| prefers|"
    r" and [A-Z]"
    r"| est| a | habite| vit| travaille| aime| adore| deteste| prefere| connait| et [A-Z])"
)


def _opens(text: str, at: int, word: str) -> bool:
    """Return whether a word opens a sentence, so that its capital may mean nothing."""
    before = text[:at].rstrip()
    if before and before[-1] not in '.!?;:\n«»"“”':
        return False
    return not _DOES.match(text[at + len(word) :])
