"""Bringing an embedded store up to date: in a copy of it, which then takes its place.

The store itself is not written to until the copy is of the new version, and on disk. What fails or
is killed before that leaves it as it was; the next start begins with a copy anew.
"""

import asyncio
import logging
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

from hairem_core import __version__
from hairem_core.errors import HairemError
from hairem_core.memory.errors import MemoryUnavailable, UpgradeFailed
from hairem_core.memory.folder import COPY, beside, size_of

_LOGGER = logging.getLogger(__name__)
_SPARE = 32 * 1024 * 1024
"""Bytes to be left free beside a copy: what changes is added to it."""

_AS_IT_WAS = (
    "The data is as it was. Go back to the hAIrem that ran before, and report this with the log; "
    "or start this one again if it was for want of room on the disk."
)
_STEP_BY_STEP = (
    "Nothing of this step was kept, but those before it were. Report this with the log; to go back "
    "to the hAIrem that ran before, restore the backup that you made."
)

type Change = Callable[[Path], Awaitable[None]]
"""Changes the store in a folder, and closes it."""


async def make_changed_copy(folder: Path, fresh: Path, change: Change) -> None:
    """Make a copy of a store's `folder`, changed by `change`, which becomes `fresh`.

    Nobody may write to the store meanwhile. Raises UpgradeFailed, and then nothing is left of it.
    """
    copy = beside(folder, COPY)
    await asyncio.to_thread(shutil.rmtree, copy, ignore_errors=True)
    _check_room(folder)
    _LOGGER.info("%s: copied aside, to be brought up to date", folder)
    try:
        # Whole files: links would share what is added to them.
        await asyncio.to_thread(shutil.copytree, folder, copy)
        await change(copy)
        await asyncio.to_thread(_sync, copy)
        await asyncio.to_thread(copy.rename, fresh)
    except (OSError, shutil.Error) as err:
        raise UpgradeFailed(
            f"cannot be copied: {err}",
            where=str(folder),
            hint="Nothing was changed. Look at the disk and its free space, and start again.",
        ) from err
    finally:
        await asyncio.to_thread(shutil.rmtree, copy, ignore_errors=True)


def newer(where: str, *, version: int, by: str | None, newest: int) -> MemoryUnavailable:
    """Return why a store cannot be used whose schema is number `version`, made by hAIrem `by`."""
    of = f", of hAIrem {by}" if by else ""
    return MemoryUnavailable(
        f"its schema is number {version}{of}; this hAIrem, {__version__}, knows {newest} at most",
        where=where,
        hint="Run the newer hAIrem that wrote it, or restore an older backup.",
    )


def step_failed(name: str, err: Exception, where: str, *, is_copy: bool) -> UpgradeFailed:
    """Return what to tell of a step that could not be applied."""
    what = err.what if isinstance(err, HairemError) else f"{type(err).__name__}: {err}"
    return UpgradeFailed(
        f"{name} could not be applied: {what}",
        where=where,
        hint=_AS_IT_WAS if is_copy else _STEP_BY_STEP,
    )


def _check_room(folder: Path) -> None:
    needed = size_of(folder) + _SPARE
    free = shutil.disk_usage(folder.parent).free
    if free < needed:
        raise UpgradeFailed(
            f"there is no room to bring it up to date: {_mb(needed)} are needed for a copy, "
            f"{_mb(free)} are free",
            where=str(folder),
            hint="Nothing was changed. Make room and start again, or go back to the hAIrem that "
            "ran before.",
        )


def _mb(size: int) -> str:
    return f"{size / 1_000_000:,.0f} MB"


def _sync(folder: Path) -> None:
    """Have everything in a folder reach the disk: it is about to take another one's place."""
    for path in (*folder.rglob("*"), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
