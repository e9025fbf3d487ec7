"""Damage in an embedded store's log, told from what a power cut leaves of the last write.

The engine cuts its log off at the first thing in it that it cannot read. That is right for the end
of a write that nobody was told of. But a bad block in the middle would cost all that was written
after it: then the log is left as it is, and whoever opens it is told.
"""

import logging
import os
import shutil
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from hairem_core.memory.errors import MemoryUnavailable
from hairem_core.memory.folder import beside

_LOGGER = logging.getLogger(__name__)

HELD = ".~held"
"""Ending of the folder with second names of the log's files, while they are opened."""
WHOLE = ".whole"
"""Ending of the file that says up to where the log is known to be on the disk."""
_KEPT = ".damaged"
_NOTE_SECONDS = 0.5


class LogGuard:
    """Guards the log of one embedded store. It never waits for the disk."""

    def __init__(self, folder: Path, *, keeps_all: bool = False) -> None:
        """With `keeps_all` nothing is ever cut off: for who only looks."""
        self._folder = folder
        self._keeps_all = keeps_all
        self._held = beside(folder, HELD)
        self._held_of = self._held / "of"
        """Says of which folder they are."""
        self._whole = beside(folder, WHOLE)
        self._whole_now: tuple[str, int] | None = None
        """Name and length of the last file of the log, all of which is on the disk."""
        self._to_note: tuple[str, int] | None = None
        self._noted_at = 0.0
        self.has_lost = False
        """Whether the engine cut off what may have been whole once, and it was gone on with."""

    def hold(self) -> None:
        """Keep the files of the log, whatever the engine does when it opens them: it writes what it
        mends as other files.
        """
        self.put_back()  # a process died while it opened them
        logs = self._logs()
        try:
            self._held.mkdir(mode=0o700)
            self._held_of.write_text(self._identity(), encoding="ascii")
            for each in logs:
                os.link(each, self._held / each.name)
        except OSError as err:
            # Not every file system can: then it is as the engine leaves it.
            _LOGGER.debug("%s: its log cannot be held: %s", self._folder, err)
            shutil.rmtree(self._held, ignore_errors=True)

    def damage(self) -> MemoryUnavailable | None:
        """Return what is wrong if the engine cut off what had reached the disk.

        Else let go of what was held. Where nobody knows how much had, what was cut off is kept.
        """
        cut = [each for each in self._held_files() if not _is_same(each, self._log_of(each))]
        known = self._known()
        for each in cut:
            log = self._log_of(each)
            left, was = log.stat().st_size if log.exists() else 0, each.stat().st_size
            if known is None and self._keeps_all:
                return MemoryUnavailable(
                    f"of the {was:,} bytes of {each.name}, those after {left:,} cannot be read",
                    where=str(self._folder),
                    hint=f"Without {self._whole.name} the next start goes on before that, and "
                    "keeps the log.",
                )
            if known is not None and (each.name, left) < known:
                return MemoryUnavailable(
                    f"its log is damaged: of the {was:,} bytes of {each.name}, those after "
                    f"{left:,} cannot be read",
                    where=str(self._folder),
                    hint="Nothing was changed. Restore a backup. Or delete "
                    f"{self._whole.name} beside it to go on with what comes before the damage; the "
                    "damaged log is kept.",
                )
            what = "unreadable" if known is None else "of an unfinished write"
            _LOGGER.warning("%s: the last %d bytes are %s, and cut off", log, was - left, what)
        if cut and known is None:
            self.has_lost = True
            kept = beside(self._folder, f"{_KEPT}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
            self._held.rename(kept)
            _LOGGER.warning("%s: the log as it was is kept in %s", self._folder, kept)
        shutil.rmtree(self._held, ignore_errors=True)
        return None

    def put_back(self) -> None:
        """Let the log be as it was when it was held."""
        # A folder that was restored meanwhile is another one.
        with suppress(OSError):
            if self._held_of.read_text(encoding="ascii") == self._identity():
                for each in self._held_files():
                    each.replace(self._log_of(each))
        shutil.rmtree(self._held, ignore_errors=True)

    def note(self, *, is_last: bool = False) -> None:
        """Note that all that is in the log is on the disk; in the file of it now and then.

        That file gets what was seen the time before: whoever copies the files of an open store gets
        the log a moment earlier. Where nothing more comes, it is exact.
        """
        logs = self._logs()
        self._whole_now = (logs[-1].name, logs[-1].stat().st_size) if logs else None
        now = time.monotonic()
        if not is_last and now - self._noted_at < _NOTE_SECONDS:
            return
        self._noted_at = now
        noted = self._whole_now if is_last else self._to_note
        self._to_note = self._whole_now
        # Who has no room for these few bytes has none to write what they tell of.
        with suppress(OSError):
            if noted is not None:
                self._whole.write_text(f"{noted[0]} {noted[1]}\n", encoding="ascii")

    def cut_back(self) -> None:
        """Cut off what the log got after the last `note`: a write that failed."""
        with suppress(OSError):
            if self._whole_now is not None and self._logs()[-1].name == self._whole_now[0]:
                os.truncate(self._logs()[-1], self._whole_now[1])

    def forget(self) -> None:
        """Note that another store takes this one's place."""
        self._whole_now = self._to_note = None
        self._whole.unlink(missing_ok=True)

    def _identity(self) -> str:
        return str(self._folder.stat().st_ino)

    def _known(self) -> tuple[str, int] | None:
        try:
            name, length = self._whole.read_text(encoding="ascii").split()
            return name, int(length)
        except OSError, ValueError:
            return None

    def _logs(self) -> list[Path]:
        return sorted((self._folder / "clog").glob("*.clog"))

    def _held_files(self) -> list[Path]:
        return sorted(self._held.glob("*.clog"))

    def _log_of(self, held: Path) -> Path:
        return self._folder / "clog" / held.name


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except FileNotFoundError:
        return False
