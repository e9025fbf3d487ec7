"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Data folder.", envvar="HAIREM_DATA", show_default=False),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="system.yaml.", envvar="HAIREM_CONFIG", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
