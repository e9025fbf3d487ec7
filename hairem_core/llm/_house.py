"""What a prompt says of the house: the entities that Home Assistant lists in its instructions."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from hairem_core.sdk.chat import ChatMessage

_ARTICLES = re.compile(
    r"^(?:(?:all|the|my|our|toutes?|tous|les?|la|l'|mon|ma|mes|nos|notre|des|du|de la|de l')\s*)"
    r"(?=[\s'\w])(?<=[\s'])",
    re.IGNORECASE,
)
# What Home Assistant says when it knows the room that it is spoken to in.
_HERE = re.compile(r"You are in area (?P<area>.+?)(?: \(floor .+?\))? and all generic commands")
_ENTRY = re.compile(r"^- names: (?P<names>.+)\n(?P<rest>(?:  .*\n?)*)", re.MULTILINE)


@dataclass(frozen=True)
class Entity:
    """A thing that the prompt lists: its names, the first one preferred, its domain and areas."""

    names: tuple[str, ...]
    domain: str | None = None
    areas: tuple[str, ...] = ()


class House:
    """The entities and areas that a prompt tells of; empty when it tells of none."""

    def __init__(self, messages: Sequence[ChatMessage]) -> None:
        self.entities: list[Entity] = []
        self.here: str | None = None
        """The area that is spoken in."""
        for message in messages:
            if message.role == "system":
                self.entities += _entities(message.content)
                if found := _HERE.search(message.content):
                    self.here = found["area"]

    def entity(self, said: str) -> Entity | None:
        """Return the entity that was meant: by its name, else the one with the very same words."""
        wanted = fold(strip_article(said))
        for entity in self.entities:
            if wanted in {fold(strip_article(name)) for name in entity.names}:
                return entity
        words = set(_words(said))
        found = [
            entity
            for entity in self.entities
            if any(set(_words(name)) == words for name in entity.names)
        ]
        return found[0] if len(found) == 1 else None

    def area(self, said: str) -> str | None:
        """Return the area that was meant, as the house spells it."""
        wanted = fold(strip_article(said))
        areas = {area for entity in self.entities for area in entity.areas}
        return next((area for area in areas if fold(strip_article(area)) == wanted), None)


def fold(text: str) -> str:
    """Return `text` in lower case, without accents and with single spaces."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(c for c in plain if not unicodedata.combining(c)).split())


def strip_article(text: str) -> str:
    """Return `text` without the articles and possessives it begins with."""
    text = text.strip()
    while (shorter := _ARTICLES.sub("", text, count=1).strip()) != text and shorter:
        text = shorter
    return text


def _words(text: str) -> list[str]:
    small = {"the", "of", "in", "de", "du", "des", "la", "le", "les", "l", "d", "dans"}
    return [word for word in re.findall(r"\w+", fold(text)) if word not in small]


def _entities(text: str) -> list[Entity]:
    found = []
    for entry in _ENTRY.finditer(text):
        fields = dict(
            line.strip().split(": ", 1) for line in entry["rest"].splitlines() if ": " in line
        )
        found.append(
            Entity(
                names=_list(entry["names"]),
                domain=fields.get("domain"),
                areas=_list(fields.get("areas", "")),
            )
        )
    return found


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip(" '\"") for part in text.split(",") if part.strip(" '\""))
