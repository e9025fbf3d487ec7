"""What a fact says of its subject, under one name for all the words that people have for it.

An update of the same thing in other words, or in the other language, must meet the old fact; two
things of which one may have several must never meet.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable
from functools import cache
from typing import Literal

from hairem_core.memory.interpret.text import folded, plain
from hairem_core.memory.interpret.vocabulary import COLOURS, NOUNS, PETS, ROLES

type ValueKind = Literal["colour", "place", "time", "number", "name", "other"]

_SHADES = r"(?:(?:dark|light|deep|bright|pale|navy|royal|sky|emerald|bottle)[ -])?"
_SHADED = r"(?: (?:fonce|clair|vif|pale|marine|ciel|emeraude|turquoise)e?s?)?"
_COLOUR = re.compile(rf"(?:the |le |la |l')?{_SHADES}(?P<base>{'|'.join(COLOURS)}){_SHADED}")

_ARTICLE = re.compile(
    r"^(?:the|a|an|some|my|our|all|le|la|les|l'|un|une|du|de la|de l'|des|de|d'|mon|ma|mes|notre"
    r"|nos"
    r"|au|aux|a la|a l'|a)(?:(?<=')| +)"
)
_TRAILING = re.compile(
    r"(?:[ ,]+(?:lately|now|nowadays|these days|any ?more|any longer|too|as well|again|instead"
    r"|though|please|actually|by the way|okay|ok|really|currently|today|at the moment|right now"
    r"|from now on|very much|a lot|so much|so|the most|best|most|maintenant|desormais|a present"
    r"|aussi|en fait|du coup|dorenavant|plutot|hein|tu sais|voila|beaucoup|vraiment|finalement"
    r"|depuis peu|stp|le plus))+$"
)


def canonical(noun: str) -> str:
    """Return the one name of a thing, given any of the words that people have for it."""
    bare = _TRAILING.sub("", " ".join(plain(noun).split()).strip(" .,!'\""))
    bare = _ARTICLE.sub("", bare)
    if bare in NOUNS:
        return NOUNS[bare]
    if bare.endswith("s") and bare[:-1] in NOUNS:
        return NOUNS[bare[:-1]]
    head, _, rest = bare.partition(" ")
    # The cellar key and la clé de la cave; a guest wifi stays one's own.
    if of := re.fullmatch(r"(.+?) (?:de la|de l'|du|des|de|d'|for the|to the|of the) ?(.+)", bare):
        thing, whole = canonical(of[1]), canonical(of[2])
        return f"{whole} {thing}"
    if rest:
        return f"{head} {canonical(rest)}" if rest in NOUNS else bare
    return bare


def value_of(text: str) -> str:
    """Return a value as it is compared with another one: without what does not belong to it."""
    bare = _TRAILING.sub("", " ".join(plain(text).split()).strip(" .,!?;:\"'«»“”"))
    if _TIME.match(bare):
        return re.sub(r"^(?:(?:on|at|the|le|les) )+", "", bare)
    if colour := _COLOUR.fullmatch(bare):
        # Dark green and green are two.
        return re.sub(rf"\b{colour['base']}\b", COLOURS[colour["base"]], _ARTICLE.sub("", bare))
    return " ".join(_ARTICLE.sub("", bare).split())


_PREPOSITION = re.compile(
    r"(?:in|on|under|underneath|behind|inside|beside|next to|above|below|near|by|at|between|in"
    r" front of|with"
    r"|on top of|at the back of|outside"
    r"|dans|sur|sous|derriere|devant|au-dessus|au dessus|en dessous|pres|a cote|chez|entre|a"
    r" l'interieur"
    r"|au|aux|en|a l'entree)\b"
)
_TIME = re.compile(
    r"(?:(?:on|at|every|in|each|le|les|a|en|tous les|chaque|next|this|vers|around|the)\s+)*"
    r"(?:(?:mon|tues|wednes|thurs|fri|satur|sun)days?|(?:lundi|mardi|mercredi|jeudi|vendredi|samedi"
    r"|dimanche)s?|tomorrow|demain|noon|midnight|midi|minuit"
    r"|\d{1,2}(?:st|nd|rd|th|er)?(?: of)? (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|fev"
    r"|avr|mai|jui"
    r"|aou|dec)\w*|(?:january|february|march|april|may|june|july|august|september|october|november"
    r"|december|janvier|fevrier|mars|avril|mai|juin|juillet|aout|septembre|octobre|novembre"
    r"|decembre)\b"
    r"|\d{1,2}(?:[:h.]\d{0,2})?\s?(?:am|pm|a\.m|p\.m|o'clock|h\b|heures?)|\d{1,2}[:h]\d{2}"
    r"|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4})"
)
_NUMBER = re.compile(r"[+#*]?\d[\d .,/+#*-]*(?:[a-z%°]{0,3})?")


def kind_of_value(value: str) -> ValueKind:
    """Return what kind of thing a value is, as it was said."""
    bare = _TRAILING.sub("", plain(value).strip(" .,!"))
    if _COLOUR.fullmatch(bare):
        return "colour"
    if _TIME.match(bare):
        return "time"
    if _NUMBER.fullmatch(bare):
        return "number"
    if value.startswith("à ") or _PREPOSITION.match(bare):
        return "place"
    return "name" if value.strip()[:1].isupper() else "other"


_SINGLE = re.compile(
    r"favourite .+|lives_in|works_at|job|birthday|birthplace|from|name|goes by|surname|nickname"
    r"|age|diet|location"
    r"|code|password|day|time|partner|mother|father|boss|doctor|dentist|hairdresser|phone number"
    r"|email|address"
    r"|shoe size|blood type|height|weight|licence plate|star sign|studies"
    r"|.+ (?:colour|location|time|code|password|name|kind|count)"
)


@cache
def words_of_slot(slot: str) -> str:
    """Return the words, English and French, by which people ask for what a slot holds.

    "Where does she live?" has no word in common with "I moved to Lyon".
    """
    known = _ASKED_BY.get(slot.partition(":")[0], "")
    names = slot.replace("_", " ").replace(":", " ").split()
    others = (word for name in names for word in _OTHER_WORDS.get(name, ()))
    return " ".join(dict.fromkeys([*known.split(), *names, *others]))


@cache
def _asking_words(slot: str) -> tuple[frozenset[str], ...]:
    """Return groups of words, of each of which a question for a slot has one."""
    if known := _ASKED_BY.get(slot):
        return (_with_and_without_accents(known.split()) - _MANY_MEANINGS,)
    names = slot.replace("_", " ").split()
    return tuple(_with_and_without_accents({name, *_OTHER_WORDS.get(name, ())}) for name in names)


def words_of_question(text: str) -> frozenset[str]:
    """Return the words of a question, with and without accents, for `is_asked_for`."""
    written = unicodedata.normalize("NFC", text).casefold()
    return _with_and_without_accents(_WORD.findall(written))


def is_asked_for(slot: str, words: Collection[str]) -> bool:
    """Return whether a question with these words, of `words_of_question`, asks for what a slot
    holds.

    It has to be said: of several favourites, "What is my favourite colour?" asks for one.
    """
    groups = _asking_words(slot)
    return bool(groups) and all(not group.isdisjoint(words) for group in groups)


def _with_and_without_accents(words: Iterable[str]) -> frozenset[str]:
    written = frozenset(words)
    return written | {folded(each) for each in written - _ANOTHER_WITHOUT_ACCENTS}


_WORD = re.compile(r"[^\W_]+")
_ANOTHER_WITHOUT_ACCENTS = frozenset({"né", "rangé", "même"})
"""Words that are others without their accents: `ne` is no birth, `mémé` a grandmother."""
_ASKED_BY = {
    "lives_in": "live lives living home house address habite habites habitent maison adresse",
    "works_at": "work works working job company employer travaille travailles travail boulot "
    "métier employeur entreprise",
    "job": "work works working job travaille travail boulot métier profession",
    "studies": "study studies studying school university étudie études école université",
    "from": "from born come comes origin né née vient viens origine",
    "birthplace": "born birthplace né née naissance",
    "birthday": "born birthday né née anniversaire naissance",
    "age": "old age years âge ans",
    "name": "name called appelle nom prénom",
    "goes by": "name call called appelle appeler nom surnom",
    "diet": "eat eats diet food mange manger régime nourriture",
    "allergy": "allergic allergies allergique allergies",
    "location": "where find put kept lies où trouve mis rangé",
}
_OF_MUCH_ELSE = (
    "home house maison come comes viens vient where où find trouve put mis kept name call called "
    "appeler old years ans school école eat mange manger food"
)
_MANY_MEANINGS = _with_and_without_accents(_OF_MUCH_ELSE.split())
"""Words by which a slot is asked for, and much else as well."""
_OTHER_WORDS: dict[str, set[str]] = {
    "favourite": {"favorite", "préféré", "préférée", "préférés", "préférées"},
}
for _word, _one in NOUNS.items():
    if " " not in _word and " " not in _one:
        _OTHER_WORDS.setdefault(_one, set()).add(_word)


def family_of(slot: str) -> str:
    """Return what a slot has in common with others of which one may have several: `pet:cat`."""
    return slot.rpartition(":")[0]


def is_of_name(slot: str) -> bool:
    """Return whether a slot holds what a relative or an animal is called: `pet:cat:felix`."""
    return family_of(slot).removeprefix("pet:") in ROLES | PETS


def is_single(slot: str) -> bool:
    """Return whether a slot is one of those that have one value at a time, by rule.

    Slots of which one may have several name their value: `allergy:nuts`.
    """
    return ":" not in slot and bool(_SINGLE.fullmatch(slot))
