"""Every bundle of tests/data/bundles, held against the report that is written beside it."""

import json
import sys
from pathlib import Path

import pytest

from hairem_core.hotplug.gatekeeper import Gatekeeper, check_folder
from tests.hotplug.gatekeeper.bundles import (
    EXPECTED,
    RIGHT,
    SHIPPED,
    WRONG,
    as_expected,
    write_bundle,
)


def test_there_are_enough_of_them() -> None:
    assert len(WRONG) >= 60
    assert len(RIGHT) >= 15
    assert len(SHIPPED) >= 2


@pytest.mark.parametrize("folder", WRONG, ids=lambda folder: folder.name)
def test_a_wrong_bundle(folder: Path) -> None:
    expected = json.loads((folder / EXPECTED).read_text())
    assert expected["findings"]
    assert as_expected(check_folder(folder)) == expected


@pytest.mark.parametrize("folder", RIGHT, ids=lambda folder: folder.name)
def test_a_right_but_unusual_bundle(folder: Path) -> None:
    report = check_folder(folder)
    assert report.findings == ()
    assert report.agent_id == folder.name


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_an_agent_that_ships(folder: Path) -> None:
    assert check_folder(folder).findings == ()


def test_what_is_accepted_comes_as_a_bundle(tmp_path: Path) -> None:
    snapshot = write_bundle(
        tmp_path / "snapshot", {"persona.yaml": "character: {en: You are Built.}\n"}
    )
    source = tmp_path / "built"
    report, bundle = Gatekeeper().check(snapshot, source=source, hash="abc")
    assert report.is_accepted
    assert (report.folder, report.hash, report.agent_id) == (str(source), "abc", "built")
    assert bundle is not None
    assert (bundle.folder, bundle.source, bundle.hash) == (snapshot, source, "abc")
    assert bundle.has_logic
    assert bundle.persona.character == {"en": "You are Built."}


def test_what_is_refused_does_not(tmp_path: Path) -> None:
    snapshot = write_bundle(tmp_path, {"logic.py": "import socket\n"})
    report, bundle = Gatekeeper().check(snapshot, source=tmp_path)
    assert bundle is None
    assert not report.is_accepted
    assert report.hash is None


def test_nothing_of_a_bundle_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    code = f"from pathlib import Path\nPath({str(mark)!r}).touch()\n"
    folder = write_bundle(
        tmp_path / "built", {"logic.py": code, "__init__.py": code, "drivers/lamp.py": code}
    )
    before = set(sys.modules)
    check_folder(folder)
    assert not mark.exists()
    assert not {name for name in set(sys.modules) - before if "built" in name}


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    report = check_folder(tmp_path / "nothing")
    assert [each.rule for each in report.findings] == ["no-manifest"]
    assert "there is no folder" in report.reason
