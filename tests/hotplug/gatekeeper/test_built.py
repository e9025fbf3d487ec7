import time
from pathlib import Path

import pytest

from hairem_core.hotplug.gatekeeper import Gatekeeper, check_folder
from tests.hotplug.gatekeeper.built import BUILT
from tests.hotplug.gatekeeper.bundles import LOGIC, write_bundle
from tests.support.core import ROOT


@pytest.mark.parametrize("name", BUILT)
def test_a_bundle_that_git_cannot_hold(tmp_path: Path, name: str) -> None:
    build, expected = BUILT[name]
    build(tmp_path / "built")
    report = check_folder(tmp_path / "built")
    for each, (rule, file, line, what) in zip(report.findings, expected, strict=True):
        assert (each.rule, each.file, each.line) == (rule, file, line)
        assert each.what == what or (what.endswith("…") and each.what.startswith(what[:-1]))
    assert all(each.hint for each in report.findings)


def test_a_pipe_in_the_place_of_the_code_holds_nobody_up(tmp_path: Path) -> None:
    (write_bundle(tmp_path) / "logic.py").unlink()
    (tmp_path / "logic.py").symlink_to("/dev/zero")
    report, _ = Gatekeeper().check(tmp_path, source=tmp_path)
    assert report.findings == ()


def test_own_tests_of_a_bundle_may_use_what_they_like(tmp_path: Path) -> None:
    test = "import subprocess\n\nimport pytest\n\nfrom hairem_core.testing import house\n"
    files = {"tests/test_agent.py": test, "tests/__init__.py": "", "conftest.py": test}
    assert check_folder(write_bundle(tmp_path, files)).findings == ()


def test_a_normal_bundle_takes_little_time() -> None:
    """Milliseconds of this thread's own time, so that a busy machine does not count."""
    folder = ROOT / "agents" / "renarde"
    spent: list[float] = []
    for _ in range(20):
        start = time.thread_time()
        Gatekeeper().check(folder, source=folder)
        spent.append(time.thread_time() - start)
    assert min(spent) < 0.015


@pytest.mark.parametrize(
    "text",
    [
        "x = 1\n" * 100_000,
        "import os\n" + "os\n" * 100_000,
        "".join(f"v{number} = v{number + 1}\n" for number in range(30_000)) + "v30000 = eval\n",
        "".join(f"def f{number}(): f{number + 1}()\n" for number in range(20_000)),
        "".join(f"class C{number}(C{number + 1}): pass\n" for number in range(5_000)),
        "x = [" + "eval, " * 100_000 + "]\n",
    ],
    ids=["names", "references", "chain", "calls", "classes", "findings"],
)
def test_code_made_to_take_long_does_not(tmp_path: Path, text: str) -> None:
    folder = write_bundle(tmp_path, {"helpers.py": text})
    start = time.thread_time()
    Gatekeeper().check(folder, source=folder)
    assert time.thread_time() - start < 15


def test_stars_that_lead_in_circles(tmp_path: Path) -> None:
    names = [f"part{number}" for number in range(20)]
    stars = "".join(f"from .{name} import *\n" for name in names)
    files = {f"{name}.py": f"{stars}x = nothing\n" for name in names}
    folder = write_bundle(tmp_path, {**files, "logic.py": stars + LOGIC})
    start = time.thread_time()
    report, _ = Gatekeeper().check(folder, source=folder)
    assert report.findings == ()
    assert time.thread_time() - start < 5
