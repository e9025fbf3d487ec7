"""Print how many tests passed and failed, summed over JUnit reports: `N passed, N failed`."""

import sys
import xml.etree.ElementTree as ET
from pathlib import Path


def count(reports: list[Path]) -> tuple[int, int]:
    """Return how many tests passed, and how many failed or broke, in all reports.

    Skipped tests are neither. A report that is missing or torn counts as one failure: a run that
    wrote none did not end well.
    """
    passed = failed = 0
    for report in reports:
        try:
            suites = ET.parse(report).getroot().iter("testsuite")  # noqa: S314 - our own
        except OSError, ET.ParseError:
            failed += 1
            continue
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
