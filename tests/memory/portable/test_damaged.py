"""A damaged file: what was whole is kept, what was not is told, and nothing is half there."""

import asyncio
import json
import os
import random
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hairem_core.memory.chain import ChainCheck, body_hash
from hairem_core.memory.errors import MemoryRefused, TransactionFailed
from hairem_core.memory.portable.lines import EventLine
from hairem_core.memory.portable.reader import Problems, Reader
from hairem_core.memory.store import MemoryStore
from hairem_core.memory.writer import Builder, Change, Head
from tests.memory.portable.copies import chunks, contents, exported, fill, imported

ROOT = Path(__file__).parents[3]


@pytest.fixture
def url(folder_url: str) -> str:
    return folder_url


@pytest.fixture
async def data(tmp_path: Path) -> bytes:
    source = await MemoryStore.open(f"surrealkv://{tmp_path / 'source'}")
    await fill(source)
    made = await exported(source)
    await source.close()
    return made


def at_line(data: bytes, line: str, index: int = 0) -> tuple[int, bytes]:
    """Return the number of the n-th line of a kind, and the line."""
    found = [
        (number, each)
        for number, each in enumerate(data.splitlines(keepends=True), start=1)
        if json.loads(each)["line"] == line
    ]
    return found[index]


async def test_cut_off_and_then_whole(store: MemoryStore, data: bytes) -> None:
    cut = data[: data.index(at_line(data, "fragment", 5)[1]) + 20]

    report = await imported(store, cut)

    assert not report.is_whole
    assert report.problems[0].line == at_line(data, "fragment", 5)[0]
    assert "cut off" in report.problems[0].what
    assert "without the last line" in report.problems[1].what
    assert report.tallies["fragment"].added == 5
    assert isinstance(await store.events.verify(), ChainCheck)
    again = await imported(store, data)
    assert again.is_whole, again.problems
    assert again.tallies["fragment"].known == 5
    assert await exported_lines(store) == sorted(data.splitlines()[1:-1])


async def exported_lines(store: MemoryStore) -> list[bytes]:
    return sorted((await exported(store)).splitlines()[1:-1])


async def test_an_event_that_was_altered_is_left_out_and_told(
    store: MemoryStore, data: bytes
) -> None:
    number, line = at_line(data, "event", 3)
    altered = {**json.loads(line), "content": "I never said that"}
    bad = data.replace(line, json.dumps(altered).encode() + b"\n")

    report = await imported(store, bad)

    assert [each.line for each in report.problems] == [number, 0]
    assert "was altered" in report.problems[0].what
    assert report.chain == "appended"
    assert isinstance(await store.events.verify(), ChainCheck)
    assert await store.recall("renarde", "never said", limit=1) == []
    total = sum(json.loads(each)["line"] == "event" for each in data.splitlines())
    assert store.writer.head.number == total - 1


@pytest.mark.parametrize("field", ["at", "agents", "speech", "number", "hash", "type"])
async def test_no_field_of_an_event_can_be_altered(
    store: MemoryStore, data: bytes, field: str
) -> None:
    number, line = at_line(data, "event", 4)
    other: dict[str, Any] = {
        "at": "2020-01-01T00:00:00Z",
        "agents": ["electra"],
        "speech": False,
        "number": 99,
        "hash": "00" * 32,
        "type": "DIRECTIVE",
    }
    altered = {**json.loads(line), field: other[field]}
    report = await imported(store, data.replace(line, json.dumps(altered).encode() + b"\n"))
    assert not report.is_whole
    # A number that was altered looks like a gap: it is the file as a whole that tells.
    assert report.problems[0].line in (number, number + 1, 0 if field == "number" else number)
    assert isinstance(await store.events.verify(), ChainCheck)


