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

    def __init__(self, path: Path) -> None:
        known = path.read_bytes() if path.exists() else b""
        # A write cut short leaves less than an id at the end.
        known = known[: len(known) // _ID_BYTES * _ID_BYTES][-_KEPT * _ID_BYTES :]
        self._known = {known[at : at + _ID_BYTES] for at in range(0, len(known), _ID_BYTES)}
        path.write_bytes(known)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    def __contains__(self, msg_id: UUID) -> bool:
        return msg_id.bytes in self._known

    def add(self, msg_id: UUID) -> None:
        """Note that a message is finished. The operating system has it when this returns."""
        os.write(self._file, msg_id.bytes)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)
