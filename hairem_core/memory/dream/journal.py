"""Where dreams stand: one row each, written in the same commits as what they do."""

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID, uuid7

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from surrealdb import RecordID

from hairem_core.memory.database import Database
from hairem_core.memory.dream.digest import Digest
from hairem_core.memory.dream.parts import Reason, Step
from hairem_core.memory.statement import Statement
from hairem_core.memory.writer import Change, Head, Writer

_LOGGER = logging.getLogger(__name__)

KEPT = 60
"""Dreams whose rows are kept."""


class Progress(BaseModel):
    """Where a dream stands: everything that it needs to go on after the process died."""

    model_config = ConfigDict(extra="forbid")

    number: int
    """Of the dream, from 1: clocks can be put back, this cannot."""
    since: int
    """Number of the last fragment that the dream before looked at."""
    limit: int
    """Number of the last fragment that this one looks at; what comes later is the next one's."""
    step: Step = "interpret"
    finished: list[Step] = Field(default_factory=list)
    fraction: float = 0.0
    cursor: int = 0
    """How much of the step is done."""
    moving: list[UUID] = Field(default_factory=list)
    """Fragments that are being handed over to the archive, which has commits of its own."""
    refused: list[UUID] = Field(default_factory=list)
    """Syntheses that the model was asked for in vain."""
    witnessed: str = ""
    """The store whose chain of events an archive bore witness to: an import brings dreams of other
    stores.
    """
    digest: Digest


type Work = Callable[[Change, Progress], Awaitable[None]]
"""Adds what one commit is to do, and where the dream stands after it."""


class Dream:
    """One dream's row."""

    def __init__(
        self, progress: Progress, state: Literal["running", "done"], *, is_stored: bool = True
    ) -> None:
        self.progress = progress
        self.state = state
        self.is_stored = is_stored

    @property
    def id(self) -> UUID:
        """Its UUID."""
        return self.progress.digest.dream_id

    @property
    def moment(self) -> datetime:
        """When it began: ages count up to here."""
        return self.progress.digest.started_at


class Journal:
    """All dreams' rows. Load it before use."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer
        self._dreams: list[Dream] = []
        """Oldest first."""
        self._unreadable: list[RecordID] = []

    @classmethod
    async def load(cls, database: Database, writer: Writer) -> Self:
        """Return what is stored. Raises MemoryUnavailable."""
        self = cls(database, writer)
        rows = await database.query("SELECT * FROM dream")
        for row in rows:
            try:
                progress = Progress.model_validate_json(row["progress"])
            except ValidationError:
                # Emptied by a forgetting, or of another version: nothing to go on with.
                _LOGGER.warning("What the dream of %s did cannot be read", row["started_at"])
                self._unreadable.append(row["id"])
            else:
                self._dreams.append(Dream(progress, row["state"]))
        self._dreams.sort(key=lambda each: each.progress.number)
        return self

    def latest(self) -> Dream | None:
        """Return the last one that was done to its end."""
        return next((each for each in reversed(self._dreams) if each.state == "done"), None)

    def unfinished(self) -> Dream | None:
        """Return the one that is under way, or was broken off."""
        last = self._dreams[-1] if self._dreams else None
        return last if last is not None and last.state == "running" else None

    def was_witnessed(self) -> bool:
        """Return whether an archive has ever borne witness to this store's chain."""
        return any(each.progress.witnessed == self._writer.store_id for each in self._dreams)

    def calls_since(self, moment: datetime) -> int:
        """Return how often dreams that began after `moment` asked a model."""
        digests = (each.progress.digest for each in self._dreams)
        return sum(each.model_calls for each in digests if each.started_at > moment)

    def begin(self, reason: Reason, at: datetime) -> Dream:
        """Return a new dream, or the one that was broken off. Its first batch stores it."""
        if (broken_off := self.unfinished()) is not None:
            return broken_off
        before = self.latest()
        progress = Progress(
            number=self._dreams[-1].progress.number + 1 if self._dreams else 1,
            since=before.progress.limit if before else 0,
            limit=self._writer.head.seq,
            digest=Digest(dream_id=uuid7(), reason=reason, started_at=at),
        )
        return Dream(progress, "running", is_stored=False)

    async def batch(self, dream: Dream, work: Work, *, finished_at: datetime | None = None) -> None:
        """Commit what `work` adds together with where the dream stands then.

        `finished_at` ends the dream. Raises what `work` raises, and MemoryUnavailable.
        """
        drafts: list[Progress] = []

        async def build(head: Head) -> Change:
            change = Change()
            draft = dream.progress.model_copy(deep=True)
            drafts.append(draft)
            await work(change, draft)
            draft.digest.finished_at = finished_at
            state = "running" if finished_at is None else "done"
            change.statements.append(_row(draft, state))
            if finished_at is not None:
                change.statements += self._trimmed()
            return change

        await self._writer.commit(build)
        dream.progress = drafts[0]
        if not dream.is_stored:
            dream.is_stored = True
            self._dreams.append(dream)
        if finished_at is not None:
            dream.state = "done"
            self._dreams = self._dreams[-KEPT:]
            self._unreadable = []

    def forgotten(self, ids: set[UUID], mentions: Callable[[str], bool]) -> list[Statement]:
        """Return statements that take what was forgotten out of all digests.

        They belong into the commit that forgets. What is kept in memory forgets at once.
        """
        changed = []
        for dream in self._dreams:
            less = dream.progress.digest.without(ids, mentions)
            if less != dream.progress.digest:
                dream.progress = dream.progress.model_copy(update={"digest": less})
                changed.append(_row(dream.progress, dream.state))
        return changed

    def _trimmed(self) -> list[Statement]:
        old = [RecordID("dream", each.id) for each in self._dreams[:-KEPT]]
        old += self._unreadable
        return [Statement(text="DELETE $ids RETURN NONE", variables={"ids": old})] if old else []


def _row(progress: Progress, state: str) -> Statement:
    digest = progress.digest
    row: dict[str, Any] = {
        "state": state,
        "started_at": digest.started_at,
        "progress": progress.model_dump_json(),
    }
    if digest.finished_at is not None:
        row |= {"finished_at": digest.finished_at, "digest": digest.model_dump_json()}
    return Statement(
        text="UPSERT $id CONTENT $row RETURN NONE",
        variables={"id": RecordID("dream", digest.dream_id), "row": row},
    )
