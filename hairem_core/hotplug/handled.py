"""Which messages an agent has finished, as its own process knows it."""

import os
from pathlib import Path
from uuid import UUID

_ID_BYTES = 16
_KEPT = 4096
"""Ids. Far more than can wait for their acknowledgement at once."""


class HandledLog:
    """Remembers the messages whose handler returned, beyond the death of H-Core.

    The host acknowledges a message to Redis after the agent said that it is done. When H-Core is
    killed in between, the message is delivered again, to the next process of this agent; that one
    finds it here and does nothing twice. A line of the file is the 16 bytes of a `msg_id`.
    """

    def __init__(self, path: Path, *, is_shared: bool) -> None:
        """Open the log at `path`; `is_shared` says that another generation still appends to it.

        Raises OSError.
        """
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        size = os.fstat(self._file).st_size
        # A write cut short, by a full disk or a death, leaves less than an id at the end.
        whole = size // _ID_BYTES * _ID_BYTES
        kept = min(whole, _KEPT * _ID_BYTES)
        known = os.pread(self._file, kept, whole - kept)
        # A dict, for it keeps the order.
        self._known = dict.fromkeys(
            known[at : at + _ID_BYTES] for at in range(0, len(known), _ID_BYTES)
        )
        # Whatever makes the file shorter would lose what the other generation adds meanwhile.
        if not is_shared:
            self._compact(path, size, known)

    def __contains__(self, msg_id: UUID) -> bool:
        return msg_id.bytes in self._known

    def add(self, msg_id: UUID) -> None:
        """Note that a message is finished. The operating system has it when this returns.

        Raises OSError, for example when the disk is full.
        """
        self._known[msg_id.bytes] = None
        if len(self._known) > _KEPT:
            del self._known[next(iter(self._known))]
        if self._file >= 0:
            os.write(self._file, msg_id.bytes)

    def close(self) -> None:
        """Let go of the file; what is added later is known to this process alone."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _compact(self, path: Path, size: int, known: bytes) -> None:
        if size > len(known) + _KEPT * _ID_BYTES:
            # Killed at any moment, either the old file is there or the new one.
            fresh = path.with_name(f"{path.name}.new")
            fresh.write_bytes(known)
            fresh.chmod(0o600)
            fresh.replace(path)
            os.close(self._file)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        elif size % _ID_BYTES:
            os.ftruncate(self._file, size - size % _ID_BYTES)
