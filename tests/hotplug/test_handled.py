"""The file of handled messages: shared by two generations, cut short, grown large."""

import uuid
from pathlib import Path

import pytest

from hairem_core.hotplug.handled import HandledLog


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".handled"


def test_two_generations_append_to_one_file(path: Path) -> None:
    ids = [uuid.uuid7() for _ in range(6)]
    old = HandledLog(path, is_shared=False)
    old.add(ids[0])
    new = HandledLog(path, is_shared=True)
    assert ids[0] in new
    for index, msg_id in enumerate(ids[1:]):
        (old, new)[index % 2].add(msg_id)
    old.close()
    new.close()
    after = HandledLog(path, is_shared=False)
    assert all(msg_id in after for msg_id in ids)
    after.close()


def test_a_shared_file_is_never_made_shorter(path: Path) -> None:
    path.write_bytes(uuid.uuid7().bytes * 20_000 + b"cut short")
    before = path.stat()
    HandledLog(path, is_shared=True).close()
    assert (path.stat().st_size, path.stat().st_ino) == (before.st_size, before.st_ino)


def test_a_file_of_one_process_is_made_shorter_and_keeps_the_latest(path: Path) -> None:
    ids = [uuid.uuid7() for _ in range(10_000)]
    path.write_bytes(b"".join(each.bytes for each in ids))
    log = HandledLog(path, is_shared=False)
    assert path.stat().st_size == 4096 * 16
    assert ids[-1] in log
    assert ids[-4096] in log
    assert ids[0] not in log
    added = uuid.uuid7()
    log.add(added)
    log.close()
    after = HandledLog(path, is_shared=False)
    assert added in after
    after.close()


def test_a_write_cut_short_spoils_nothing_that_follows(path: Path) -> None:
    whole, added = uuid.uuid7(), uuid.uuid7()
    path.write_bytes(whole.bytes + b"half an")
    log = HandledLog(path, is_shared=False)
    log.add(added)
    log.close()
    after = HandledLog(path, is_shared=False)
    assert whole in after
    assert added in after
    after.close()


def test_what_it_knows_does_not_grow_without_end(path: Path) -> None:
    log = HandledLog(path, is_shared=False)
    ids = [uuid.uuid7() for _ in range(5000)]
    for each in ids:
        log.add(each)
    assert ids[-1] in log
    assert ids[0] not in log
    log.close()


def test_what_is_added_after_the_end_is_written_nowhere(path: Path) -> None:
    log = HandledLog(path, is_shared=False)
    log.close()
    log.close()
    log.add(uuid.uuid7())
    assert path.stat().st_size == 0
