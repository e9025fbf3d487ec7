"""Whether the archive can be reached, as far as is known."""

import logging

from hairem_core.memory.archive.errors import ArchiveUnavailable

_LOGGER = logging.getLogger(__name__)


class Reach:
    """What came of the last time that the archive was asked. The log tells of each change, once."""

    def __init__(self, where: str) -> None:
        self._where = where
        self.problem: str | None = None
        """Why it was away; None where it was there, or was not asked yet."""

    def away(self, err: ArchiveUnavailable) -> ArchiveUnavailable:
        """Note that it was away, and return the error."""
        if self.problem is None:
            _LOGGER.warning("The archive is away, and all stays in memory: %s", err)
        self.problem = str(err)
        return err

    def there(self) -> None:
        """Note that it has answered."""
        if self.problem is not None:
            _LOGGER.info("%s: reached again", self._where)
        self.problem = None
