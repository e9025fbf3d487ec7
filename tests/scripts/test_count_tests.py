"""The closing line of `scripts/test`."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.child import ROOT

REPORT = """<?xml version="1.0"?><testsuites>
<testsuite name="pytest" tests="{tests}" failures="{failures}"
 errors="{errors}" skipped="{skipped}"></testsuite></testsuites>"""


def write(folder: Path, name: str, **counts: int) -> Path:
    path = folder / name
    given = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0} | counts
    path.write_text(REPORT.format(**given))
    return path


def count(*reports: Path) -> tuple[str, int]:
    command: list[str | Path] = [sys.executable, ROOT / "scripts" / "count_tests.py", *reports]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout, done.returncode


def test_runs_are_summed_and_errors_are_failures(tmp_path: Path) -> None:
    one = write(tmp_path, "one.xml", tests=10, failures=1, errors=2, skipped=3)
    two = write(tmp_path, "two.xml", tests=5)

    assert count(one, two) == ("9 passed, 3 failed\n", 1)


def test_all_passed(tmp_path: Path) -> None:
    assert count(write(tmp_path, "one.xml", tests=2)) == ("2 passed, 0 failed\n", 0)


@pytest.mark.parametrize("content", [None, "", "<testsuites><testsuite"])
def test_a_run_that_left_no_whole_report_failed(tmp_path: Path, content: str | None) -> None:
    torn = tmp_path / "torn.xml"
    if content is not None:
        torn.write_text(content)

    assert count(write(tmp_path, "one.xml", tests=2), torn) == ("2 passed, 1 failed\n", 1)


def test_nothing_ran_is_no_success() -> None:
    assert count() == ("0 passed, 0 failed\n", 1)
