"""Facts of the form "the such-and-such of so-and-so is this": favourites, codes, places."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hairem_core.memory.interpret.attribute_patterns import ATTRIBUTE_PATTERNS, SEEN
from hairem_core.memory.interpret.entities import Mention, entity_key, is_name
from hairem_core.memory.interpret.extracted import ExtractedFact, Link
from hairem_core.memory.interpret.guards import Clause
from hairem_core.memory.interpret.said_of import is_keepable, is_put_away, location_of
from hairem_core.memory.interpret.slots import canonical, kind_of_value, value_of
from hairem_core.memory.interpret.subjects import name_in
from hairem_core.memory.interpret.text import plain
from hairem_core.memory.interpret.values import is_job, is_worth
from hairem_core.memory.interpret.vocabulary import (
    ATTRIBUTES,
    HOUSE_THINGS,
    PARTNERS,
    PETS,
    ROLES,
    SINGLE_ROLES,
)

_NOT_CALLED_WORDS = """
    later back when if tomorrow a an the at on in again crazy anytime before after now as soon maybe
    tonight today whenever old mad by my your stupid names quand plus demain si un une le la pas
"""
_NOT_CALLED = frozenset(_NOT_CALLED_WORDS.split())
_NO_CODE_WORDS = """
    wrong correct right old new long weak secure same invalid missing lost not working changed
    fine safe secret easy hard unknown expired needed strong complicated forgotten private too
    so very really still just trop tres faux bon bonne perdu nouveau vieux long complique change
    expire secret inconnu oublie difficile on in under the
