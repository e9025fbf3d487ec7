"""Options that several commands take, and how they print tables."""

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from hairem_core.cli.output import printable
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


def readable(
    most: int | None = None, *, may_be_empty: bool = False
) -> Callable[[typer.CallbackParam, str | None], str | None]:
    """Return what looks at a text that is given to a command, as the `callback` of an option.

    It raises WrongInput for bytes that are no text in this terminal's encoding, which Python passes
    on as halves of characters; for more than `most` characters; and for nothing but spaces, unless
    that `may_be_empty`: an empty option would select everything.
    """

    def look(param: typer.CallbackParam, text: str | None) -> str | None:
        if text is None:
            return None
        where = param.opts[0]
        if any("\ud800" <= each <= "\udfff" for each in text):
            raise WrongInput(
                f"{text[:40]!r} is no text: it is not in the encoding of this terminal",
                where=where,
                hint="Write it in UTF-8.",
            )
        if most is not None and len(text) > most:
            raise WrongInput(
                f"is {len(text):,} characters long",
                where=where,
                hint=f"It may be {most:,} characters long at most.",
            )
        if not may_be_empty and not text.strip():
            raise WrongInput("is empty", where=where, hint="Leave it out, or say what you mean.")
        return text

    return look


def print_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table whole: nothing is cut off, and brackets are no markup.

    Long cells go on in a second line on a terminal; elsewhere a row is a line.
    """
    table = Table(*headers, box=None)
    for column in table.columns:
        column.overflow = "fold"
    for row in rows:
        table.add_row(*map(printable, row))
    width = None if sys.stdout.isatty() else 1_000
    Console(markup=False, highlight=False, width=width).print(table)
