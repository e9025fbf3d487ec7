"""`hairem health`: whether H-Core answers, for a container's HEALTHCHECK.

It runs every half minute on machines that are slow: the standard library, and nothing of ours that
costs time.
"""

import http.client
import io
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from hairem_core.cli.output import printable
from hairem_core.data import default_data

_PORT = 8127
_SECONDS = 4.0
_WRONG = ("rejected", "quarantined", "crashed")
"""States that an agent should not be in."""


def answers(data: Path) -> tuple[bool, str]:
    """Return whether the H-Core of a data folder answers, and what it says of itself.

    That is its status and, where the command's token can be read, a line for each of its parts,
    with what is wrong. One that waits for right options answers: a restart would not mend them.
    """
    try:
        address = (data / "address").read_text().strip()
    except OSError:
        # None runs there, or it waits for its options, where an app listens.
        address = f"127.0.0.1:{os.environ.get('HAIREM_PORT', _PORT)}"
    host, _, port = address.rpartition(":")
    try:
        connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=_SECONDS)
        connection.request("GET", "/api/health", headers=_headers(data))
        told = json.loads(connection.getresponse().read())
        status = str(told["status"])
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException) as err:
        return False, f"no answer: {err}"
    lines = [status]
    with suppress(AttributeError, KeyError, TypeError):  # an H-Core of another version
        lines += _details(told)
    return status in ("up", "misconfigured"), "\n".join(lines)


def _headers(data: Path) -> dict[str, str]:
    """Return what shows that we are no stranger, where that can be read."""
    with suppress(OSError, ValueError):
        token = (data / "command.token").read_text().strip()
        if token.isascii() and token.isprintable():
            return {"Authorization": f"Bearer {token}"}
    return {}


def _details(told: dict[str, Any]) -> list[str]:
    """Return a line for each part, where they are told."""
    parts = told.get("parts", {})
    rows = [(name, str(part["status"]), _wrong(part)) for name, part in parts.items()]
    widths = [max(map(len, column), default=0) for column in zip(*rows, strict=True)]
    lines = ["everything stands still for a backup"] if told.get("held") else []
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join(cells).rstrip())
    return lines


def _wrong(part: dict[str, Any]) -> str:
    """Return what is wrong with a part, in one line."""
    told = {
        "error": "{}",
        "chain_error": "the chain of events is broken: {}",
        "archive_error": "the archive is away: {}",
    }
    wrong = [text.format(part[key]) for key, text in told.items() if part.get(key)]
    wrong += [
        f"{agent}: {state}" for agent, state in part.get("states", {}).items() if state in _WRONG
    ]
    return printable(" ".join(", ".join(wrong).split()))


def main() -> None:
    """Run the command on this user's data folder: exit code 0 if H-Core answers, else 1."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A letter that a terminal does not have is no reason to call H-Core ill.
            stream.reconfigure(errors="replace")
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
