"""`hairem health`: whether H-Core answers, for a container's HEALTHCHECK.

It runs every half minute on machines that are slow: the standard library, and nothing of ours that
costs time.
"""

import http.client
import json
import os
import sys
from pathlib import Path

from hairem_core.data import default_data

_PORT = 8127
_SECONDS = 4.0


def answers(data: Path) -> tuple[bool, str]:
    """Return whether the H-Core of a data folder answers, and what it says of itself.

    One that waits for right options answers: a restart would not mend them.
    """
    try:
        address = (data / "address").read_text().strip()
    except OSError:
        # None runs there, or it waits for its options, where an app listens.
        address = f"127.0.0.1:{os.environ.get('HAIREM_PORT', _PORT)}"
    host, _, port = address.rpartition(":")
    status = "no answer"
    try:
        connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=_SECONDS)
        connection.request("GET", "/api/health")
        status = str(json.loads(connection.getresponse().read())["status"])
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException) as err:
        status = f"no answer: {err}"
    return status in ("up", "misconfigured"), status


def main() -> None:
    """Run the command on this user's data folder: exit code 0 if H-Core answers, else 1."""
    arguments = sys.argv[2:]
    match arguments:
        case []:
            data = default_data()
        case ["--data", path]:
            data = Path(path)
        case _:
            print("Usage: hairem health [--data PATH]", file=sys.stderr)
            sys.exit(2 if arguments != ["--help"] else 0)
    is_right, status = answers(data)
    print(status, file=sys.stdout if is_right else sys.stderr)
    sys.exit(0 if is_right else 1)