async def test_what_is_refused_together_is_told_once_when_it_is_taken_one_by_one(
    store: MemoryStore, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its words were replaced, and sealed anew: only its place in the chain tells.
    _, first = at_line(data, "event")
    event = EventLine.model_validate_json(first).model_copy(update={"content": "I never said it"})
    assert event.salt is not None
    sealed = event.model_copy(update={"body_hash": body_hash(event.row(), event.salt)})
    bad = data.replace(first, sealed.to_bytes())
    _, state = at_line(data, "state")
    bad = bad.replace(
        state, b"".join(_with(state, key=key, value=value) for key, value in STATES.items())
    )
    commit = store.writer.commit

    async def one_by_one(build: Builder) -> Head:
        async def built(head: Head) -> Change | None:
            change = await build(head)
            rows = [] if change is None else [*change.events]
            for each in change.statements if change is not None else ():
                rows += each.variables.get("rows", [])
            if len(rows) > 1:
                raise TransactionFailed("one of them is to blame")
            return change

        return await commit(built)

    monkeypatch.setattr(store.writer, "commit", one_by_one)
    report = await imported(store, bad)

    told = [each.what for each in report.problems if each.line]
    assert len(told) == 2, told
    assert "does not fit its place" in told[0]
    assert "not JSON" in told[1]
    assert report.tallies["event"].refused == report.tallies["state"].refused == 1
    assert report.tallies["state"].added == 2
    assert b"I never said it" not in await exported(store)


STATES = {"a": "1", "b": "2", "c": "nonsense"}


def _with(line: bytes, **values: str) -> bytes:
    return json.dumps({**json.loads(line), **values}).encode() + b"\n"


@pytest.mark.parametrize(
    ("first", "what"),
    [
        (b"", "no export"),
        (b"not json\n", "no export"),
        (b'{"line":"event"}\n', "no export"),
        (
            (
                b'{"line":"header","format":"hairem-memory","version":2,"hairem":"9",'
                b'"made_at":"2026-01-01T00:00:00Z"}\n'
            ),
            "version",
        ),
        (
            (
                b'{"line":"header","format":"other","version":1,"hairem":"9",'
                b'"made_at":"2026-01-01T00:00:00Z"}\n'
            ),
            "format",
        ),
        (b"\x00\xff\xfe\n", "no export"),
    ],
)
async def test_what_is_no_export_is_refused_and_changes_nothing(
    store: MemoryStore, first: bytes, what: str
) -> None:
    before = store.writer.head
    with pytest.raises(MemoryRefused, match=what):
        await imported(store, first)
    assert store.writer.head == before


async def test_lines_that_make_no_sense_are_told_one_by_one(
    store: MemoryStore, data: bytes
) -> None:
    lines = data.splitlines(keepends=True)
    _, fragment = at_line(data, "fragment")
    bad = [
        b"{}\n",
        b"[1,2]\n",
        b'{"line":"spell"}\n',
        fragment.replace(b'"importance":', b'"importance":9'),
        fragment.replace(b'"content":"', b'"content":"\\u0000'),
        fragment.replace(b'"content":"', b'"content":"\\ud800'),
        fragment.replace(b'"kind":"', b'"kind":"x'),
        fragment.replace(b"}\n", b',"extra":1}\n'),
        b'{"line":"state","agent":"a","key":"b","value":"{"}\n',
        b"\xff" * 10 + b"\n",
        b"[" * 100_000 + b"\n",
    ]

    report = await imported(store, b"".join([*lines[:-1], *bad, lines[-1]]))

    first = len(lines)
    told = [each.line for each in report.problems if each.line]
    assert sorted(told) == list(range(first, first + len(bad)))
    assert await exported_lines(store) == sorted(data.splitlines()[1:-1])


async def test_too_long_a_line_is_skipped_without_being_held() -> None:
    async def endless() -> Any:
        yield b'{"line":"header"' + b" " * 100
        for _ in range(70):
            yield b"x" * 2**20
        yield b"\n{}\n"

    problems = Problems()
    reader = Reader(endless(), problems)
    assert [each async for each in reader.lines()] == []
    assert [each.line for each in problems.told] == [1, 2, 0]


async def test_half_an_event_and_half_of_the_next_are_not_one(
    store: MemoryStore, data: bytes
) -> None:
    lines = data.splitlines(keepends=True)
    events = [number for number, each in enumerate(lines) if each.startswith(b'{"line":"event"')]
    first, second = events[4], events[5]
    cut, onto = lines[first].index(b'"sender"'), lines[second].index(b'"sender"')
    # The line before is gone too, with the hash that would tell.
    lines[first - 1 : second + 1] = [lines[first][:cut] + lines[second][onto:]]

    report = await imported(store, b"".join(lines))

    assert report.tallies["event"].refused == 1
    assert "does not fit its place" in str(report.problems[0])
    await imported(store, data)
    held = await store.database.query("SELECT VALUE content FROM raw_event")
    told = [json.loads(each).get("content") for each in data.splitlines()]
    assert {each for each in held if each} <= set(told)
    assert len(held) == len(events)


async def _made_once(folder: Path) -> bytes:
    path = folder / "export"
    if not path.exists():
        source = await MemoryStore.open(f"surrealkv://{folder / 'once'}")
        await fill(source)
        path.write_bytes(await exported(source))
        await source.close()
    return path.read_bytes()


@pytest.mark.timeout(240)
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), cuts=st.integers(1, 6))
async def test_noise_never_breaks_the_store(tmp_path: Path, seed: int, cuts: int) -> None:
    data = await _made_once(tmp_path)
    dice, noisy = random.Random(seed), bytearray(data)
    start = data.index(b"\n") + 1
    for _ in range(cuts):
        at = dice.randrange(start, len(noisy))
        match dice.randrange(4):
            case 0:
                noisy[at] = dice.randrange(256)
            case 1:
                del noisy[at : at + dice.randrange(300)]
            case 2:
                noisy[at:at] = dice.randbytes(dice.randrange(50))
            case 3:
                other = dice.randrange(start, len(noisy))
                noisy[at:at] = noisy[other : other + dice.randrange(1, 2000)]
    whole = set(data.splitlines()[1:-1])
    with tempfile.TemporaryDirectory() as folder:
        store = await MemoryStore.open(f"surrealkv://{folder}/memory")
        try:
            report = await imported(store, bytes(noisy), size=dice.randrange(1, 5000))
            assert not report.is_whole or bytes(noisy) == data
            assert isinstance(await store.events.verify(), ChainCheck)
            contents_of = {json.loads(each).get("content") for each in whole}
            held = await store.database.query("SELECT VALUE content FROM raw_event")
            assert {each for each in held if each} <= contents_of
            # With the whole file afterwards, everything is there.
            await imported(store, data)
            held = await store.database.query("SELECT VALUE content FROM raw_event")
            events = [json.loads(each) for each in whole]
            assert sorted(held) == sorted(e["content"] for e in events if e["line"] == "event")
        finally:
            await store.close()


