"""What is to be forgotten, as it is asked for."""

import re
from typing import Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, model_validator


class Selector(BaseModel):
    """What is to be forgotten: everything for which all holds that is given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subject: str | None = None
    """Key of an entity, or a name: what is said of it, and whatever names it."""
    person: str | None = None
    """Address (`user:<id>`) or name: what they said, the answers, and what is known of them."""
    agent: str | None = None
    """Id of an agent: all that it holds, and events that concern no other agent."""
    fragment: UUID | None = None
    """One fragment, and the words it came from where nothing else rests on them."""
    since: AwareDatetime | None = None
    """From then on."""
    until: AwareDatetime | None = None
    """Before then."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if all(value is None for _, value in self):
            raise ValueError("nothing is selected: name a subject, person, agent, fragment or time")
        for name in (self.subject, self.person):
            if name is not None and not re.search(r"\w", name):
                raise ValueError(f"{name!r} is no name: it has neither letters nor digits")
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ValueError(f"`since` must lie before `until` ({self.until:%Y-%m-%d %H:%M})")
        return self

    @property
    def kinds(self) -> list[str]:
        """By what is selected, without a word of what."""
        return [name for name, value in self if value is not None]

    @property
    def has_period(self) -> bool:
        """Whether a time is given."""
        return self.since is not None or self.until is not None
