"""Episodes of events that were recorded before there were any."""

import logging

from hairem_core.memory.events import Episodes, EventLog
from hairem_core.memory.fragment import Fragment
from hairem_core.memory.fragments import FragmentStore
from hairem_core.memory.writer import Change, Head, Writer

_LOGGER = logging.getLogger(__name__)


async def make_missing_episodes(
    writer: Writer, events: EventLog, episodes: Episodes, fragments: FragmentStore
) -> None:
    """Make the episodes that events have not had yet, page by page; a kill costs one page.

    Raises MemoryUnavailable.
    """
    if writer.head.episodes >= writer.head.number:
        return
    _LOGGER.info("Making fragments of %d events", writer.head.number)
    async for rows in events.pages(after=writer.head.episodes):
        made = [each for row in rows if row.get("erased_by") is None for each in episodes(row)]

        async def build(
            head: Head, made: list[Fragment] = made, last: int = rows[-1]["number"]
        ) -> Change:
            ids = [each.id for each in made]
            known = {*await fragments.existing(ids), *await fragments.forgotten(ids)}
            return Change(added=[each for each in made if each.id not in known], episodes=last)

        await writer.commit(build)
