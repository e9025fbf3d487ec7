"""Print how many tests passed and failed, summed over JUnit reports: `N passed, N failed`."""

import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path


def count(reports: list[Path]) -> tuple[int, int]:
    """Return how many tests passed, and how many failed or broke, in all reports.

    Skipped tests are neither. A report that is missing or torn counts as one failure: a run that
    wrote none did not end well. Beside `x.xml`, `x.again.xml` is of what failed, run once more.
    """
    passed = failed = 0
    for report in reports:
        try:
            suites = ET.parse(report).getroot().iter("testsuite")  # noqa: S314 - our own
        except OSError, ET.ParseError:
            failed += 1
            continue
        again = report.with_suffix(".again.xml")
        if again.exists():
            more, left = count([again])
            first_passed, first_failed = _counts(suites)
            passed += first_passed + more
            failed += left + max(0, first_failed - more - left)
            continue
        first_passed, first_failed = _counts(suites)
        passed, failed = passed + first_passed, failed + first_failed
    return passed, failed


def _counts(suites: Iterable[ET.Element]) -> tuple[int, int]:
    passed = failed = 0
    for suite in suites:
        broken = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        failed += broken
        passed += int(suite.get("tests", 0)) - broken - int(suite.get("skipped", 0))
    return passed, failed


def main() -> int:
    """Print the line; return 1 when something failed or nothing ran."""
    passed, failed = count([Path(name) for name in sys.argv[1:]])
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
