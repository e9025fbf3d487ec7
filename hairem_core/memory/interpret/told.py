"""A clause that fits a predicate, and how a fact is made of it."""

import re
from dataclasses import dataclass

from hairem_core.memory.interpret.entities import Mention, entity_key
from hairem_core.memory.interpret.extracted import ExtractedFact, Link
from hairem_core.memory.interpret.subjects import Subject, name_in


@dataclass(frozen=True, kw_only=True)
class Told:
    """A clause that fits a predicate."""

    subject: Subject
    match: re.Match[str]
    text: str
    """The clause as it was said."""
    speaker: str

    def group(self, name: str) -> str | None:
        """Return what a group caught, plain; None where it is not there."""
        return self.match.groupdict().get(name)

    def spoken(self, name: str = "v") -> str:
        """Return what a group caught, as it was said."""
        start, end = self.match.span(name)
        return self.text[start:end].strip(' .,!?;:"“”«»')

    @property
    def gone(self) -> bool:
        """Return whether it says that something holds no more."""
        return bool(self.group("gone") or self.group("gone2"))

    @property
    def denied(self) -> bool:
        """Return whether it is denied."""
        return bool(self.group("neg"))

    def name(self, group: str = "v", *, strict: bool = True) -> str | None:
        """Return the name that a group caught, if it caught nothing else."""
        start, end = self.match.span(group)
        return name_in(self.text, start, end, strict=strict) if start >= 0 else None

    def fact(
        self,
        slot: str | None,
        value: str,
        importance: float,
        *,
        spoken: str = "",
        content: str | None = None,
        subject: str | None = None,
        mentions: tuple[Mention, ...] = (),
        links: tuple[Link, ...] = (),
        retracts: bool = False,
    ) -> ExtractedFact:
        """Return a fact about the subject."""
        return ExtractedFact(
            content=content or self.text.strip(" .,;:!"),
            subject=subject or self.subject.key,
            slot=slot,
            value=value,
            importance=importance,
            entities=(*self.subject.mentions, *mentions),
            about=tuple(each.key for each in mentions),
            relations=(*self.subject.links, *links),
            retracts=retracts,
            spoken_value=spoken,
        )


def person(name: str) -> Mention:
    """Return a person by the name that was said."""
    return Mention(key=entity_key(name), name=name, kind="person")
