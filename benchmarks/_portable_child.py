"""A process with a store of its own, for `hairem bench portable`: to be started fresh.

`import FOLDER FILE` takes an export in, `export FOLDER FILE` writes one; both print what that took
as one JSON object. `raw FOLDER FILE COUNT` has the engine alone store and read the first COUNT
fragments of a file, as rows and nothing else.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from itertools import batched
from pathlib import Path
from typing import Any

from benchmarks._house import WordVectors
from benchmarks._memory_child import fragments_in, opened
from hairem_core.memory.database import Database
from hairem_core.memory.portable.exporter import export
from hairem_core.memory.portable.importer import import_
from hairem_core.memory.portable.lines import LINES, FragmentLine
from hairem_core.memory.rows import fragment_row
from hairem_core.memory.statement import Statement

_CHUNK = 64 * 1024
_PAGE = 500


async def _import(folder: Path, file: Path) -> dict[str, Any]:
    store = await opened(folder, WordVectors())
    try:
        before = _forget_peak()
        started = time.perf_counter()
        report = await import_(store, _chunks(file))
        taken = time.perf_counter() - started
        peak, left = _memory("VmHWM"), _memory("VmRSS")
        return {
            "seconds": taken,
            "before_mb": before,
            "peak_mb": peak,
            "left_mb": left,
            "tallies": {name: each.added for name, each in report.tallies.items()},
            "problems": [str(each) for each in report.problems],
            "stored": await fragments_in(store),
        }
    finally:
        await store.close()


async def _export(folder: Path, file: Path) -> dict[str, Any]:
    began = time.perf_counter()
    store = await opened(folder, WordVectors())
    try:
        opening = time.perf_counter() - began
        before = _forget_peak()
        started = time.perf_counter()
        size = 0
        with file.open("wb") as out:
            async for chunk in export(store):
                size += out.write(chunk)
        return {
            "seconds": time.perf_counter() - started,
            "opening_seconds": opening,
            "before_mb": before,
            "peak_mb": _memory("VmHWM"),
            "bytes": size,
        }
    finally:
        await store.close()


async def _raw(folder: Path, file: Path, count: int) -> dict[str, Any]:
    database = await Database.open(f"surrealkv://{folder / 'raw'}")
    try:
        seconds = 0.0
        for number, lines in enumerate(batched(_fragments(file, count), _PAGE, strict=False)):
            rows = [
                {**fragment_row(line.fragment()), "seq": number * _PAGE + place, "rev": number}
                for place, line in enumerate(lines, 1)
            ]
            started = time.perf_counter()
            await database.transact(
                [Statement(text="INSERT INTO fragment $rows RETURN NONE", variables={"rows": rows})]
            )
            seconds += time.perf_counter() - started
        started = time.perf_counter()
        for first in range(0, count, _PAGE):
            await database.query(
                "SELECT * FROM fragment WHERE seq > $after AND seq <= $until",
                {"after": first, "until": first + _PAGE},
            )
        return {"write_seconds": seconds, "read_seconds": time.perf_counter() - started}
    finally:
        await database.close()


def _fragments(file: Path, count: int) -> Iterator[FragmentLine]:
    with file.open("rb") as lines:
        for raw in lines:
            line = LINES.validate_json(raw)
            if isinstance(line, FragmentLine):
                yield line
                count -= 1
                if not count:
                    return


async def _chunks(file: Path) -> AsyncGenerator[bytes]:
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            yield chunk


def _forget_peak() -> float:
    """Have the peak of memory counted from now on; return how much there is, in MB."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _memory("VmRSS")


def _memory(name: str) -> float:
    """Return one of the kernel's figures of this process's memory, in MB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ValueError(f"no {name} in /proc/self/status")


def main(arguments: list[str]) -> None:
    """Do what the arguments say."""
    match arguments:
        case ["import", folder, file]:
            told = asyncio.run(_import(Path(folder), Path(file)))
        case ["export", folder, file]:
            told = asyncio.run(_export(Path(folder), Path(file)))
        case ["raw", folder, file, count]:
            told = asyncio.run(_raw(Path(folder), Path(file), int(count)))
        case _:
            sys.exit(f"import or export FOLDER FILE, or raw FOLDER FILE COUNT; not {arguments}")
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
