"""What a command writes to: a terminal, a file, a pipe, of which the last two may take no more."""

import errno
import os
import sys

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def is_about_output(err: BaseException) -> bool:
    """Return whether standard output takes no more: its reader has gone, or the disk is full.

    Errors of other files name them.
    """
    if not isinstance(err, OSError) or err.filename is not None:
        return False
    return isinstance(err, BrokenPipeError) or err.errno in _FULL


def give_up(err: OSError) -> int:
    """Say why no more is written, and return the exit code. Who reads no more is told nothing."""
    if not isinstance(err, BrokenPipeError):
        print(f"hairem: the output cannot be written: {err.strerror}", file=sys.stderr)
    # What is still in the buffer would fail again when Python ends.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return 1
