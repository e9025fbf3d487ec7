"""What an agent's process may use up."""

import os
import signal

from tests.hotplug.sandbox.client import House


def test_a_memory_bomb_is_a_memory_error(house: House) -> None:
    code = """
import mmap
kept = []
def grow():
    try:
        for _ in range(10_000):
            kept.append(bytearray(b"x" * 2**20))
    except MemoryError:
        return len(kept)
count = grow()
kept.clear()
result = [count, attempt(mmap.mmap, -1, 2**33), open("/proc/self/oom_score_adj").read()]
"""
    count, shared, score = house.run(code).result
    assert 200 < count <= 256
    assert shared == "ENOMEM"
    assert int(score) >= 700


def test_a_descriptor_leak_is_an_error(house: House) -> None:
    code = """
kept = []
try:
    while len(kept) < 10_000:
        kept.append(open("/dev/null"))
except OSError as err:
    result = [len(kept), err.strerror]
    kept.clear()
"""
    count, why = house.run(code).result
    assert why == "Too many open files"
    assert count < 64


def test_a_file_that_is_too_long_is_an_error(house: House) -> None:
    code = """
with open("long", "wb", buffering=0) as file:
    result = attempt(lambda: [file.write(b"x" * 2**20) for _ in range(9)])
"""
    assert house.run(code).result == "EFBIG"
    assert (house.data / "a" / "long").stat().st_size == 8 * 2**20


def test_a_crash_leaves_no_core(house: House) -> None:
    answer = house.run("os.abort()")
    assert answer.status == -signal.SIGABRT
    assert not list((house.data / "a").glob("*core*"))
    answer = house.run("import ctypes; ctypes.string_at(0)")
    assert answer.status == -signal.SIGSEGV


def test_limits_cannot_be_raised(house: House) -> None:
    code = """
import resource
def raise_it(which):
    _, hard = resource.getrlimit(which)
    resource.setrlimit(which, (hard + 1, hard + 1))
names = ("DATA", "AS", "NOFILE", "FSIZE", "CORE", "MEMLOCK", "RTPRIO", "NICE")
result = []
for name in names:
    try:
        raise_it(getattr(resource, f"RLIMIT_{name}"))
        result.append(name)
    except ValueError:
        pass
result += [attempt(os.setpriority, os.PRIO_PROCESS, 0, 0), os.getpriority(os.PRIO_PROCESS, 0)]
"""
    said = house.run(code).result
    assert said[0] == "EACCES"
    assert said[1] - os.getpriority(os.PRIO_PROCESS, 0) == 5


def test_h_core_can_measure_it(house: House) -> None:
    assert 5_000_000 < house.run("").memory < 100_000_000
