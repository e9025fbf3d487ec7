"""The one way to write: commits, one after another, each all or nothing."""

import asyncio
import logging
import secrets
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from surrealdb import RecordID

from hairem_core.memory.database import Database
from hairem_core.memory.errors import (
    CarriedOutLate,
    ConnectionLost,
    MemoryUnavailable,
    TakenOver,
    TransactionFailed,
)
from hairem_core.memory.fragment import Embedding, Entity, Fragment, Relation
from hairem_core.memory.rows import fragment_row
from hairem_core.memory.statement import Statement
from hairem_core.memory.torn import mend

_LOGGER = logging.getLogger(__name__)
_HEAD = RecordID("head", "current")
_CLAIMS = 50
_CLAIM_SECONDS = 0.05
"""After which a claim on a store is looked at again: an engine may acknowledge two writes that are
in each other's way, and keep the one that was under way.
"""
_TAKEN_OVER = "taken over by another process"
_MOVED = "the store has moved on"


@dataclass(frozen=True, kw_only=True)
class Head:
    """Where the store stands after a commit."""

    rev: int
    """Number of the commit."""
    number: int
    """Of the last event."""
    hash: bytes | None
    """Of the last event."""
    seq: int
    """Of the last fragment."""
    episodes: int
    """Number of the last event of which episodes were made."""
    interpreted: int
    """Number of the last event that was interpreted."""


@dataclass(kw_only=True)
class Change:
    """What one commit does. Everything in it is there after it, or nothing is."""

    events: list[dict[str, Any]] = field(default_factory=list)
    """Rows of `raw_event`, sealed, continuing the head's chain."""
    added: list[Fragment] = field(default_factory=list)
    """Fragments that are new; they get their `seq` here."""
    changed: list[Fragment] = field(default_factory=list)
    """Fragments that are there already, as they should be."""
    embeddings: list[tuple[Fragment, Embedding]] = field(default_factory=list)
    """Vectors of fragments that are stored, or in `added`."""
    removed: list[Fragment] = field(default_factory=list)
    """Fragments that go, with their vectors."""
    entities: list[Entity] = field(default_factory=list)
    """`mentions` are added to those that are known."""
    relations: list[Relation] = field(default_factory=list)
    """`weight` is added to what is known, `derived_from` too."""
    statements: list[Statement] = field(default_factory=list)
    """Whatever else belongs into the same commit."""
    episodes: int | None = None
    """Number of the last event of which episodes have been made with this."""
    interpreted: int | None = None
    """Number of the last event that has been interpreted with this."""
    learned: list[tuple[int, int]] = field(default_factory=list)
    """First and last number of events in `events` of which facts come by themselves, as in an
    import; nothing is to be learned of them.
    """

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        lists = (self.events, self.added, self.changed, self.embeddings, self.removed)
        more = (self.entities, self.relations, self.statements)
        marks = (self.episodes, self.interpreted)
        return not any((*lists, *more)) and all(each is None for each in marks)


type Builder = Callable[[Head], Awaitable[Change | None]]
type Observer = Callable[[Change, Head], None]


