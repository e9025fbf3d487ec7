"""The Supervisor's token is taken out of the environment, for good."""

import os
import subprocess
import sys

from hairem_core.supervisor.credentials import take_token

TOKEN = "supervisor-token-0123456789abcdef"
_PROGRAM = """
import subprocess, sys
from pathlib import Path
from hairem_core.supervisor.credentials import take_token

before = Path("/proc/self/environ").read_bytes()
token = take_token()
after = Path("/proc/self/environ").read_bytes()
child = subprocess.run(["/usr/bin/env"], capture_output=True, text=True).stdout
assert before.count(token.encode()) == 2, before
assert token.encode() not in after, after
assert len(after) == len(before)
assert b"KEPT=as it is" in after
assert token not in child and "KEPT=as it is" in child, child
assert take_token() is None
print(token)
"""


def test_neither_the_kernel_nor_a_child_shows_it() -> None:
    environment = {
        "SUPERVISOR_TOKEN": TOKEN,
        "KEPT": "as it is",
        "HASSIO_TOKEN": TOKEN,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == TOKEN, done.stderr


def test_without_a_supervisor_there_is_none() -> None:
    environment = {"SUPERVISOR_TOKEN": "", "KEPT": "x"}
    assert take_token(environment) is None
    assert environment == {"KEPT": "x"}
    assert take_token({"HASSIO_TOKEN": "old"}) == "old"
