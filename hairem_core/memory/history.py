"""What replaced what, and each fragment of it wherever it lies: in the store or in the archive."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from hairem_core.memory.archive.errors import ArchiveUnavailable
from hairem_core.memory.archive.store import ColdArchive
from hairem_core.memory.errors import UnknownFragment
from hairem_core.memory.fragment import Fragment
from hairem_core.memory.fragments import FragmentStore
from hairem_core.memory.scope import Scope

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Located:
    """A fragment, and where it lies."""

    fragment: Fragment
    is_archived: bool


class History:
    """What may be seen within a scope, archived or not."""

    def __init__(self, fragments: FragmentStore, archive: ColdArchive | None, scope: Scope) -> None:
        self._fragments = fragments
        self._archive = archive
        self._scope = scope

    async def get(self, fragment_id: UUID) -> Located:
        """Return one fragment. Raises UnknownFragment, MemoryUnavailable, ArchiveUnavailable."""
        if (found := await self._find(fragment_id)) is None:
            raise UnknownFragment(
                f"there is no fragment {fragment_id}",
                hint="It may have been forgotten, or be another agent's.",
            )
        return found

    async def chain(self, fragment_id: UUID) -> list[Located]:
        """Return the chain of replacements that a fragment is part of, the oldest first.

        While the archive is away, the chain ends where it leads into it. Raises as `get` does.
        """
        middle = await self.get(fragment_id)
        seen = {fragment_id}
        before = await self._walk(middle, lambda each: each.replaces_id, seen)
        after = await self._walk(middle, lambda each: each.replaced_by, seen)
        return [*reversed(before), middle, *after]

    async def _walk(
        self, start: Located, link: Callable[[Fragment], UUID | None], seen: set[UUID]
    ) -> list[Located]:
        """Return what is behind `start` on one side, in the order of the links."""
        found: list[Located] = []
        each = start
        while (wanted := link(each.fragment)) is not None and wanted not in seen:
            seen.add(wanted)
            try:
                linked = await self._find(wanted)
            except ArchiveUnavailable as err:
                _LOGGER.warning("A history is told as far as it is not archived: %s", err)
                break
            if linked is None:
                break
            found.append(linked)
            each = linked
        return found

    async def _find(self, fragment_id: UUID) -> Located | None:
        if (found := await self._warm(fragment_id)) or self._archive is None:
            return found
        archived = (await self._archive.fetch([fragment_id], self._scope)).get(fragment_id)
        if archived is not None and not await self._fragments.forgotten([fragment_id]):
            return Located(fragment=archived[0], is_archived=True)
        return await self._warm(fragment_id)  # unless it was moved back between the two looks

    async def _warm(self, fragment_id: UUID) -> Located | None:
        found = (await self._fragments.fetch([fragment_id], self._scope)).get(fragment_id)
        return None if found is None else Located(fragment=found, is_archived=False)
