"""What can go wrong with the archive."""

from typing import ClassVar

from hairem_core.errors import HairemError


class ArchiveUnavailable(HairemError):
    """The archive cannot be opened, or does not answer. No password is ever told."""

    code: ClassVar[str] = "archive_unavailable"


class AnchorRefused(HairemError):
    """The archive has witnessed another hash of the same event."""

    code: ClassVar[str] = "anchor_refused"
