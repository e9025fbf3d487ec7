"""Whom a question is about: whoever it names, whoever asks for theirs, or a relative of either."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from hairem_core.memory.interpret.entities import could_be_name, entity_key, is_name
from hairem_core.memory.interpret.slots import canonical, is_asked_for, words_of_question
from hairem_core.memory.interpret.text import folded, plain
from hairem_core.memory.interpret.vocabulary import PARTNERS, PETS, ROLES

# All are looked for in folded text, where each apostrophe is the straight one.
_FIRST_PERSON = re.compile(r"\b(?:i|me|my|mine|je|moi|mon|ma|mes)\b|\b[jm]'")
_ACTS = re.compile(r"\b(?:i|we|je|nous)\b|\bj'")
_FRENCH = re.compile(
    r"\b(?:qu[ei]|quel\w*|ou|est|le|la|les|des|du|de|a-t-(?:il|elle)|dans)\b|\b[dlnsqj]'"
)
_MINE = re.compile(r"\b(?:my|our|mon|ma|mes|notre|nos) ")
_WORD = re.compile(r"[^\W\d_][\w-]*")
_PHRASE = re.compile(r"[^\W\d_][\w-]*(?: [^\W\d_][\w-]*){0,2}")
"""What somebody is to another, in three words at most: `little brother`."""
_BESIDE = re.compile(
    r"(?:(?:two|three|four|both|dear|other|deux|trois|quatre|chere?s?|autres?) )+(?=\w)"
)
_VERB_EN = r"(?:lives?|living|works?|working|stud(?:y|ies|ying)|born|eats?|moved?|comes? from)\b"
_VERB_FR = r"(?:habit\w+|vi(?:t|vent)|travaill\w+|boss\w+|etudi\w+|mang\w+|nee?s?|vien(?:t|nent))\b"
_DOES = re.compile(rf" (?:{_VERB_EN}|{_VERB_FR})")
_DONE_BY = re.compile(rf"\b{_VERB_FR}(?:-t-(?:il|elle))? (?:le |la |les |l')?$")
_OWNS = re.compile(r"'s?(?: (?P<what>[\w-]+))?(?!\w)")
_OWNED_BY = re.compile(r"(?:(?P<what>[\w-]+) )?(?:\b(?:of|de|du|des) (?:the |la |l')?|\bd')$")
_OF_NAMED = re.compile(r"(?P<phrase>[\w-]+(?: [\w-]+)?) (?:of |de |d')$")
_NAMING = frozenset({"name", "names", "named", "called", "appelle", "appellent", "nom", "prenom"})
"""Words by which it is asked what somebody is called."""
_WHO_IS = re.compile(r"\W*(?:who(?: is|'s| are)|qui (?:est|sont))(?: the| le| la| l'| les)? ?")
_MOST_WORDS = 3
"""Of a name by which only others speak of somebody."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """Someone of whom something is asked."""

    key: str
    """Address, or key of whom only others speak."""
    relation: str | None = None
    """What they are to the one with that key, such as `son`; None: that one is asked about."""
    words: frozenset[str] = frozenset()
    """The words of the question that say so."""
    is_name_asked: bool = False
    """Whether it is asked what the relative is called."""

    def asks_for(self, slot: str, words: frozenset[str]) -> bool:
        """Return whether a question with these words asks for what a slot holds of them."""
        return is_asked_for(slot, words - self.words)

    def asks_owner_for(self, slot: str, words: frozenset[str]) -> bool:
        """Return whether what is theirs is asked for, and no relative: the colour of my car."""
        return is_asked_for(slot, words) and not self.asks_for(slot, words)


def related(owner: str, relation: str) -> str:
    """Return the key of a relative; a partner is one by whichever word."""
    return entity_key("partner" if relation in PARTNERS else relation, owner=owner)


def people_asked_about(
    text: str,
    speakers: Sequence[tuple[str, str]],
    asker: str | None,
    others: Collection[str] = (),
) -> set[Person]:
    """Return whom a question is about: those whom it names, or else whoever asks for theirs.

    `speakers` are addresses and names. `others` are keys of those of whom only others speak: they
    count where no speaker is named.
    """
    asked = folded(text)
    acts = bool(_ACTS.search(asked))
    if found := _named(asked, speakers) or _named(asked, _spoken_of(text, others), is_sure=acts):
        return found
    if asker is None:
        return set()
    relatives = (
        _relative(asked, each.start(), each.end(), asker, is_sure=acts)
        for each in _MINE.finditer(asked)
    )
    if found := set(filter(None, relatives)):
        return found
    return {Person(key=asker)} if _FIRST_PERSON.search(asked) else set()


def _named(asked: str, people: Sequence[tuple[str, str]], *, is_sure: bool = False) -> set[Person]:
    """Return whom a question names of some people, or relatives of theirs.

    `is_sure`: only who is said to do or have something, since somebody else is who acts: "Do I know
    Lars?"
    """
    if (pattern := _names([name for _, name in people])) is None:
        return set()
    found: set[Person] = set()
    for each in pattern.finditer(asked):
        called = _spaced(each["name"])
        says = each["possessive"] or _is_of_whom(asked[: each.start()], asked[each.end() :])
        if is_sure and not says:
            continue
        for key in {key for key, name in people if _spaced(folded(name)) == called}:
            person = None
            if each["possessive"]:
                behind = each.end() + asked.startswith(" ", each.end())
                person = _relative(asked, each.start(), behind, key)
            elif of := _OF_NAMED.search(asked, 0, each.start()):
                person = _relative_of(asked, of, each.end(), key)
            found.add(person or Person(key=key))
    return found


def _spoken_of(text: str, others: Collection[str]) -> list[tuple[str, str]]:
    """Return keys and names of those of whom only others speak, as far as a question has them."""
    return [(key, name) for name in _names_in(text) if (key := entity_key(name)) in others]


def _names_in(text: str) -> Iterator[str]:
    """Yield what can be a name, written as one: "will" is none, unless nothing has a capital."""
    written = unicodedata.normalize("NFC", text)
    words = list(_WORD.finditer(written))
    for first, word in enumerate(words):
        if is_name(word.group()) or (written.islower() and could_be_name(word.group())):
            for last in words[first : first + _MOST_WORDS]:
                yield written[word.start() : last.end()]


def _relative(
    asked: str, start: int, behind: int, key: str, *, is_sure: bool = False
) -> Person | None:
    """Return the relative who is named behind `my` or `Anna's`; None where it is none.

    `start` and `behind` are where the possessive begins and ends. `is_sure`: only one who is said
    to do or have something, since somebody else is who acts: "Where do I live with my son?"
    """
    if beside := _BESIDE.match(asked, behind):
        behind = beside.end()
    if (phrase := _PHRASE.match(asked, behind)) is None:
        return None
    head, ends = asked[:start], [each.end() for each in _WORD.finditer(asked, behind, phrase.end())]
    for end in reversed(ends):
        if canonical(asked[behind:end]) in ROLES | PETS:
            if is_sure and not _is_of_whom(head, asked[end:]):
                return None
            return _person(asked, behind, end, key, head, asked[end:])
    # Whatever they may be to them: who is said to live somewhere is not whose they are.
    if _is_of_whom(head, asked[ends[0] :]):
        return _person(asked, behind, ends[0], key, head, asked[ends[0] :])
    return None


def _relative_of(asked: str, of: re.Match[str], end: int, key: str) -> Person | None:
    """Return the relative who is named before `of Anna`; None where it is none."""
    first, last = of.span("phrase")
    starts = [first + each.start() for each in _WORD.finditer(of["phrase"])]
    for start in starts:
        if canonical(asked[start:last]) in ROLES | PETS:
            return _person(asked, start, last, key, asked[:start], asked[end:])
    if starts and _DONE_BY.search(asked[: starts[-1]]):
        return _person(asked, starts[-1], last, key, asked[: starts[-1]], asked[end:])
    return None


def _is_of_whom(head: str, rest: str) -> bool:
    """Return whether what stands around somebody says what they do or have."""
    return bool(
        _DOES.match(rest) or _OWNS.match(rest) or _DONE_BY.search(head) or _OWNED_BY.search(head)
    )


def _person(asked: str, start: int, end: int, key: str, head: str, rest: str) -> Person:
    phrase = asked[start:end]
    return Person(
        key=key,
        relation=canonical(phrase),
        words=words_of_question(phrase),
        is_name_asked=_asks_name(asked, head, rest),
    )


def _asks_name(asked: str, head: str, rest: str) -> bool:
    for match in (_OWNS.match(rest), _OWNED_BY.search(head)):
        if match is not None and match["what"]:
            return match["what"] in _NAMING
    who = _WHO_IS.fullmatch(head) and not re.search(r"\w", rest)
    return bool(who) or not _NAMING.isdisjoint(words_of_question(asked))


def impersonal(text: str, names: Sequence[str]) -> str:
    """Return a question as those whom it names would ask it.

    What was said has "I" and "my" where the question has a name; beside the name, what is asked for
    hardly counts for an embedding. As words, "I" and "my" count for nothing.
    """
    text = unicodedata.normalize("NFC", text)
    asked = plain(text)
    subject, owner = ("moi", "mon") if _FRENCH.search(asked) else ("I", "my")
    if (pattern := _names(names)) is None:
        return text
    parts, start = [], 0
    for each in pattern.finditer(asked):
        # A place in what is plain is the same place in the text.
        parts += [text[start : each.start()], owner if each["possessive"] else subject]
        start = each.end()
    return "".join([*parts, text[start:]])


def _names(names: Iterable[str]) -> re.Pattern[str] | None:
    """Return what finds any of some names in folded text, as whole words; None without names.

    Of two that begin alike it finds the longer one: Anna Maria is not Anna.
    """
    bare = {_spaced(folded(each)) for each in names if re.search(r"\w", each)}
    if not bare:
        return None
    written = [
        r"\s+".join(map(re.escape, each.split()))
        for each in sorted(bare, key=lambda name: (-len(name), name))
    ]
    return re.compile(rf"(?<!\w)(?P<name>{'|'.join(written)})(?P<possessive>'s?(?!\w))?(?!\w)")


def _spaced(name: str) -> str:
    return " ".join(name.split())
