"""What a command writes to: a terminal, a file, a pipe, of which the last two may take no more."""

import io
import os
import sys
from collections.abc import Buffer


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
    """Have everything that is written to standard output raise OutputLost where it cannot be."""
    old = sys.stdout
    if not isinstance(old, io.TextIOWrapper):
        return  # closed
    old.flush()
    file = _Output(old.fileno(), "wb", closefd=False)
    # Unbuffered, as `python -u` has it, is unbuffered here too.
    is_buffered = isinstance(old.buffer, io.BufferedWriter)
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(file) if is_buffered else file,
        encoding=old.encoding,
        errors=old.errors,
        line_buffering=old.line_buffering,
        write_through=old.write_through,
    )


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
