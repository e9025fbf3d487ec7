"""Goes on without what is not there."""

from typing import TYPE_CHECKING

from hairem_core.sdk import BaseAgent

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from pandas import DataFrame

    from hairem_core.hlink.bus import Bus

try:
    import orjson
except ImportError:
    orjson = None

try:
    from lxml import etree
except (ImportError, OSError):
    etree = None


class Agent(BaseAgent):
    frame: DataFrame
    bus: Bus

    def connect(self, link: socket.socket, then: Callable[[], None]) -> bool:
        """Say what is there."""
        return orjson is not None or etree is not None


if __name__ == "__main__":
    import sys

    import pytest

    sys.exit(pytest.main())
