"""Options that several commands take, and how they print tables."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from hairem_core.errors import HairemError


class WrongInput(HairemError):
    """What was given to a command is not what it takes."""

    code = "invalid_format"


DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Where H-Core keeps its data; by default that of this user.",
        envvar="HAIREM_DATA",
        show_default=False,
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", help="The system.yaml to use.", envvar="HAIREM_CONFIG", show_default=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def print_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table whole: nothing is cut off, and brackets are no markup.

    Long cells go on in a second line on a terminal; elsewhere a row is a line.
    """
    table = Table(*headers, box=None)
    for column in table.columns:
        column.overflow = "fold"
    for row in rows:
        table.add_row(*row)
    width = None if sys.stdout.isatty() else 1_000
    Console(markup=False, highlight=False, width=width).print(table)
