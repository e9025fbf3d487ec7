"""What a dream did, as data. In words: see `words.py`."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from hairem_core.memory.dream.parts import Reason, Step

MOST_ENTRIES = 50
"""Of one kind in a digest; all are counted."""
_LONGEST = 240


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Learned(_Part):
    """A fact that is new since the dream before."""

    fragment_id: UUID
    agent: str
    """Id of whose it is."""
    subject: str | None
    content: str


class Contradicted(_Part):
    """Two facts that could not both hold: the newer one does."""

    agent: str
    subject: str
    slot: str
    old_id: UUID
    old: str
    new_id: UUID
    new: str


class Synthesised(_Part):
    """What a model made of several fragments."""

    fragment_id: UUID
    agent: str
    sources: int
    content: str


class Strengths(_Part):
    """How many fragments are how strong."""

    fresh: int = 0
    """0.5 and more."""
    fading: int = 0
    faded: int = 0
    """Less than `memory.dream.archive_below`."""


class Chain(_Part):
    """Whether the chain of events holds."""

    is_whole: bool
    checked: int = 0
    """Events."""
    erased: int = 0
    """Of these, emptied because somebody was forgotten."""
    broken_at: int | None = None
    """Number of the first event where it does not hold."""
    what: str | None = None
    """What is wrong there."""
    anchor: Literal["none", "kept", "anew", "away"] = "none"
    """Whether the archive bears witness: it was not asked, it does, it does for the first time
    though one did before, or it could not be reached.
    """


class Failure(_Part):
    """What a step could not do."""

    step: Step
    what: str


class Digest(_Part):
    """What a dream did. Lists hold `MOST_ENTRIES` at most; the numbers count everything."""

    dream_id: UUID
    reason: Reason
    started_at: datetime
    """Strengths and ages are those of this moment, however long the dream took."""
    finished_at: datetime | None = None
    strengths: Strengths = Strengths()
    learned: list[Learned] = Field(default_factory=list)
    learned_count: int = 0
    merged_count: int = 0
    """Fragments that said the same as an older one."""
    contradicted: list[Contradicted] = Field(default_factory=list)
    contradicted_count: int = 0
    synthesised: list[Synthesised] = Field(default_factory=list)
    synthesised_count: int = 0
    model_calls: int = 0
    archived_count: int = 0
    chain: Chain | None = None
    """None: not verified."""
    skipped: dict[Step, Literal["no_model", "no_archive", "archive_away", "switched_off"]] = Field(
        default_factory=dict
    )
    failures: list[Failure] = Field(default_factory=list)

    def keep[T](self, entries: list[T], entry: T) -> None:
        """Add to one of its lists, as long as there is room."""
        if len(entries) < MOST_ENTRIES:
            entries.append(entry)

    def fail(self, step: Step, what: str) -> None:
        """Note what a step could not do, once."""
        failure = Failure(step=step, what=shortened(what))
        if failure not in self.failures:
            self.keep(self.failures, failure)

    def without(self, ids: set[UUID], mentions: Callable[[str], bool]) -> Digest:
        """Return it without the words of fragments that were forgotten, or that mention it."""

        def stays(entry: Learned | Contradicted | Synthesised | Failure) -> bool:
            values = entry.model_dump().values()
            return not any(
                each in ids if isinstance(each, UUID) else mentions(str(each)) for each in values
            )

        return self.model_copy(
            update={
                "learned": [each for each in self.learned if stays(each)],
                "contradicted": [each for each in self.contradicted if stays(each)],
                "synthesised": [each for each in self.synthesised if stays(each)],
                "failures": [each for each in self.failures if stays(each)],
            }
        )


def shortened(text: str) -> str:
    """Return a text in one line, as long as a digest's entry may be."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
