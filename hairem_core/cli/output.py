"""What a command writes, and to what: a terminal, a file, a pipe; the last two may take no more."""

import fcntl
import io
import json
import os
import sys
import unicodedata
from collections.abc import Buffer
from typing import Any

_JOINERS = "\u200c\u200d"
"""They hold letters and emoji together, and move nothing."""


class OutputLost(Exception):
    """Standard output takes no more: its reader has gone, or the disk is full; the cause says.

    It is no OSError: whoever tells of another file, or of a connection, has nothing to say of it.
    """


class _Output(io.FileIO):
    def write(self, data: Buffer, /) -> int:
        try:
            return super().write(data)
        except OSError as err:
            raise OutputLost from err


def mark_output() -> None:
    """Have everything that is written to standard output raise OutputLost where it cannot be.

    A letter that its encoding does not have is written as `?`. What is closed of standard input and
    error is as good as empty, and as unread.
    """
    if sys.stdin is None:
        sys.stdin = _opened(0, os.O_RDONLY, "r")
    if sys.stderr is None:
        sys.stderr = _opened(2, os.O_WRONLY, "w")
    old = sys.stdout
    if old is None:
        # Nothing can be written to it, as to what is closed. What is opened next would else get its
        # number, and be written into by programs that are started.
        old = _opened(1, os.O_RDONLY, "w")
    if not isinstance(old, io.TextIOWrapper):
        return
    old.flush()
    file = _Output(old.fileno(), "wb", closefd=False)
    # Unbuffered, as `python -u` has it, is unbuffered here too.
    is_buffered = isinstance(old.buffer, io.BufferedWriter)
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(file) if is_buffered else file,
        encoding=old.encoding,
        errors="replace",
        line_buffering=old.line_buffering,
        write_through=old.write_through,
    )


def _opened(number: int, flags: int, mode: str) -> Any:
    """Have a standard stream that is closed lead nowhere."""
    nowhere = os.open(os.devnull, flags)
    if nowhere != number:
        os.dup2(nowhere, number)
        os.close(nowhere)
    os.set_inheritable(number, True)
    return os.fdopen(number, mode, encoding="utf-8", errors="replace", closefd=False)


def is_closed() -> bool:
    """Return whether standard output was closed before the command began."""
    return fcntl.fcntl(1, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY


def give_up(lost: OutputLost) -> int:
    """Say why no more is written, and return the exit code. Who reads no more is told nothing."""
    err = lost.__cause__
    if isinstance(err, OSError) and not isinstance(err, BrokenPipeError):
        print(f"hairem: the output cannot be written: {err.strerror}", file=sys.stderr)
    # What is still in the buffer would fail again when Python ends.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return 1


def printable(text: object) -> str:
    """Return a text that does not steer the terminal of who reads it; lines and tabs stay.

    What people, agents, models and files say goes through it, or through `json_text`.
    """
    told = str(text).replace("\r\n", "\n")
    if told.isprintable():
        return told
    return "".join(each if _is_plain(each) else "?" for each in told)


def json_text(value: Any, *, indent: int | None = None) -> str:
    """Return JSON of the same meaning that neither steers a terminal nor is beyond its encoding."""
    return escaped(json.dumps(value, ensure_ascii=False, indent=indent))


def escaped(text: str) -> str:
    """Return JSON with what steers a terminal, or is beyond its encoding, written as `\\u202e`."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
        has_room = True
    except UnicodeEncodeError:
        has_room = False
    if has_room and text.isprintable():
        return text
    return "".join(
        each if _is_plain(each) and (has_room or each.isascii()) else json.dumps(each)[1:-1]
        for each in text
    )


def complain(text: object) -> None:
    """Say on standard error what is wrong."""
    print(f"hairem: {printable(text)}", file=sys.stderr)


def _is_plain(letter: str) -> bool:
    # French has spaces that do not break, which count as not printable.
    return (
        letter.isprintable()
        or letter in "\n\t"
        or letter in _JOINERS
        or unicodedata.category(letter) == "Zs"
    )
