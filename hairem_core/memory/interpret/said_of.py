"""Facts made of what a predicate says of a subject."""

import re
from collections.abc import Callable

from hairem_core.memory.interpret import people
from hairem_core.memory.interpret.entities import Mention, entity_key
from hairem_core.memory.interpret.extracted import ExtractedFact, Link
from hairem_core.memory.interpret.slots import canonical, kind_of_value, value_of
from hairem_core.memory.interpret.subjects import Subject, name_in
from hairem_core.memory.interpret.told import Told
from hairem_core.memory.interpret.values import is_job, is_worth, items_of
from hairem_core.memory.interpret.vocabulary import (
    COLOURS,
    INSTRUMENTS,
    KEEPABLES,
    KEEPING_PLACES,
    LANGUAGES_SPOKEN,
    NEVER_KEPT,
    PETS,
    ROLES,
)

_MOST_WORDS = 4
"""Of one thing in a list."""
_MOST_WORDS_OF_A_THING = 4
_NO_TASTE = re.compile(r"(?:to |when |that |if |how |being |seeing |the |all |my |quand |que )")
"""What is liked here and now: the energy, the way it turned out."""
_DISLIKES = re.compile(r"^(?:hate|dislike|detest|loathe|can|cannot|hai|horreur|deteste)")


_MOST_WORDS = 4
"""Of one thing in a list."""
_NO_TASTE = re.compile(r"(?:to |when |that |if |how |being |seeing |the |all |my |quand |que )")
"""What is liked here and now: the energy, the way it turned out."""
_DISLIKES = re.compile(r"^(?:hate|dislike|detest|loathe|can|cannot|hai|horreur|deteste)")


def facts_of(
    what: str, subject: Subject, match: re.Match[str], text: str, speaker: str
) -> list[ExtractedFact]:
    """Return the facts of a clause that fits the predicate `what`; none if its value is none."""
    told = Told(subject=subject, match=match, text=text, speaker=speaker)
    return _MAKERS[what](told)


def _lives(told: Told) -> list[ExtractedFact]:
    start, value = told.match.start("v"), told.group("v") or ""
    end = _WHEN.search(value + " ")
    place = name_in(told.text, start, start + (end.start() if end else len(value)))
    if place is None:
        where = _homes(told) if re.match(r"(?:a|an|the|une?|la|le|l') ?", value) else None
        return [where] if where else []
    mention = Mention(key=entity_key(place, "place"), name=place, kind="place")
    link = Link(kind="lives_in", source=told.subject.key, target=mention.key)
    return [
        told.fact(
            "lives_in",
            value_of(place),
            0.75,
            spoken=place,
            mentions=(mention,),
            links=() if told.gone else (link,),
            retracts=told.gone,
        )
    ]


_WHEN = re.compile(
    r",| (?:in|with|near|avec|pres|depuis|since|last|this|a (?:year|month|week|few)|\d+ \w+ ago"
    r"|two|three|recently|yesterday|today"
    r"|now|for|because|on|after|before|il y a|le mois|l'annee|la semaine|cette|hier|maintenant"
    r"|desormais|dans|apres|avant|pour"
    r"|nowadays|these|any ?more|again|au mois|en \d|en (?:janv|fev|mars|avr|mai|juin|juil|aout"
    r"|sept|oct|nov|dec))\b| $"
)
"""What comes behind a place."""
_HOME = re.compile(
    r"(?:\w+ ){0,4}(?:house|flat|apartment|countryside|farm|village|city|suburbs|maison"
    r"|appartement|campagne|ferme"
    r"|ville|banlieue|studio|cottage|bungalow)\b"
)


def _homes(told: Told) -> ExtractedFact | None:
    value = told.group("v") or ""
    if told.gone or told.denied or not _HOME.match(value) or not is_worth(value):
        return None
    return told.fact(None, value_of(value), 0.6)


def _born(told: Told) -> list[ExtractedFact]:
    value = told.spoken()
    kind = kind_of_value(value)
    if kind == "time" or re.match(r"(?:the )?\d", value):
        return [told.fact("birthday", value_of(value), 0.8, spoken=value)]
    if (place := told.name()) is None:
        return []
    mention = Mention(key=entity_key(place, "place"), name=place, kind="place")
    return [told.fact("birthplace", value_of(place), 0.7, spoken=place, mentions=(mention,))]


def _from(told: Told) -> list[ExtractedFact]:
    if (place := told.name()) is None or not place[0].isupper():
        return []
    mention = Mention(key=entity_key(place, "place"), name=place, kind="place")
    return [told.fact("from", value_of(place), 0.65, spoken=place, mentions=(mention,))]


def _works(told: Told) -> list[ExtractedFact]:
    value, plain_value = told.spoken(), told.group("v") or ""
    end = _WHEN.search(plain_value + " ")
    value = value[: end.start()] if end else value
    where = re.match(r"(?:the|a|an|la|le|l'|une?|an?) ?\w+", told.group("v") or "")
    named = any(each[:1].isupper() for each in value.split())
    if not (where or named) or not is_worth(told.group("v") or ""):
        return []
    return [told.fact("works_at", value_of(value), 0.7, spoken=value, retracts=told.gone)]


def _job(told: Told) -> list[ExtractedFact]:
    value = value_of(told.group("v") or "")
    if not is_job(value):
        return []
    return [told.fact("job", value, 0.7, spoken=told.spoken(), retracts=told.gone)]


