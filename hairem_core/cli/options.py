"""Options that several commands take, and the console they print tables to."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Data folder.", envvar="HAIREM_DATA", show_default=False),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="system.yaml.", envvar="HAIREM_CONFIG", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def console() -> Console:
    """Return a console that prints what it is given: brackets are no markup to it."""
    return Console(markup=False, highlight=False)
