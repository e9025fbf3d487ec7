"""What an imported fragment replaces ceases to hold here too, and is replaced by one thing only."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from hairem_core.memory.archive.store import ColdArchive, Item
from hairem_core.memory.fragment import Fragment
from hairem_core.memory.portable.lines import FragmentLine
from hairem_core.memory.scope import Scope
from hairem_core.memory.store import MemoryStore

_EVERYTHING = Scope(agent=None)
_LONGEST = 64
"""Links of a chain that are followed: a longer one is taken for a circle."""


@dataclass(kw_only=True)
class Linked:
    """What becomes of fragments that are taken in."""

    fragments: list[tuple[FragmentLine, Fragment]] = field(default_factory=list)
    """As they are to be stored."""
    closed: list[Fragment] = field(default_factory=list)
    """Of the store, as they are after it."""
    closed_archived: list[Item] = field(default_factory=list)
    unlinked: list[int] = field(default_factory=list)
    """Numbers of lines of which what they replace was replaced here by something else, is another
    agent's, or would replace itself in the end.
    """


async def link(
    store: MemoryStore,
    archive: ColdArchive | None,
    lines: Sequence[tuple[int, FragmentLine]],
    known: Iterable[FragmentLine] = (),
) -> Linked:
    """Return what becomes of new fragments, and of what is here and replaced by them.

    `known` are those that are here already. One of store and archive may not have been told yet
    what they replace in it, where an import was broken off: it is told now. Raises
    MemoryUnavailable, ArchiveUnavailable.
    """
    linked = Linked()
    made = {line.id: line.fragment() for _, line in lines}
    older = await _fetched(store, archive, {each.id for each in known if each.replaces_id})
    wanted = {each.replaces_id for each in (*made.values(), *older.values())} - {None}
    stored, archived = await _chains(store, archive, wanted - made.keys())
    here = stored | {each: item[0] for each, item in archived.items()}

    def close(old: Fragment, new: Fragment) -> None:
        closed = replace(
            old,
            valid_to=old.valid_to or max(new.valid_from, old.valid_from),
            replaced_by=new.id,
        )
        here[old.id] = closed
        if old.id in stored:
            linked.closed.append(closed)
        else:
            linked.closed_archived.append((closed, archived[old.id][1]))

    for new in older.values():
        replaced = here.get(new.replaces_id) if new.replaces_id is not None else None
        if replaced is not None and replaced.agent == new.agent and replaced.replaced_by is None:
            close(replaced, new)
    taken = await _taken(store, wanted)
    for number, line in lines:
        fragment = made[line.id]
        if (old_id := fragment.replaces_id) is not None:
            old = here.get(old_id)
            if old_id in taken or not _may_replace(fragment, old, here | made):
                linked.unlinked.append(number)
                fragment = made[line.id] = replace(fragment, replaces_id=None)
            elif old is not None and old.replaced_by is None:
                close(old, fragment)
            taken.add(old_id)
        linked.fragments.append((line, fragment))
    return linked


def _may_replace(new: Fragment, old: Fragment | None, known: Mapping[UUID, Fragment]) -> bool:
    if old is not None and (old.agent != new.agent or old.replaced_by not in (None, new.id)):
        return False
    each: Fragment | None = new
    for _ in range(_LONGEST):
        if each is None or each.replaces_id is None:
            return True
        if each.replaces_id == new.id:
            return False
        each = known.get(each.replaces_id)
    return False


async def _chains(
    store: MemoryStore, archive: ColdArchive | None, wanted: Iterable[UUID | None]
) -> tuple[dict[UUID, Fragment], dict[UUID, Item]]:
    """Return of the store and of the archive what is wanted, and what that replaced."""
    stored: dict[UUID, Fragment] = {}
    archived: dict[UUID, Item] = {}
    ids = {each for each in wanted if each is not None}
    for _ in range(_LONGEST):
        if not ids:
            break
        found, cold = await _places(store, archive, ids)
        stored |= found
        archived |= cold
        next_ids = {each.replaces_id for each in found.values()}
        next_ids |= {fragment.replaces_id for fragment, _ in cold.values()}
        ids = {each for each in next_ids if each is not None} - stored.keys() - archived.keys()
    return stored, archived


async def _fetched(
    store: MemoryStore, archive: ColdArchive | None, ids: Collection[UUID]
) -> dict[UUID, Fragment]:
    """Return fragments, wherever they are."""
    stored, archived = await _places(store, archive, ids)
    return stored | {each: item[0] for each, item in archived.items()}


async def _places(
    store: MemoryStore, archive: ColdArchive | None, ids: Collection[UUID]
) -> tuple[dict[UUID, Fragment], dict[UUID, Item]]:
    """Return what is in the store, and what is in the archive alone."""
    stored = await store.fragments.fetch(ids, _EVERYTHING) if ids else {}
    away = set(ids) - stored.keys()
    archived = await archive.fetch(away, _EVERYTHING) if archive is not None and away else {}
    return stored, archived


async def _taken(store: MemoryStore, replaced: Iterable[UUID | None]) -> set[UUID]:
    """Return which fragments have a successor in the store already."""
    wanted = [each for each in replaced if each is not None]
    if not wanted:
        return set()
    found: list[UUID] = await store.database.query(
        "SELECT VALUE replaces_id FROM fragment WHERE replaces_id IN $wanted",
        {"wanted": wanted},
    )
    return set(found)
