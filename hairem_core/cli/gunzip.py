"""Decompressing a file that may be damaged: all that can be had of it, and then what is wrong."""

import zlib
from collections.abc import Iterator

GZIP = b"\x1f\x8b"
_GZIP_WINDOW = 31
"""As zlib counts it: the largest window, with gzip's header and checksum."""
_PIECE = 256 * 1024


class Gunzip:
    """Decompresses what it is fed, piece by piece; `damage` says where that ended too early."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP_WINDOW)
        self.damage: str | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what comes of some bytes, in pieces; after what is damaged nothing comes."""
        while data and self.damage is None:
            if self._member.eof:
                # Tapes and disks fill up a file with zeros; several files may lie in one.
                data = data.lstrip(b"\0")
                if not data:
                    return
                if not GZIP.startswith(data[:2]):
                    self.damage = "something that is not compressed comes after its end"
                    return
                self._member = zlib.decompressobj(_GZIP_WINDOW)
            before = self._member.copy()
            try:
                piece = self._member.decompress(data, _PIECE)
            except zlib.error as err:
                self.damage = f"what it holds is damaged ({err})"
                yield from _until_it_fails(before, data)
                return
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            if piece:
                yield piece

    def end(self) -> None:
        """Note that nothing more comes."""
        if self.damage is None and not self._member.eof:
            self.damage = "it was cut off"


def _until_it_fails(member: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    """Yield what comes of bytes before one that is wrong: zlib keeps it when it is given more."""
    for index in range(len(data)):
        try:
            piece = member.decompress(data[index : index + 1])
        except zlib.error:
            return
        if piece:
            yield piece