"""
_NO_CODE = frozenset(_NO_CODE_WORDS.split())
_CODE = re.compile(r"[^\s]+(?: [\d-]+| [^\s]+)?")
_DENIED = re.compile(r"^(?:not|no longer|n't|pas|plus|never|jamais)\b")
_VALUE_JUNK = re.compile(
    r"^(?:killing|driving|going|making|being|getting|coming|running|doing|a (?:mess|nightmare"
    r"|joke|pain)|(?:a )?bit"
    r"|just|really|pretty|almost|much|better|worse)\b"
)


@dataclass(frozen=True, kw_only=True)
class _Told:
    match: re.Match[str]
    clause: Clause
    speaker: str
    end: int

    def spoken(self, group: str = "v") -> str:
        start, end = self.match.span(group)
        return self.clause.text[start:end].strip(' .,!?;:"“”«»') if start >= 0 else ""

    def plain(self, group: str) -> str:
        return (self.match.groupdict().get(group) or "").strip(' .,!?;:"')

    def name(self) -> str | None:
        """Return the name of whose it is, as it was written, if it is one."""
        start, end = self.match.span("name") if "name" in self.match.re.groupindex else (-1, -1)
        if start < 0:
            return None
        name = self.clause.text[start:end]
        return name if all(is_name(each) for each in name.split()) else None

    def fact(
        self,
        subject: str,
        slot: str | None,
        value: str,
        importance: float,
        *,
        mentions: tuple[Mention, ...] = (),
        links: tuple[Link, ...] = (),
    ) -> ExtractedFact:
        return ExtractedFact(
            content=self.clause.text[: self.end].strip(" .,;:!"),
            subject=subject,
            slot=slot,
            value=value,
            importance=importance,
            entities=mentions,
            about=tuple(each.key for each in mentions),
            relations=links,
            spoken_value=self.spoken(),
        )


def attributes_of(clause: Clause, speaker: str) -> Iterator[ExtractedFact]:
    """Yield the fact of a clause of this form; nothing where it is another."""
    end = len(clause.plain[: clause.end].rstrip(" .!,"))
    for what, pattern in ATTRIBUTE_PATTERNS:
        match = pattern.fullmatch(clause.plain, 0, end)
        if match is None or _DENIED.match(match["v"]):
            continue
        told = _Told(match=match, clause=clause, speaker=speaker, end=end)
        fact = _MAKERS[what](told)
        if fact is not None:
            yield fact
            return


def _call(told: _Told) -> ExtractedFact | None:
    start, end = told.match.span("v")
    name = name_in(told.clause.text, start, end)
    if name is None or plain(name).split()[0] in _NOT_CALLED:
        return None
    return told.fact(told.speaker, "goes by", value_of(name), 0.8)


def _favourite(told: _Told) -> ExtractedFact | None:
    subject = told.speaker
    mentions: tuple[Mention, ...] = ()
    if told.plain("name"):
        if (name := told.name()) is None:
            return None
        subject, mentions = _person(name)
    value = value_of(told.plain("v"))
    if not is_worth(value) or _NO_FAVOURITE.search(told.plain("noun")):
        return None
    noun = told.plain("noun")
    favourite = "number" if noun in {"number", "chiffre", "nombre"} else canonical(noun)
    slot = f"favourite {favourite}"
    return told.fact(subject, slot, value, 0.65, mentions=mentions)


def _code(told: _Told) -> ExtractedFact | None:
    value = told.plain("v")
    head = canonical(told.plain("head"))
    if head not in {"code", "password"}:
        head = "code"
    words = value_of(value).split()
    spoken = told.spoken()
    if not words or words[0] in _NO_CODE or len(words) > 4 or value in {"it", "that"}:
        return None
    if head == "code" and not any(each.isdigit() for each in spoken) and not spoken.isupper():
        return None
    if head == "password" and len(words) > 2:
        return None
    thing = canonical(told.plain("thing") or told.plain("thing2"))
    code = plain(spoken)
    if not thing:
        mine = told.plain("own") in {"my", "mon", "ma"}
        return told.fact(told.speaker if mine else f"thing:{head}", head, code, 0.75)
    mine = told.plain("own") in {"my", "mon", "ma"}
    if mine and thing not in HOUSE_THINGS:
        return told.fact(told.speaker, f"{thing} {head}", code, 0.75)
    return told.fact(entity_key(thing, "thing"), head, code, 0.75)


def _named(told: _Told) -> ExtractedFact | None:
    if (name := told.name()) is None:
        return None
    subject, mentions = _person(name)
    return _attribute(told, subject, mentions)


def _mine(told: _Told) -> ExtractedFact | None:
    attribute = told.plain("attribute")
    if not attribute:
        return _attribute(told, told.speaker, ())
    role = canonical(told.plain("noun"))
    if role not in ROLES | PETS or not is_worth(told.plain("v")):
        return None
    if canonical(attribute) == "name":
        return _of_role(told, role)
    subject = entity_key(role, owner=told.speaker)
    return told.fact(subject, canonical(attribute), value_of(told.plain("v")), 0.7)


def _attribute(told: _Told, subject: str, mentions: tuple[Mention, ...]) -> ExtractedFact | None:
    """Make of `my noun is value` what kind of noun and value say that it is."""
    noun, value, spoken = told.plain("noun"), told.plain("v"), told.spoken()
    if _FORMER.match(noun):
        return None
    noun = canonical(_NEW.sub("", noun))
    if not is_worth(value) or _VALUE_JUNK.match(value):
        return None
    if noun in ROLES | PETS:
        return _of_role(told, noun) if subject == told.speaker else _relative(told, subject, noun)
    kind = kind_of_value(spoken)
    if noun in ATTRIBUTES:
        return _fitting(told, subject, mentions, noun, kind)
    if kind == "colour":
        return told.fact(subject, f"{noun} colour", value_of(value), 0.55, mentions=mentions)
    if kind == "time":
        return told.fact(subject, f"{noun} time", value_of(value), 0.65, mentions=mentions)
    if kind == "place" and is_worth(value, most_words=10):
        if noun in HOUSE_THINGS or not re.search(
            (r"\b(?:the|a|an|my|our|le|la|les|l'|un|une)\b|[A-Z]"), spoken
        ):
            return None
        if is_keepable(noun) and subject == told.speaker and "key" in noun:
            return told.fact(entity_key(noun, "thing"), "location", location_of(value), 0.75)
        return told.fact(subject, f"{noun} location", value_of(value), 0.6, mentions=mentions)
    if kind == "name" and _INDEFINITE.sub("", spoken)[:1].isupper():
        return told.fact(subject, f"{noun} name", value_of(value), 0.55, mentions=mentions)
    if (made := _INDEFINITE.match(spoken)) and spoken[made.end() :][:1].isupper():
        return told.fact(subject, f"{noun} kind", value_of(value), 0.55, mentions=mentions)
    return None


_NEW = re.compile(r"^(?:new|current|own|nouvelle|nouveau|nouvel|actuelle?) ")
_FORMER = re.compile(
    r"^(?:old|former|previous|ex|late|first|last|next|ancien(?:ne)?|premiere?|derniere?)[ -]"
)
_SEEN = re.compile(
    rf"^(?:(?:rendez-vous|rdv|appointment) (?:chez|avec|with|at) (?:the |le |la |l')?)?"
    rf"(?P<who>{SEEN})$"
)
_NO_FAVOURITE = re.compile(
    r"\b(?:ones?|things?|parts?|way|memory|moment|to|chose|partie|moment|truc)\b"
)
_INDEFINITE = re.compile(r"(?:a|an|une?|the) ", re.IGNORECASE)


def _fitting(
    told: _Told, subject: str, mentions: tuple[Mention, ...], noun: str, kind: str
) -> ExtractedFact | None:
    """Make of an attribute with a name of its own a fact, if the value is one of its kind."""
    value, spoken = told.plain("v"), told.spoken()
    has_digit = any(each.isdigit() for each in value)
    fits = {
        "phone number": sum(each.isdigit() for each in value) >= 3,
        "email": "@" in value or " at " in value,
        "address": has_digit or any(each.isupper() for each in spoken),
        "birthday": kind == "time" and not re.match(r"(?:tomorrow|demain|today|next)", value),
        "shoe size": has_digit,
        "height": has_digit,
        "weight": has_digit,
        "blood type": bool(re.match(r"(?:a|b|ab|o)\W?(?:[+-]|pos|neg|plus|moins|\b)", value)),
        "job": is_job(value),
    }
    if not fits.get(noun, True):
        return None
    if noun in {"name", "surname", ("nickname")} and not name_in(
        spoken, 0, len(spoken), strict=False
    ):
        return None
    importance = 0.8 if noun in {"birthday", "name", "blood type"} else 0.7
    return told.fact(subject, noun, value_of(value), importance, mentions=mentions)


def _of_role(told: _Told, role: str) -> ExtractedFact | None:
    """Make `my wife is Anna`, `my sister's name is Anna`, `mon mari c'est Paul`."""
    start, end = told.match.span("v")
    strict = not told.plain("attribute") and not re.search(r"called|appelle", told.match.group())
    name = name_in(told.clause.text, start, end, strict=strict)
    if name is None:
        return None
    _, mentions = _person(name)
    if role in PETS:
        slot = f"pet:{role}:{value_of(name)}"
    elif role in SINGLE_ROLES:
        slot = "partner" if role in PARTNERS else role
    else:
        slot = f"{role}:{value_of(name)}"
    link = Link(kind="knows", source=told.speaker, target=mentions[0].key)
    return told.fact(told.speaker, slot, value_of(name), 0.75, mentions=mentions, links=(link,))


def _relative(told: _Told, subject: str, role: str) -> ExtractedFact | None:
    """Make `Anna's sister is Julie`."""
    start, end = told.match.span("v")
    if (name := name_in(told.clause.text, start, end)) is None:
        return None
    _, mentions = _person(name)
    if role in SINGLE_ROLES:
        slot = "partner" if role in PARTNERS else role
    else:
        slot = f"{'pet:' if role in PETS else ''}{role}:{value_of(name)}"
    link = Link(kind="knows", source=subject, target=mentions[0].key)
    return told.fact(subject, slot, value_of(name), 0.65, mentions=mentions, links=(link,))


def _place(told: _Told) -> ExtractedFact | None:
    thing = canonical(told.plain("noun"))
    value = told.plain("v")
    if not is_put_away(thing, value) or not is_worth(value, most_words=10):
        return None
    if value.split()[0] == "the" and " to" not in told.match.group():
        return None
    own = told.plain("own")
    mine = own in {"my", "mon", "ma", "mes"} and thing != "spare key"
    where = location_of(value)
    if mine:
        return told.fact(told.speaker, f"{thing} location", where, 0.7)
    return told.fact(entity_key(thing, "thing"), "location", where, 0.75)


def _when(told: _Told) -> ExtractedFact | None:
    if kind_of_value(told.spoken()) != "time":
        return None
    return told.fact(
        "thing:bin", "day", value_of(re.sub(r"^(?:on|le|les) ", "", told.plain("v"))), 0.6
    )


def _event(told: _Told) -> ExtractedFact | None:
    if kind_of_value(told.spoken()) != "time":
        return None
    noun = told.plain("noun")
    seen = _SEEN.search(noun)
    noun = f"{canonical(seen['who'])} appointment" if seen else canonical(noun)
    thing = entity_key(noun, "thing")
    return told.fact(thing, "time", value_of(told.plain("v")), 0.65)


def _cause(told: _Told) -> ExtractedFact | None:
    a, b = told.plain("a"), told.plain("v")
    if not (is_worth(a, most_words=4) and is_worth(b, most_words=5)):
        return None
    cause, effect = entity_key(a, "thing"), entity_key(b, "thing")
    link = Link(kind="caused", source=cause, target=effect)
    mention = Mention(key=effect, name=told.spoken(), kind="thing")
    return told.fact(cause, None, b, 0.5, mentions=(mention,), links=(link,))


def _person(name: str) -> tuple[str, tuple[Mention, ...]]:
    key = entity_key(name)
    return key, (Mention(key=key, name=name, kind="person"),)


_MAKERS = {
    "call": _call,
    "favourite": _favourite,
    "code": _code,
    "named": _named,
    "place": _place,
    "mine": _mine,
    "when": _when,
    "event": _event,
    "cause": _cause,
}