_IMPORTER = """
import asyncio, sys
from pathlib import Path
from hairem_core.memory.portable.importer import import_
from hairem_core.memory.store import MemoryStore

async def main():
    store = await MemoryStore.open(sys.argv[1])
    async def chunks():
        with Path(sys.argv[2]).open("rb") as file:
            while chunk := file.read(20_000):
                yield chunk
                print("taken in", flush=True)
    await import_(store, chunks())

asyncio.run(main())
"""


@pytest.mark.timeout(240)
async def test_kill_9_in_the_middle_and_again(tmp_path: Path) -> None:
    source = await MemoryStore.open(f"surrealkv://{tmp_path / 'source'}")
    await fill(source, 600)
    expected, data = await contents(source), await exported(source)
    await source.close()
    (tmp_path / "file").write_bytes(data)
    url = f"surrealkv://{tmp_path / 'memory'}"
    for pieces in (15, 30, 60):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _IMPORTER,
            url,
            str(tmp_path / "file"),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        for _ in range(pieces):
            assert await process.stdout.readline(), "it came to its end"
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()

    store = await MemoryStore.open(url)
    try:
        report = await imported(store, data)
        assert report.is_whole, report.problems
        assert await contents(store) == expected
        assert isinstance(await store.events.verify(), ChainCheck)
    finally:
        await store.close()


_READER = """
import asyncio, json, resource, sys
from hairem_core.memory.portable.importer import import_
from hairem_core.memory.portable.lines import HeaderLine
from hairem_core.memory.store import MemoryStore
from hairem_core.sdk.message import now

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

async def main():
    store = await MemoryStore.open(sys.argv[1])
    async def lines(number):
        yield HeaderLine(hairem="1", made_at=now()).to_bytes()
        for each in range(number):
            yield json.dumps({"line": "entity", "agent": "0" * 32, "key": f"name:{each % 20}",
                "name": "x" * 1000, "kind": "thing", "mentions": 1,
                "last_at": "2026-01-01T00:00:00Z"}).encode() + b"\\n"
    await import_(store, lines(5_000))
    before = peak()
    report = await import_(store, lines(200_000))
    assert report.tallies["entity"].known == 200_000, report
    print(peak() - before)

asyncio.run(main())
"""


@pytest.mark.timeout(180)
async def test_two_hundred_thousand_lines_take_no_more_memory_than_a_few(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _READER,
        f"surrealkv://{tmp_path / 'memory'}",
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    # The lines are 230 MB.
    assert float(output) < 40


async def test_chunks_of_any_size_are_the_same(data: bytes) -> None:
    for size in (1, 3, 1_000_000):
        problems = Problems()
        reader = Reader(chunks(data, size), problems)
        assert len([each async for each in reader.lines()]) == len(data.splitlines()) - 1
        assert problems.count == 0
