"""`hairem backup`: let everything stand still while the data folder is copied."""

import time
from pathlib import Path
from typing import Any

import httpx
import typer

from hairem_core.cli.options import ConfigOption, DataOption
from hairem_core.cli.output import complain
from hairem_core.cli.places import NotRunning, Places, find_places

app = typer.Typer(
    help="Before and after copying the data folder of a running H-Core.", no_args_is_help=True
)

_PATIENCE = 90.0
"""Seconds for an answer: H-Core itself waits a minute for what is under way."""
_STARTING = 60.0
"""Seconds for an H-Core that starts or stops at this moment."""
_POLL = 0.2
_NO_H_CORE = frozenset({404, 405, 503})
"""What answers so in H-Core's place keeps nothing: the app while its options are wrong."""
_H_CORES_OWN = frozenset({"memory_unavailable", "archive_unavailable", "bus_unavailable"})
"""Codes of H-Core itself among those statuses."""


class _NothingToHold(Exception):
    """No H-Core runs, so nothing changes the files."""


@app.command()
def pre(data: DataOption = None, config: ConfigOption = None) -> None:
    """Let everything stand still, until `post` or for ten minutes; who writes waits."""
    try:
        told = _order(find_places(data, config), "hold")
    except _NothingToHold as err:
        print(f"There is nothing to hold: {err}.")
        return
    again = "still " if told["prolonged"] else ""
    print(f"Everything {again}stands still, for {told['seconds']:g} seconds at most.")


@app.command()
def post(data: DataOption = None, config: ConfigOption = None) -> None:
    """Let everything go on."""
    try:
        told = _order(find_places(data, config), "release")
    except _NothingToHold as err:
        print(f"There is nothing to let go: {err}.")
        return
    match told["state"]:
        case "released":
            print("Everything goes on.")
        case "nothing_held":
            print("Nothing was held.")
        case _:
            raise _failed(
                "the copy took too long, and everything went on before it was over. What was "
                "copied may not fit together: make the backup again."
            )


def _order(places: Places, order: str) -> dict[str, Any]:
    """Return H-Core's answer. Raises _NothingToHold; what is wrong ends the command."""
    try:
        address, token = _address(places)
    except NotRunning as err:
        if err.__cause__ is not None:  # it may run: its address could not be read
            raise _failed(str(err)) from err
        raise _NothingToHold(err.what) from err
    try:
        response = httpx.post(
            f"http://{address}/api/backup/{order}",
            headers={"Authorization": f"Bearer {token}"},
            timeout=httpx.Timeout(_PATIENCE, connect=5.0),
            # A proxy is for the way to others, not for this machine.
            trust_env=False,
        )
    except httpx.ConnectError as err:
        raise _NothingToHold("no H-Core answers") from err
    except httpx.HTTPError as err:
        why = str(err) or type(err).__name__
        raise _failed(f"H-Core at {address} gave no answer: {why}.") from err
    if not response.is_error:
        told: dict[str, Any] = response.json()
        return told
    code, what = _error(response)
    if response.status_code in _NO_H_CORE and code not in _H_CORES_OWN:
        raise _NothingToHold("no H-Core runs here")
    raise _failed(what)


def _error(response: httpx.Response) -> tuple[str, str]:
    """Return code and words of an error."""
    try:
        error = response.json()["error"]
        return str(error["code"]), str(error["message"])
    except ValueError, KeyError, TypeError:
        return "", f"H-Core answered with status {response.status_code}; see its log."


def _address(places: Places) -> tuple[str, str]:
    """Return address and token of the H-Core that runs, or is about to. Raises NotRunning."""
    until = time.monotonic() + _STARTING
    while True:
        try:
            return places.core_address(), places.command_token()
        except NotRunning as err:
            if err.__cause__ is not None or not _is_locked(places):
                raise
            if time.monotonic() > until:
                what = "H-Core has been starting or stopping for a minute; try again later."
                raise _failed(what) from err
        time.sleep(_POLL)


def _is_locked(places: Places) -> bool:
    """Return whether an H-Core has the data folder. Trying to lock it would get in its way."""
    try:
        inode = (places.data / "lock").stat().st_ino
        with Path("/proc/locks").open(encoding="ascii") as locks:
            return any(" FLOCK " in line and f":{inode} " in line for line in locks)
    except OSError:
        return False


def _failed(what: str) -> typer.Exit:
    complain(what)
    return typer.Exit(1)
