"""What every benchmark says about itself: options, the machine, figures, and the report."""

import argparse
import importlib.metadata
import json
import math
import os
import platform
import shutil
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any


def between(least: int, most: int) -> Callable[[str], int]:
    """Return an argparse type: a whole number from `least` to `most`."""

    def number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a whole number from {least} to {most}"
            )
        return value

    return number


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest of `values` that `share` (0 to 1) of them do not exceed.

    The nearest rank: always a value that was measured. Raises ValueError if there are none.
    """
    if not values:
        raise ValueError("no values, no percentile")
    rank = max(1, math.ceil(share * len(values)))
    return sorted(values)[rank - 1]


def median(values: Sequence[float]) -> float:
    """Return the median. Raises statistics.StatisticsError if there are no values."""
    return statistics.median(values)


def ratio(ours: float, theirs: float) -> float:
    """Return ours / theirs to three places."""
    return round(ours / theirs, 3)


def machine(*packages: str) -> dict[str, Any]:
    """Return what the figures depend on: processor, load, versions of Python and `packages`."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load_1min": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "redis_server": _redis_version(),
        "packages": {name: importlib.metadata.version(name) for name in packages},
    }


def publish_report(report: Mapping[str, Any], *, as_json: bool) -> None:
    """Print a report: as one JSON object on one line, or as a table for a person."""
    if as_json:
        print(json.dumps(report, allow_nan=False))
        return
    where = report["machine"]
    print(
        f"hairem bench {report['bench']}: {where['processor']}, {where['cores']} cores, "
        f"load {where['load_1min']}, Python {where['python']}"
    )
    columns: dict[str, dict[str, Any]] = {"ours": report["ours"], **report["peers"]}
    names = [key for key, value in report["ours"].items() if isinstance(value, int | float)]
    width = max(len(name) for name in names)
    cell = max(14, *(len(column) + 2 for column in columns))
    print(" " * width + "".join(f"{column:>{cell}}" for column in columns))
    for name in names:
        shown = (_cell(each.get(name)) for each in columns.values())
        print(f"{name:<{width}}" + "".join(f"{each:>{cell}}" for each in shown))
    print("\nours / theirs")
    width = max(len(name) for name in report["ratios"])
    for name, value in report["ratios"].items():
        print(f"  {name:<{width}}  {value:.2f}")
    print()
    for column, figures in columns.items():
        print(f"{column}: {figures['configuration']}")


def _cell(value: object) -> str:
    if not isinstance(value, int | float):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.2f}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _redis_version() -> str | None:
    binary = shutil.which("redis-server")
    if binary is None:
        return None
    told = subprocess.run(
        [binary, "--version"], capture_output=True, text=True, timeout=10, check=False
    )
    found = (word[2:] for word in told.stdout.split() if word.startswith("v="))
    return next(found, None)
