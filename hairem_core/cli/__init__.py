"""The `hairem` command."""

import os
import signal
import sys
from types import FrameType
from typing import Never


def main() -> None:
    """Run the command."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # What is imported would turn a KeyboardInterrupt into errors of its own.
        signal.signal(signal.SIGINT, _leave)
    if sys.argv[1:2] == ["health"]:
        # A container asks twice a minute: it gets by without the rest.
        from hairem_core.cli.health import main as run
    else:
        from hairem_core.cli.main import main as run
    try:
        if signal.getsignal(signal.SIGINT) is _leave:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        run()
    except KeyboardInterrupt:
        sys.exit(130)


def _leave(number: int, frame: FrameType | None) -> Never:
    # Nothing is under way yet that would have to be put in order.
    os._exit(130)


__all__ = ["main"]
