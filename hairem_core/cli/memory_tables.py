"""What `hairem memory` prints for people: tables that fit the terminal, and times of this place."""

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import IO, Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

_WIDE = 120
"""Columns from which on an id has a column of its own, instead of a second line."""
_NARROW = 16
"""Of a column beside what was said, at most, where there is little room."""
_ID = 36
_NO_TERMINAL = 1_000


def console(file: IO[str] | None = None, width: int | None = None) -> Console:
    """Return where tables go: as wide as the terminal, and elsewhere a row is a line."""
    if width is None and not sys.stdout.isatty():
        width = _NO_TERMINAL
    return Console(file=file, width=width, markup=False, highlight=False, emoji=False)


def line(text: object, most: int | None = None) -> str:
    """Return a text in one line that does not steer the terminal, cut with `…`."""
    joined = " ".join(str(text).split())
    plain = "".join(each if each.isprintable() else "?" for each in joined)
    return plain if most is None or len(plain) <= most else f"{plain[: most - 1]}…"


def when(stamp: str | None, *, seconds: bool = False) -> str:
    """Return a moment of the API's as the clock on this wall showed it; "" where there is none."""
    if stamp is None:
        return ""
    form = "%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M"
    return datetime.fromisoformat(stamp).astimezone().strftime(form)


def who(fragment: dict[str, Any]) -> str:
    """Return who said something; "" where nobody did."""
    return line(fragment["speaker_name"] or fragment["speaker"] or "")


def fragments(found: Sequence[dict[str, Any]], out: Console, *, marks: Sequence[str] = ()) -> None:
    """Print fragments, one a row; `marks` are first cells of rows, such as `now`."""
    is_wide = out.width >= _WIDE
    rows = []
    for number, each in enumerate(found):
        kind = f"{each['kind']}, cold" if each["archived"] else each["kind"]
        cells = [when(each["at"]), line(each["agent"]), kind, who(each), line(each["content"])]
        rows.append([*([marks[number]] if marks else []), *cells])
    headers = [*([""] if marks else []), "when", "agent", "kind", "who", "what"]
    widths = [
        min(max(cell_len(row[index]) for row in [headers, *rows]), 99 if is_wide else _NARROW)
        for index in range(len(headers) - 1)
    ]
    left = out.width - sum(widths) - 2 * len(headers) - (_ID + 2 if is_wide else 0)
    widths.append(max(_ID, left) if out.width < _NO_TERMINAL else left)
    table = _table()
    for header, width in zip(headers, widths, strict=True):
        # The last one is as wide as what is in it, and cut where the terminal ends.
        least = None if header == "what" else width
        table.add_column(header, no_wrap=True, min_width=least, max_width=width)
    if is_wide:
        table.add_column("id", no_wrap=True, min_width=_ID)
    for row, each in zip(rows, found, strict=True):
        if is_wide:
            table.add_row(*row, each["id"])
        else:
            table.add_row(*row[:-1], f"{row[-1]}\n{each['id']}")
    out.print(table)


def pairs(rows: Iterable[tuple[str, object]], out: Console) -> None:
    """Print names and values, one pair a row; long values go on in more lines."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, str(value))
    out.print(table)


def grid(headers: Sequence[str], rows: Iterable[Sequence[object]], out: Console) -> None:
    """Print a table of short things; numbers stand to the right."""
    rows = [list(row) for row in rows]
    table = _table()
    for index, header in enumerate(headers):
        is_number = bool(rows) and all(isinstance(row[index], int | float) for row in rows)
        table.add_column(header, justify="right" if is_number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(f"{each:,}" if isinstance(each, int) else line(each) for each in row))
    out.print(table)


def _table() -> Table:
    return Table(box=None, padding=(0, 2, 0, 0))
