"""What `hairem memory` reads and prints: moments, tables, files."""

import gzip
import io
import os
import resource
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest
from rich.cells import cell_len

from hairem_core.cli import memory_tables
from hairem_core.cli.gunzip import Gunzip
from hairem_core.cli.memory_files import opened_to_write
from hairem_core.cli.moments import moment
from hairem_core.cli.options import WrongInput


def test_what_is_written_is_whole_or_not_there(tmp_path: Path) -> None:
    for name in ("x.ndjson", "x.ndjson.gz"):
        before = tmp_path / name
        before.write_text("the last one")

        def break_off(path: Path) -> None:
            with opened_to_write(str(path)) as sink:
                sink.write(b"{}\n")
                raise RuntimeError

        with pytest.raises(RuntimeError):
            break_off(before)
        assert before.read_text() == "the last one"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("name", ["x.ndjson", "x.ndjson.gz"])
def test_what_fails_while_it_is_written_is_not_the_file(tmp_path: Path, name: str) -> None:
    def fail() -> None:
        with opened_to_write(str(tmp_path / name)) as sink:
            sink.write(b"{}\n")
            raise OSError("the network is down")

    with pytest.raises(OSError, match="the network is down"):
        fail()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x.ndjson", "x.ndjson.gz"])
@pytest.mark.parametrize("size", [3, 1_000_000])
def test_a_disk_that_is_full_is_told_by_the_file(tmp_path: Path, name: str, size: int) -> None:
    """At once, or when the last of it is written."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    path = tmp_path / name
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, usual[1]))
        with pytest.raises(WrongInput) as told, opened_to_write(str(path)) as sink:
            sink.write(os.urandom(size))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert str(told.value) == f"{path}: cannot be written: File too large"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x.ndjson", "x.ndjson.gz"])
def test_a_link_leads_to_where_it_is_written(tmp_path: Path, name: str) -> None:
    (tmp_path / "disk").mkdir()
    link = tmp_path / name
    for target in (Path("disk/there"), tmp_path / "disk" / "new"):
        (tmp_path / "disk" / "there").write_text("the last one")
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        with opened_to_write(str(link)) as sink:
            sink.write(b"{}\n")
        assert link.readlink() == target
        written = (tmp_path / target).read_bytes()
        assert (gzip.decompress(written) if name.endswith(".gz") else written) == b"{}\n"


def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for target in (pipe, link):
        with ThreadPoolExecutor() as reader:
            read = reader.submit(pipe.read_bytes)
            with opened_to_write(str(target)) as sink:
                sink.write(b"{}\n")
            assert read.result(10) == b"{}\n"
        assert pipe.is_fifo()
        assert sorted(each.name for each in tmp_path.iterdir()) == ["link", "pipe"]


def test_all_that_can_be_had_of_a_damaged_file() -> None:
    text = b"".join(b"%d: %x\n" % (each, hash(str(each))) for each in range(20_000))
    packed = gzip.compress(text)
    for cut in (1, 9, 100, 5_000):
        had, damage = _had(packed[:-cut])
        assert text.startswith(had)
        assert len(text) - len(had) <= cut * 8
        assert damage == "it was cut off"
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 0xFF
    had, damage = _had(bytes(flipped))
    assert len(had) > len(text) * 0.49
    assert had[: len(text) * 49 // 100] == text[: len(text) * 49 // 100]
    assert damage is not None
    assert damage.startswith("what it holds is damaged (")
    assert _had(packed + packed) == (text + text, None)
    assert _had(packed + bytes(512)) == (text, None)
    assert _had(packed + bytes(512) + b"x")[0] == text


def _had(packed: bytes) -> tuple[bytes, str | None]:
    gunzip, had = Gunzip(), b""
    for start in range(0, len(packed), 100_000):
        had += b"".join(gunzip.feed(packed[start : start + 100_000]))
    gunzip.end()
    return had, gunzip.damage


@pytest.mark.parametrize(
    ("text", "is_end", "expected"),
    [
        ("2026-05-01", False, (2026, 5, 1)),
        ("2026-05-01", True, (2026, 5, 1, 23, 59, 59, 999_999)),
        ("2026-05-01 14:00", True, (2026, 5, 1, 14)),
        ("2026-05-01T14:00:30", False, (2026, 5, 1, 14, 0, 30)),
        (" Yesterday ", False, (2026, 11, 20)),
        ("hier", True, (2026, 11, 20, 23, 59, 59, 999_999)),
        ("The day before yesterday", False, (2026, 11, 19)),
        ("avant-hier", False, (2026, 11, 19)),
        ("aujourd'hui", False, (2026, 11, 21)),
        ("Aujourd\u2019hui", False, (2026, 11, 21)),
        ("3 days ago", True, (2026, 11, 18, 19, 30)),
        ("1 week  ago", False, (2026, 11, 14, 19, 30)),
        ("il y a 2 heures", False, (2026, 11, 21, 17, 30)),
        ("now", True, (2026, 11, 21, 19, 30)),
    ],
)
def test_moments(text: str, is_end: bool, expected: tuple[int, ...]) -> None:
    now = _here(2026, 11, 21, 19, 30)
    assert moment(text, "--since", now=now, is_end=is_end) == _here(*expected)


def test_a_moment_elsewhere() -> None:
    now = _here(2026, 11, 21, 19, 30)
    found = moment("2026-05-01T14:00:00+05:00", "--since", now=now)
    assert found == datetime(2026, 5, 1, 9, tzinfo=UTC)
    assert found.utcoffset() is not None


@pytest.mark.parametrize(
    "text", ["", "x", "2026-05", "2026-02-30", "9999 weeks ago", "-1 days ago"]
)
def test_what_is_no_moment(text: str) -> None:
    now = datetime(2, 11, 21, 19, 30, tzinfo=UTC)
    with pytest.raises(WrongInput, match=r"--until: .* is no moment"):
        moment(text, "--until", now=now)


@pytest.mark.parametrize("width", [80, 100, 160, 240])
def test_tables_fit_the_terminal(width: int) -> None:
    ids = ["cfd52e58-b757-5547-bc93-32b7ad5a5484", "0d38ffb0-e7e0-56eb-aac0-c1d6ba3dd1d9"]
    contents = ["so it goes " * 40, "日本語" * 60]
    found = [
        {
            "at": "2026-05-01T12:00:00.000Z",
            "valid_from": "2026-05-01T12:00:00.000Z",
            "valid_to": "2026-05-02T12:00:00.000Z",
            "agent": "a" * 32,
            "kind": "synthesis",
            "archived": True,
            "speaker": None,
            "speaker_name": None,
            "content": content,
            "id": each,
        }
        for content, each in zip(contents, ids, strict=True)
    ]
    for print_them in (memory_tables.fragments, memory_tables.history):
        out = io.StringIO()
        print_them(found, memory_tables.console(out, width))
        lines = out.getvalue().splitlines()
        assert all(cell_len(line.rstrip()) <= width for line in lines)
        assert out.getvalue().count("…") >= 2
        for each in ids:
            assert each in out.getvalue(), "an id is always there in whole"


@pytest.mark.parametrize("width", [1, 12, 40, 50])
def test_a_narrow_terminal_gets_lines(width: int) -> None:
    each = "e82c93e8-6296-5618-b372-fa2b7c55a0b1"
    fragment = {
        "id": each,
        "at": "2026-05-01T10:00:00Z",
        "valid_from": "2026-05-01T10:00:00Z",
        "valid_to": None,
        "agent": "renarde",
        "kind": "fact",
        "archived": False,
        "content": "The spare key lies under the blue flowerpot. " * 20,
    }
    for print_them in (memory_tables.fragments, memory_tables.history):
        out = io.StringIO()
        print_them([fragment], memory_tables.console(out, width))
        assert each in out.getvalue().splitlines()
        assert "The spare key lies under" in out.getvalue()
    out = io.StringIO()
    memory_tables.fragments([fragment], memory_tables.console(out, width))
    assert "renarde  fact" in out.getvalue()
    out = io.StringIO()
    memory_tables.pairs([("id", each), ("from events", each)], memory_tables.console(out, width))
    assert out.getvalue().count(each) == 2
    out = io.StringIO()
    headers = ("agent", *(f"figure {number}" for number in range(8)))
    memory_tables.grid(
        headers, [("renarde", *range(1_000, 1_008))], memory_tables.console(out, width)
    )
    for number in range(8):
        assert f"figure {number}: {1_000 + number:,}" in out.getvalue().splitlines()


def test_what_was_said_does_not_steer_the_terminal() -> None:
    assert memory_tables.line("a\x1b[31m\nb\x07 [bold]c") == "a?[31m b? [bold]c"
    assert memory_tables.line("x" * 20, 10) == "x" * 9 + "…"


def _here(year: int, month: int, day: int, *clock: int) -> datetime:
    """Return a moment as the clock on this wall shows it."""
    hour, minute, second, micros = (*clock, 0, 0, 0, 0)[:4]
    return datetime.combine(date(year, month, day), time(hour, minute, second, micros)).astimezone()
