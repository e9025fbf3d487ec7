"""One version number, and `scripts/version`, which keeps it one."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.addon.files import app_config
from tests.support.child import ROOT

PLACES = (
    "hairem_core/__init__.py",
    "pyproject.toml",
    "custom_components/hairem/manifest.json",
    "addon/config.yaml",
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the script and of what it writes."""
    for name in ("scripts/version", *PLACES):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def run(tree: Path, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, tree / "scripts" / "version", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def contents(tree: Path) -> dict[str, str]:
    return {name: (tree / name).read_text() for name in PLACES}


def test_integration_core_and_app_are_of_one_version() -> None:
    from hairem_core import __version__

    assert run(ROOT) == (0, f"{__version__}\n", "")
    assert app_config()["version"] == __version__


def test_it_sets_every_place_and_nothing_else(tree: Path) -> None:
    before = contents(tree)
    old = run(tree)[1].strip()

    assert run(tree, "12.34.56") == (0, "", "")

    assert run(tree) == (0, "12.34.56\n", "")
    for name, content in contents(tree).items():
        changed = [
            (was, now)
            for was, now in zip(before[name].splitlines(), content.splitlines(), strict=True)
            if was != now
        ]
        assert [(was.replace(old, ""), now.count("12.34.56")) for was, now in changed] == [
            (changed[0][1].replace("12.34.56", ""), 1)
        ], name
        assert content.endswith("\n")


@pytest.mark.parametrize(
    "wrong", ["1.2", "1.2.3.4", "v1.2.3", "1.2.03", "1.2.3-rc.1", "1.2.3\n", "", "--help", "1.2.x"]
)
def test_what_is_no_version_changes_nothing(tree: Path, wrong: str) -> None:
    before = contents(tree)
    code, out, err = run(tree, wrong)
    assert (code, out) == (1, "")
    assert "scripts/version 1.2.3" in err
    assert contents(tree) == before


def test_places_that_disagree_are_named(tree: Path) -> None:
    config = tree / "addon/config.yaml"
    config.write_text(
        re.sub(r'^version: ".*"$', 'version: "9.9.9"', config.read_text(), flags=re.MULTILINE)
    )
    code, out, err = run(tree)
    assert (code, out) == (1, "")
    assert "addon/config.yaml: 9.9.9" in err
    # And it mends that.
    assert run(tree, "9.9.10")[0] == 0
    assert run(tree) == (0, "9.9.10\n", "")


@pytest.mark.parametrize("name", PLACES)
def test_a_place_without_its_line_stops_it_before_anything_is_written(
    tree: Path, name: str
) -> None:
    path = tree / name
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if "version" not in line))
    before = contents(tree)
    code, out, err = run(tree, "1.2.3")
    assert (code, out) == (1, "")
    assert name in err
    assert contents(tree) == before


def test_it_runs_on_the_python_of_an_old_system() -> None:
    """A job that makes a release has no virtual environment yet."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", ROOT / "scripts" / "version"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    source = (ROOT / "scripts" / "version").read_text()
    compile(source, "version", "exec", dont_inherit=True)
    import ast

    ast.parse(source, feature_version=(3, 9))
