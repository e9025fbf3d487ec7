"""What a file really is, told by its first bytes."""

import json
from pathlib import Path

_HEAD = 4096
"""Bytes that are looked at."""
_LARGEST_JSON = 2**20
"""Bytes of JSON that are parsed whole."""

_SUFFIXES = {
    "png": "png",
    "jpg": "jpeg",
    "jpeg": "jpeg",
    "webp": "webp",
    "gif": "gif",
    "svg": "svg",
    "mp3": "mp3",
    "ogg": "ogg",
    "oga": "ogg",
    "opus": "ogg",
    "wav": "wav",
    "flac": "flac",
    "mp4": "mp4",
    "m4a": "mp4",
    "webm": "webm",
    "woff": "woff",
    "woff2": "woff2",
    "json": "json",
    "txt": "text",
    "md": "text",
    "csv": "text",
    "yaml": "text",
    "yml": "text",
}
_TEXTS = frozenset({"text", "json", "svg"})
KNOWN_SUFFIXES = tuple(f".{suffix}" for suffix in _SUFFIXES)

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"ID3", "mp3"),
    (b"OggS", "ogg"),
    (b"fLaC", "flac"),
    (b"wOFF", "woff"),
    (b"wOF2", "woff2"),
    (b"\x1a\x45\xdf\xa3", "webm"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"PK\x03\x04", "an archive"),
    (b"\x1f\x8b", "an archive"),
    (b"%PDF-", "pdf"),
)


def type_of_suffix(path: Path) -> str | None:
    """Return the type that a file's name promises, None if the suffix is not known."""
    return _SUFFIXES.get(path.suffix.lower().removeprefix("."))


def type_of_content(path: Path) -> str:
    """Return the type of a file by its content: `png`, …, `text`, or `data` for anything else.

    Raises OSError.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if head[:4] == b"RIFF":
        return {b"WEBP": "webp", b"WAVE": "wav"}.get(head[8:12], "data")
    if head[4:8] == b"ftyp":
        return "mp4"
    # A frame of MPEG audio, layer III: eleven bits set, then version and layer.
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2:
        return "mp3"
    return _type_of_text(head)


def is_as_promised(path: Path, promised: str, found: str) -> bool:
    """Return whether a content of type `found` may bear a suffix of type `promised`.

    Raises OSError.
    """
    if promised == "json":
        return found in _TEXTS and _is_json(path)
    if promised == "text":
        return found in _TEXTS
    return promised == found


def _type_of_text(head: bytes) -> str:
    if b"\0" in head:
        return "data"
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        # The last character may have been cut through.
        if len(head) < _HEAD or err.start < len(head) - 3:
            return "data"
        text = head[: err.start].decode("utf-8-sig")
    if "<svg" in text and text.lstrip().startswith("<"):
        return "svg"
    return "text"


def _is_json(path: Path) -> bool:
    if path.stat().st_size > _LARGEST_JSON:
        with path.open("rb") as file:
            return file.read(_HEAD).lstrip()[:1] in (b"{", b"[")
    try:
        json.loads(path.read_bytes())
    except ValueError, RecursionError:
        return False
    return True
