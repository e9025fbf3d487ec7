"""What `hairem memory` prints for people: tables that fit the terminal, and times of this place."""

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import IO, Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table

from hairem_core.cli.output import printable

_WIDE = 160
"""Columns from which on an id has a column of its own, instead of a second line."""
_ID = 36
_LONGEST = 240
"""Letters of what is remembered, where a terminal is too narrow for a table."""
_NO_TERMINAL = 1_000


def console(file: IO[str] | None = None, width: int | None = None) -> Console:
    """Return where tables go: as wide as the terminal, and elsewhere a row is a line."""
    if width is None and not sys.stdout.isatty():
        width = _NO_TERMINAL
    return Console(file=file, width=width, markup=False, highlight=False, emoji=False)


def line(text: object, most: int | None = None) -> str:
    """Return a text in one line that does not steer the terminal, cut with `…`."""
    joined = " ".join(str(text).split())
    plain = printable(joined)
    return plain if most is None or len(plain) <= most else f"{plain[: most - 1]}…"


def counted(number: int, what: str) -> str:
    """Return a number with what it counts."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def when(stamp: str | None, *, seconds: bool = False) -> str:
    """Return a moment of the API's as the clock on this wall showed it; "" where there is none."""
    if stamp is None:
        return ""
    form = "%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M"
    return datetime.fromisoformat(stamp).astimezone().strftime(form)


def who(fragment: dict[str, Any]) -> str:
    """Return who said something; "" where nobody did."""
    return line(fragment["speaker_name"] or fragment["speaker"] or "")


def fragments(found: Sequence[dict[str, Any]], out: Console) -> None:
    """Print fragments; what is archived has an asterisk."""
    rows = [
        [
            when(each["at"]),
            line(each["agent"], None if out.width >= _WIDE else 10),
            f"{each['kind']}*" if each["archived"] else each["kind"],
            said(each),
        ]
        for each in found
    ]
    _print_with_ids(("when", "agent", "kind", "what"), rows, [each["id"] for each in found], out)
    if any(each["archived"] for each in found):
        out.print("* archived")


def history(found: Sequence[dict[str, Any]], out: Console) -> None:
    """Print a chain of replacements: from when to when each held."""
    rows = [[when(each["valid_from"]), when(each["valid_to"]), said(each)] for each in found]
    _print_with_ids(("held from", "to", "what"), rows, [each["id"] for each in found], out)


def said(fragment: dict[str, Any]) -> str:
    """Return what is remembered, of something said with who said it."""
    speaker = who(fragment) if fragment["kind"] == "episode" else ""
    return f"{speaker}: {line(fragment['content'])}" if speaker else line(fragment["content"])


def _print_with_ids(
    headers: Sequence[str], rows: list[list[str]], ids: Sequence[str], out: Console
) -> None:
    """Print a table whose last column is cut where the terminal ends, but for the ids."""
    widths = [
        max(cell_len(row[index]) for row in [headers, *rows]) for index in range(len(headers) - 1)
    ]
    is_wide = out.width >= _WIDE
    left = out.width - sum(widths) - 2 * len(widths) - (_ID + 2 if is_wide else 0)
    if left < _ID:
        for row, each in zip(rows, ids, strict=True):
            told = [*filter(None, row[:-1]), cut(row[-1], _LONGEST)]
            _lines(["  ".join(told[:-1]), told[-1], each, ""], out)
        return
    table = _table()
    for header in headers[:-1]:
        table.add_column(header, no_wrap=True)
    table.add_column(headers[-1], no_wrap=True, max_width=left)
    if is_wide:
        table.add_column("id", no_wrap=True)
    for row, each in zip(rows, ids, strict=True):
        cells = row if is_wide else [*row[:-1], f"{cut(row[-1], left)}\n{each}"]
        table.add_row(*cells, *([each] if is_wide else []))
    out.print(table)


def cut(text: str, most: int) -> str:
    """Return a text cut with `…`, as wide as `most` letters; some letters are wider than others."""
    return text if cell_len(text) <= most else f"{set_cell_size(text, most - 1).rstrip()}…"


def described(found: dict[str, Any]) -> list[tuple[str, object]]:
    """Return a fragment as names and values, without what it does not have."""
    said_by = who(found)
    rows: list[tuple[str, object]] = [
        ("id", found["id"]),
        ("agent", line(found["agent"])),
        ("kind", found["kind"] + (", archived" if found["archived"] else "")),
        ("said at" if said_by else "since", when(found["at"], seconds=True)),
        ("said by", said_by),
        ("content", printable(found["content"])),
        ("about", line(", ".join(found["about"]))),
        ("subject", line(found["subject"] or "")),
        ("says its", line(found["slot"] or "")),
        ("visibility", found["visibility"]),
        ("importance", f"{found['importance']:.2f}"),
        ("confidence", f"{found['confidence']:.2f}"),
        ("strength", f"{found['strength']:.2f}" + (", pinned" if found["pinned"] else "")),
        ("of use", f"{counted(found['uses'], 'time')}, last {when(found['last_used'])}")
        if found["uses"]
        else ("", ""),
        ("holds", _validity(found)),
        ("replaces", found["replaces_id"]),
        ("replaced by", found["replaced_by"]),
        ("from events", "\n".join(found["derived_from"])),
        ("made of", "\n".join(found["sources"])),
    ]
    return [(name, value) for name, value in rows if value]


def _validity(found: dict[str, Any]) -> str:
    start = when(found["valid_from"])
    if found["valid_to"] is None:
        return f"since {start}"
    return f"no more: from {start} to {when(found['valid_to'])}"


def pairs(rows: Iterable[tuple[str, object]], out: Console) -> None:
    """Print names and values, one pair a row; long values go on in more lines."""
    rows = list(rows)
    if max((cell_len(name) for name, _ in rows), default=0) + 2 + _ID > out.width:
        _lines([f"{name}: {value}" for name, value in rows], out)
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, str(value))
    out.print(table)


def grid(headers: Sequence[str], rows: Iterable[Sequence[object]], out: Console) -> None:
    """Print a table of short things; numbers stand to the right."""
    rows = [list(row) for row in rows]
    shown = [[f"{each:,}" if isinstance(each, int) else line(each) for each in row] for row in rows]
    if sum(max(map(cell_len, column)) + 2 for column in zip(headers, *shown, strict=True)) > (
        out.width + 2
    ):
        for row in shown:
            pairs = zip(headers, row, strict=True)
            _lines([*(f"{name}: {value}" for name, value in pairs), ""], out)
        return
    table = _table()
    for index, header in enumerate(headers):
        is_number = bool(rows) and all(isinstance(row[index], int | float) for row in rows)
        table.add_column(header, justify="right" if is_number else "left", no_wrap=True)
    for row in shown:
        table.add_row(*row)
    out.print(table)


def _lines(texts: Iterable[str], out: Console) -> None:
    """Print what does not fit into a table: the terminal itself breaks what is longer than it."""
    for text in texts:
        out.print(text, soft_wrap=True)


def _table() -> Table:
    return Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
