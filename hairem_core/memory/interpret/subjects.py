"""Of whom a clause speaks: of the speaker, of someone of the speaker's, of someone by name."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hairem_core.memory.interpret.entities import Mention, could_be_name, entity_key, is_name
from hairem_core.memory.interpret.extracted import Link
from hairem_core.memory.interpret.slots import canonical
from hairem_core.memory.interpret.text import plain
from hairem_core.memory.interpret.vocabulary import PETS, ROLES

_FIRST = re.compile(r"(?:moi,? |nous,? |me,? )?(?:i|we|je|j(?=')|on|nous)\b(?!-)")
_MINE = re.compile(r"(?:my|our|mon|ma|mes|notre|nos) ")
_NAME_PART = r"[^\W\d_](?:[\w-]|'(?=[^\W\d_]{3}))+"
_NAME = re.compile(rf"{_NAME_PART}(?: {_NAME_PART})?")
_DOWN = re.compile(r" (?=\S+$)")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Of whom a clause speaks."""

    key: str
    end: int
    """Where in the clause what is said of them begins."""
    is_speaker: bool = False
    mentions: tuple[Mention, ...] = ()
    links: tuple[Link, ...] = ()
    role: str | None = None
    """What they are to the speaker, such as `sister`."""
    name: str | None = None


def subjects_of(text: str, bare: str, speaker: str) -> Iterator[Subject]:
    """Yield of whom a clause may speak, the most particular first; `bare` is its plain text."""
    if first := _FIRST.match(bare):
        yield Subject(key=speaker, end=first.end(), is_speaker=True)
        return
    if mine := _MINE.match(bare):
        yield from _of_role(text, bare, mine.end(), speaker)
        return
    yield from _named(text, bare)


def _of_role(text: str, bare: str, start: int, speaker: str) -> Iterator[Subject]:
    """Yield `my sister Anna`, `my little sister`: roles of one word or two, with a name or not."""
    spots = [start + each.end() for each in re.finditer(r"[\w-]+", bare[start:])][:3]
    for end in reversed(spots):
        phrase = bare[start:end]
        role = canonical(phrase)
        if role not in ROLES | PETS:
            continue
        named = re.match(rf",? ({_NAME_PART})", bare[end:])
        if named and is_name(name := text[end + named.start(1) : end + named.end(1)]):
            key = entity_key(name)
            yield Subject(
                key=key,
                end=end + named.end(),
                mentions=(Mention(key=key, name=name, kind="person"),),
                links=(Link(kind="knows", source=speaker, target=key),),
                role=role,
                name=name,
            )
        owned = entity_key(role, owner=speaker)
        yield Subject(
            key=owned,
            end=end,
            mentions=(Mention(key=owned, name=text[start:end], kind="person"),),
            role=role,
        )
        return


def _named(text: str, bare: str) -> Iterator[Subject]:
    match = _NAME.match(bare)
    if not match:
        return
    words = text[: match.end()].split(" ")
    for count in range(len(words), 0, -1):
        name = " ".join(words[:count])
        name = re.sub(r"['\u2019]s$", "", name)
        if all(is_name(each) for each in name.split(" ")):
            key = entity_key(name)
            mention = Mention(key=key, name=name, kind="person")
            yield Subject(key=key, end=len(name), mentions=(mention,), name=name)


TITLES = ("dr", "mr", "mrs", "ms", "mme", "m", "docteur", "doctor", "monsieur", "madame")


def name_in(text: str, start: int, end: int, *, strict: bool = True) -> str | None:
    """Return the name that stands between two places of a clause, if there is nothing but a name.

    With `strict` it must be written with a capital, unless the whole clause is without any.
    """
    name = text[start:end].strip(" .,!?\"'«»“”")
    words = name.split()
    if not 1 <= len(words) <= 3:
        return None
    lower_ok = not strict or not any(each.isupper() for each in text)
    for word in words:
        inner = plain(word).strip(".") in {
            *TITLES,
            "de",
            "du",
            "la",
            "le",
            "van",
            "von",
            "der",
            "of",
            "the",
            "sur",
            ("les"),
        }
        if not (is_name(word) or (inner and len(words) > 1)) and not (
            lower_ok and could_be_name(word)
        ):
            return None
    return name if any(len(each) > 1 for each in plain(name).split()) else None