class Writer:
    """Writes to one store, which it has taken over from whoever had it.

    What observers are told is what is stored: `added` with their numbers, in the order of commits.
    """

    def __init__(self, database: Database, head: Head, *, token: str, store_id: str) -> None:
        self.database = database
        self.head = head
        self._token = token
        self._lock = asyncio.Lock()
        self._observers: list[Observer] = []
        self._preparers: list[Observer] = []
        self._unsure: list[tuple[Change, Head]] = []
        """Writes of which it is not known whether they were carried out, or will be: a server that
        froze may go on. All are to follow the same commit, so one of them may be, at most.
        """
        self.store_id = store_id
        """Of this store, whatever its address: made when it was first opened."""

    @classmethod
    async def take_over(cls, database: Database) -> Writer:
        """Return a writer; one that another process has on the same store writes no more."""
        token = uuid.uuid4().hex
        taken = Statement(
            text="UPDATE head:current SET writer = $token, store = store ?? $fresh, "
            "secret = secret ?? $secret RETURN NONE",
            variables={
                "token": token,
                "fresh": uuid.uuid4().hex,
                "secret": secrets.token_bytes(32),
            },
        )
        for _ in range(_CLAIMS):
            await database.transact([taken])
            if database.folder is not None:
                break  # nobody else can have it
            await asyncio.sleep(_CLAIM_SECONDS)
            if await database.query("SELECT VALUE writer FROM ONLY head:current") == token:
                break
        else:
            raise MemoryUnavailable(
                "another H-Core goes on writing to this memory",
                where=database.where,
                hint="Let only one H-Core use it, and stop that one.",
            )
        await mend(database)
        row = await database.query("SELECT * FROM ONLY head:current")
        return cls(database, await read_head(database), token=token, store_id=row["store"])

    def observe(self, observer: Observer) -> None:
        """Have `observer` called right after each commit."""
        self._observers.append(observer)

    def unobserve(self, observer: Observer) -> None:
        """Have it called no more."""
        self._observers.remove(observer)

    def prepare(self, preparer: Observer) -> None:
        """Have `preparer` called right before each commit: it may add to the change."""
        self._preparers.append(preparer)

    async def commit(self, build: Builder) -> Head:
        """Write what `build` returns, and return where the store stands then.

        `build` gets the head; until the commit nobody else writes, so what it reads stays true.
        None and an empty change write nothing. Once begun it is carried through, also if the caller
        is cancelled. Raises what `build` raises, TransactionFailed, TakenOver, MemoryUnavailable.
        """
        return await asyncio.shield(asyncio.ensure_future(self._commit(build)))

    async def exclusively[T](self, work: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `work`, during which nobody commits. Raises what `work` raises,
        TakenOver, MemoryUnavailable.
        """
        async with self._lock:
            # The head must be the store's: a write that seemed lost may have been carried out.
            await self._settle()
            return await work()

    async def finish(self) -> None:
        """Wait until every commit that was begun is carried through."""
        async with self._lock:
            return

    async def _commit(self, build: Builder) -> Head:
        async with self._lock:
            await self._settle()
            change = await build(self.head)
            if change is None or change.is_empty:
                return self.head
            for preparer in self._preparers:
                preparer(change, self.head)
            head, statements = self._prepare(change)
            try:
                await self._write(statements, head)
            except CarriedOutLate:
                await self._settle()
                raise
            except MemoryUnavailable:
                self._unsure.append((change, head))
                raise
            self._done(change, head)
            return head

    def _done(self, change: Change, head: Head) -> None:
        self.head = head
        # The store is past the commit that they all wanted to follow: they are refused now.
        self._unsure.clear()
        for observer in self._observers:
            try:
                observer(change, head)
            except Exception:  # it is stored: the others must hear of it
                _LOGGER.exception("A commit was stored, and somebody failed to take it in")

    async def _settle(self) -> None:
        """Find out whether one of the writes was carried out of which the server never told."""
        if self._unsure:
            rev = await self._stored_rev()
            for change, head in self._unsure:
                if head.rev == rev:
                    self._done(change, head)
                    return

    async def _stored_rev(self) -> int:
        """Return the number of the last commit in the store. Raises TakenOver."""
        row = await self.database.query("SELECT * FROM ONLY head:current")
        if row["writer"] != self._token:
            raise self._taken_over()
        return int(row["rev"])

    def _prepare(self, change: Change) -> tuple[Head, list[Statement]]:
        # What a frozen server carries out later must not be taken for this.
        rev = max(self.head.rev, *(head.rev for _, head in self._unsure), 0) + 1
        seq = self.head.seq
        numbers: dict[UUID, int] = {}
        for index, fragment in enumerate(change.added):
            seq += 1
            numbers[fragment.id] = seq
            change.added[index] = replace(fragment, seq=seq, rev=rev)
        change.changed = [replace(each, rev=rev) for each in change.changed]
        change.embeddings = [
            (replace(each, seq=numbers.get(each.id, each.seq)), vector)
            for each, vector in change.embeddings
        ]
        head = replace(self.head, rev=rev, seq=seq)
        if change.events:
            last = change.events[-1]
            head = replace(head, number=last["number"], hash=last["hash"])
        if change.episodes is not None:
            head = replace(head, episodes=change.episodes)
        if change.interpreted is not None:
            head = replace(head, interpreted=change.interpreted)
        guards = [
            Statement(
                text="IF (SELECT VALUE writer FROM ONLY head:current) != $token { THROW $words }",
                variables={"token": self._token, "words": _TAKEN_OVER},
            ),
            Statement(
                text="IF (SELECT VALUE rev FROM ONLY head:current) != $rev { THROW $words }",
                variables={"rev": self.head.rev, "words": _MOVED},
            ),
        ]
        return head, [*guards, *_statements(change, rev), _head_statement(head)]

    async def _write(self, statements: Sequence[Statement], head: Head) -> None:
        while True:
            try:
                await self.database.transact(statements)
            except ConnectionLost:
                # Connected again by now: was it carried out?
                if await self._stored_rev() == head.rev:
                    return
            except TransactionFailed as err:
                if _TAKEN_OVER in err.what:
                    raise self._taken_over() from err
                if _MOVED not in err.what:
                    raise
                rev = await self._stored_rev()
                if rev == head.rev:
                    return  # it seemed lost, and was only late
                if any(rev == each.rev for _, each in self._unsure):
                    raise CarriedOutLate(
                        "an earlier write, which seemed lost, came first",
                        where=err.where,
                        hint="Try again.",
                    ) from err
                raise MemoryUnavailable(
                    "the store is not where this H-Core left it",
                    where=err.where,
                    hint="If it was restored from a backup, restart H-Core.",
                ) from err
            else:
                return

    def _taken_over(self) -> TakenOver:
        return TakenOver(
            "another H-Core has opened this memory",
            where=self.database.where,
            hint="Let only one H-Core use it, and restart that one.",
        )


async def read_head(database: Database) -> Head:
    """Return where a store stands. Raises MemoryUnavailable."""
    row = await database.query("SELECT * FROM ONLY head:current")
    return Head(
        rev=row["rev"],
        number=row["number"],
        hash=row.get("hash"),
        seq=row["seq"],
        episodes=row["episodes"],
        interpreted=row["interpreted"],
    )


def _statements(change: Change, rev: int) -> Iterable[Statement]:
    if change.events:
        yield _insert("raw_event", change.events)
    if change.added:
        yield _insert("fragment", [fragment_row(each) for each in change.added])
    if change.changed:
        yield Statement(
            text="FOR $row IN $rows { UPSERT $row.id CONTENT $row RETURN NONE }",
            variables={"rows": [fragment_row(each) for each in change.changed]},
        )
    if change.embeddings:
        rows = [
            {
                "id": RecordID("embedding", fragment.id),
                "agent": fragment.agent,
                "seq": fragment.seq,
                "model": embedding.model,
                "vector": embedding.vector,
                "rev": rev,
            }
            for fragment, embedding in change.embeddings
        ]
        yield Statement(
            text="FOR $row IN $rows { UPSERT $row.id CONTENT $row RETURN NONE }",
            variables={"rows": rows},
        )
    if change.removed:
        tables = ("fragment", "embedding")
        ids = [RecordID(table, each.id) for each in change.removed for table in tables]
        yield Statement(text="DELETE $ids RETURN NONE", variables={"ids": ids})
        yield _insert("gone", [{"id": each.seq, "rev": rev} for each in change.removed])
    if change.entities:
        yield Statement(
            text="FOR $row IN $rows { UPSERT $row.id SET name = $row.name, kind = $row.kind, "
            "mentions += $row.mentions, last_at = $row.last_at RETURN NONE }",
            variables={"rows": [_entity_row(each) for each in change.entities]},
        )
    if change.relations:
        yield Statement(
            text="FOR $row IN $rows { UPSERT $row.id SET weight += $row.weight, "
            "last_at = $row.last_at, derived_from = "
            "array::union(derived_from ?? [], $row.derived_from) RETURN NONE }",
            variables={"rows": [_relation_row(each) for each in change.relations]},
        )
    yield from change.statements


def _insert(table: str, rows: list[dict[str, Any]]) -> Statement:
    return Statement(text=f"INSERT INTO {table} $rows RETURN NONE", variables={"rows": rows})


def _entity_row(entity: Entity) -> dict[str, Any]:
    return {
        "id": RecordID("entity", [entity.agent, entity.key]),
        "name": entity.name,
        "kind": entity.kind,
        "mentions": entity.mentions,
        "last_at": entity.last_at,
    }


def _relation_row(relation: Relation) -> dict[str, Any]:
    record = [relation.agent, relation.source, relation.kind, relation.target]
    return {
        "id": RecordID("relation", record),
        "weight": relation.weight,
        "last_at": relation.last_at,
        "derived_from": list(relation.derived_from),
    }


def _head_statement(head: Head) -> Statement:
    values: dict[str, Any] = {
        "rev": head.rev,
        "number": head.number,
        "seq": head.seq,
        "episodes": head.episodes,
        "interpreted": head.interpreted,
    }
    if head.hash is not None:
        values["hash"] = head.hash  # None would be NULL, which is no NONE
    sets = ", ".join(f"{name} = ${name}" for name in values)
    return Statement(text=f"UPDATE head:current SET {sets} RETURN NONE", variables=values)  # noqa: S608
