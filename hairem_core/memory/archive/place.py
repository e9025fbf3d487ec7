"""Where the archive of a data folder is, and whether it can be reached from here."""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote

import sqlalchemy as sa

from hairem_core.config.archive import SQLITE, archive_address
from hairem_core.config.system import MemoryConfig
from hairem_core.memory.archive.engine import ERRORS, Engine, Tls
from hairem_core.memory.archive.errors import ArchiveUnavailable


@dataclass(frozen=True, kw_only=True)
class ArchivePlace:
    """Where an archive is."""

    url: str
    tls: Tls | None
    folder: Path
    """From which a relative path of a file counts."""
    is_chosen: bool
    """Whether the configuration names it; else it is the usual file."""

    @classmethod
    def of(cls, config: MemoryConfig, folder: Path) -> Self:
        """Return where the configuration has the archive of a data folder."""
        url = f"{SQLITE}:///{folder / 'archive.sqlite3'}"
        if config.archive_url is not None:
            url = config.archive_url.get_secret_value()
        is_encrypted = config.archive_tls or config.archive_tls_ca is not None
        tls = Tls(ca=config.archive_tls_ca) if is_encrypted else None
        is_chosen = config.archive_url is not None
        return cls(url=url, tls=tls, folder=folder, is_chosen=is_chosen)

    @property
    def file(self) -> Path | None:
        """The file it is in; None on a server."""
        address = archive_address(self.url)
        if address.drivername != SQLITE:
            return None
        return (self.folder / (address.database or "")).absolute()

    async def look(self, seconds: float, *, in_use: bool = False) -> str:
        """Return where it is, after a look that neither makes nor changes anything.

        `in_use` says that an H-Core may be writing to it. Raises ArchiveUnavailable where it cannot
        be used, or does not answer in that time.
        """
        if self.file is not None:
            return await asyncio.to_thread(_look_at_file, self.file, in_use=in_use)
        engine = Engine.of(self.url, self.tls)
        try:
            async with asyncio.timeout(seconds), engine.reading.connect() as connection:
                await connection.execute(sa.text("SELECT 1"))
        except TimeoutError as err:
            what = f"no answer within {seconds:g} seconds"
            raise ArchiveUnavailable(what, where=engine.where) from err
        except ERRORS as err:
            raise engine.unavailable(err) from err
        finally:
            await engine.close()
        return engine.where


def _look_at_file(path: Path, *, in_use: bool) -> str:
    if not path.exists():
        return f"{path} (made when it is needed)"
    if Path(f"{path}-journal").exists():
        if in_use:
            return str(path)
        # Looking into it would put it in order.
        return f"{path} (a write broke off; put in order at the next start)"
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
            [[found], *_] = connection.execute("PRAGMA quick_check(1)").fetchall()
    except (sqlite3.Error, OSError) as err:
        found = "ok" if in_use and "locked" in str(err) else str(err)
    if found != "ok":
        raise ArchiveUnavailable(
            " ".join(found.split()),
            where=str(path),
            hint="Look at the disk and at the file's owner, or restore the file from a backup.",
        )
    return str(path)
