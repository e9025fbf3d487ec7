"""The tests of this package as another user runs them.

`python -m tests.hotplug.hostile.elsewhere MODE [arguments of pytest]`, as root. Modes: `root` (each
agent gets a user of its own, as in a container), `user` (H-Core is an ordinary user).
"""

import os
import sys
from pathlib import Path

import pytest

from tests.hotplug.sandbox.house import NOBODY, open_python


def main(mode: str, arguments: list[str]) -> int:
    """Become what `mode` says, then run pytest; return its exit code."""
    open_python()
    if mode == "user":
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    os.environ["HOME"] = "/nonexistent"
    here = str(Path(__file__).parent)
    options = ["-p", "no:homeassistant", "-p", "no:cacheprovider", "-q", "-s"]
    return int(pytest.main([*options, *(arguments or [here])]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