def _listed(
    told: Told, family: str, importance: float, *, retracts: bool = False, value: str | None = None
) -> list[ExtractedFact]:
    """Return one fact of each thing that is listed, in the words said, without the others."""
    start, end = told.match.span("v")
    facts = []
    for a, b in items_of(told.text[start:end]):
        item = told.text[start + a : start + b].strip(" .,!")
        key = _singular(value_of(item))
        if not is_worth(key, most_words=_MOST_WORDS):
            return []  # what is no list is torn apart
        facts.append(
            told.fact(
                f"{family}:{key}",
                value or key,
                importance,
                content=f"{told.text[:start]}{item}{told.text[end:]}".strip(" .,;:!"),
                retracts=retracts,
            )
        )
    return facts


def _singular(key: str) -> str:
    """Return a thing as a slot names it: a peanut allergy is one to peanuts."""
    return re.sub(r"(?<=[^\W\d_]{3}[^siu])s$", "", key)


def _allergy(told: Told) -> list[ExtractedFact]:
    return _listed(told, "allergy", 0.85, retracts=told.gone)


def _diet(told: Told) -> list[ExtractedFact]:
    value = re.sub(r"(?<=vegetarien)ne|(?<=vegan)e|(?<=vegetalien)ne|s$", "", told.group("v") or "")
    gone = told.gone or told.denied
    return [told.fact("diet", value, 0.8, spoken=told.spoken(), retracts=gone)]


def _eats(told: Told) -> list[ExtractedFact]:
    return _listed(told, "eats", 0.75, value="no")


def _condition(told: Told) -> list[ExtractedFact]:
    value = value_of(told.group("v") or "")
    return [told.fact(f"condition:{value}", value, 0.85)]


def _age(told: Told) -> list[ExtractedFact]:
    return [told.fact("age", told.group("v") or "", 0.6, spoken=told.spoken())]


def _taste(told: Told) -> list[ExtractedFact]:
    dislikes = told.denied or bool(_DISLIKES.match(told.group("verb") or ""))
    if _NO_TASTE.match(told.group("v") or "") and not told.spoken()[4:5].isupper():
        return []
    return _listed(told, "taste", 0.6, value="dislikes" if dislikes else "likes")


def _prefers(told: Told) -> list[ExtractedFact]:
    value = value_of(told.group("v") or "")
    if not is_worth(value, most_words=6) or value.startswith(("to ", "that ")):
        return []
    if value in COLOURS.values():
        return [told.fact("favourite colour", value, 0.65, spoken=told.spoken())]
    if other := told.group("w"):
        pair = "/".join(sorted((value, value_of(other))))
        return [told.fact(f"preference:{pair}", value, 0.65)]
    return [told.fact(f"taste:{_singular(value)}", "likes", 0.65)]


def _keeps(told: Told) -> list[ExtractedFact]:
    thing = canonical(told.group("thing") or "")
    place = told.group("v") or ""
    if not is_put_away(thing, place) or not is_worth(place, most_words=10):
        return []
    place = location_of(place)
    return [
        told.fact(
            "location",
            place,
            0.75,
            spoken=told.spoken(),
            subject=entity_key(thing, "thing"),
        )
    ]


def location_of(value: str) -> str:
    """Return a place of a thing as it is compared with another one: moved to is as kept in."""
    return re.sub(r"^(?:to|into|inside|within) ", "in ", value_of(value))


def is_put_away(thing: str, place: str) -> bool:
    """Return whether a thing that is in a place will be looked for there."""
    if is_keepable(thing):
        return True
    things, places = set(thing.split()), re.findall(r"[\w-]+", place)
    known = PETS | ROLES | NEVER_KEPT
    if (
        not things
        or len(thing.split()) > _MOST_WORDS_OF_A_THING
        or things & known
        or thing in known
    ):
        return False
    return not KEEPING_PLACES.isdisjoint(places)


def is_keepable(thing: str) -> bool:
    """Return whether a thing is one of those that people put away and look for."""
    words = thing.split()
    return (
        thing in KEEPABLES
        or words[0] in {"spare", "first"}
        or words[-1] in KEEPABLES
        or words[-1].removesuffix("s") in KEEPABLES
    )


def _speaks(told: Told) -> list[ExtractedFact]:
    facts = _listed(told, "speaks", 0.55)
    return [each for each in facts if each.value in LANGUAGES_SPOKEN]


def _studies(told: Told) -> list[ExtractedFact]:
    value = value_of(told.group("v") or "")
    return [told.fact("studies", value, 0.6, spoken=told.spoken())] if is_worth(value) else []


def _plays(told: Told) -> list[ExtractedFact]:
    value = value_of(told.group("v") or "")
    if value not in INSTRUMENTS:
        return []
    return [told.fact(f"plays:{value}", value, 0.55)]


_MAKERS: dict[str, Callable[[Told], list[ExtractedFact]]] = {
    "lives": _lives,
    "born": _born,
    "from": _from,
    "works": _works,
    "job": _job,
    "name": people.name,
    "called": people.called,
    "allergy": _allergy,
    "diet": _diet,
    "eats": _eats,
    "condition": _condition,
    "age": _age,
    "taste": _taste,
    "prefers": _prefers,
    "has": people.has,
    "keeps": _keeps,
    "trusts": people.trusts,
    "knows": people.knows,
    "married": people.married,
    "speaks": _speaks,
    "studies": _studies,
    "plays": _plays,
    "is_role": people.is_role,
    "died": people.died,
}
