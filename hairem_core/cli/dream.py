"""`hairem dream`: dream now, and tell what came of it."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import typer

from hairem_core.cli.options import ConfigOption, DataOption, JsonOption
from hairem_core.cli.output import complain, json_text, printable
from hairem_core.cli.places import find_places

if TYPE_CHECKING:
    from hairem_core.cli.memory_client import MemoryClient

_PATH = "/api/memory/dream"
_POLL = 0.2
"""Seconds between two looks at how far it is."""


class _Bar(Protocol):
    def __call__(self, fraction: float, step: str) -> None: ...


def dream(
    data: DataOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Dream now, not at night: merge, sum up, archive what has faded, verify; and tell of it."""
    from hairem_core.cli.memory_client import run

    found = run(find_places(data, config), _dream)
    if error := found["error"]:
        complain(error["message"])
        raise typer.Exit(1)
    if as_json:
        print(json_text(found["digest"]))
    else:
        print(printable(found["text"]))
    chain = found["digest"]["chain"]
    raise typer.Exit(1 if chain is not None and not chain["is_whole"] else 0)


async def _dream(memory: MemoryClient) -> dict[str, Any]:
    with _bar() as show:
        await memory.post(_PATH)
        while True:
            found: dict[str, Any] = await memory.get(_PATH)
            status = found["status"]
            if status["state"] != "dreaming":
                return found
            show(status.get("progress", 0.0), status.get("step", ""))
            await asyncio.sleep(_POLL)


@contextmanager
def _bar() -> Iterator[_Bar]:
    """Yield what shows how far it is, on a terminal alone."""
    if not sys.stderr.isatty():
        yield lambda fraction, step: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("Dreaming: {task.fields[step]:<10}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("dream", total=1.0, step="")
        yield lambda fraction, step: progress.update(task, completed=fraction, step=step)
