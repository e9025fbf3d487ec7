"""The programs behind `hairem bench`: what they print, and what they refuse.

The figures themselves are not judged here: a test's machine is busy with other tests.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from benchmarks import bus, reload, turn
from benchmarks._report import percentile
from hairem_core.cli.bench import run_bench
from hairem_core.errors import HairemError

SMALL = ["--messages", "40", "--sequential", "5", "--rounds", "1", "--publishers", "4"]


def test_bus_prints_one_object_whose_ratios_follow_from_its_figures(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_bench("bus", [*SMALL, "--json"])

    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert report["bench"] == "bus"
    assert {"processor", "cores", "python", "packages"} <= report["machine"].keys()
    assert {"raw_redis", "faststream", "faststream_batch"} <= report["peers"].keys()
    assert report["setting"]["messages"] == 40
    for side in (report["ours"], *report["peers"].values()):
        assert side["configuration"]
        assert side["messages_per_second"] > 0
        assert 0 < side["latency_p50_ms"] <= side["latency_p95_ms"]
    expected = (
        report["ours"]["messages_per_second"] / report["peers"]["faststream"]["messages_per_second"]
    )
    assert report["ratios"]["faststream_throughput"] == pytest.approx(expected, abs=0.001)
    assert report["ratios"].keys() >= {"raw_redis_throughput", "faststream_p50"}


def test_bus_prints_a_table_for_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    bus.main(SMALL)

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("hairem bench bus: ")
    assert any(line.startswith("messages_per_second ") for line in lines)
    assert any("faststream_throughput" in line for line in lines)


def test_reload_counts_what_it_promises(capsys: pytest.CaptureFixture[str]) -> None:
    reload.main(["--reloads", "3", "--pause-ms", "50", "--quiet-reloads", "2", "--json"])

    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    ours = report["ours"]
    assert 0 < ours["p50_ms"] <= ours["p95_ms"]
    assert ours["p50_ms"] <= ours["answered_p50_ms"]
    assert ours["messages"] > 10
    assert (ours["lost"], ours["doubled"], ours["reordered"], ours["leftovers"]) == (0, 0, 0, 0)
    assert report["ratios"]["appdaemon_p50"] == pytest.approx(ours["p50_ms"] / 500, abs=0.001)


@pytest.mark.parametrize(
    ("main", "arguments", "told"),
    [
        (bus.main, ["--messages", "0"], "'0' is not a whole number from 1"),
        (bus.main, ["--rounds", "many"], "'many' is not a whole number"),
        (bus.main, ["--turns", "5"], "unrecognized arguments: --turns"),
        (turn.main, ["--turns", "-1"], "'-1' is not a whole number from 1"),
        (reload.main, ["--reloads", "0"], "'0' is not a whole number from 1"),
        (turn.main, ["--protocol", "smoke"], "invalid choice: 'smoke'"),
    ],
)
def test_bad_options_are_named_and_end_with_2(
    main: Callable[[list[str]], None],
    arguments: list[str],
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_an_unknown_benchmark_is_refused_with_those_that_exist() -> None:
    with pytest.raises(HairemError, match=r"no benchmark 'bsu'.*Known: bus, .*turn"):
        run_bench("bsu", [])


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([3.0], 0.95, 3.0), (list(range(1, 101)), 0.95, 95), ([4.0, 1.0, 2.0, 3.0], 0.5, 2.0)],
)
def test_percentile_is_a_value_that_was_measured(
    values: Sequence[float], share: float, expected: float
) -> None:
    assert percentile(values, share) == expected


def test_percentile_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)
