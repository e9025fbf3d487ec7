"""What is written of the rules, held against the rules."""

import json
import re
from pathlib import Path

import pytest

from hairem_core.hotplug.gatekeeper.rules import Rule
from tests.hotplug.gatekeeper.built import BUILT
from tests.hotplug.gatekeeper.bundles import EXPECTED, WRONG
from tests.support.core import ROOT

_DOCS = {
    "en": (ROOT / "docs" / "gatekeeper.md", "## Around the steps", "error", "warning"),
    "fr": (
        ROOT / "docs" / "fr" / "gatekeeper.md",
        "## Autour des étapes",
        "erreur",
        "avertissement",
    ),
}
_ROW = re.compile(r"^\| `([a-z-]+)` \| (\w+) \| \S.* \| \S.* \|$", re.MULTILINE)


def _rows(language: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the rules of the four steps, and those around them, with their severities."""
    path, heading, error, warning = _DOCS[language]
    words = {error: "error", warning: "warning"}
    parts = path.read_text().split(heading)
    assert len(parts) == 2
    found = [_ROW.findall(part) for part in parts]
    assert all(len(dict(rows)) == len(rows) for rows in found), "a rule is told twice"
    steps, around = ({rule: words[word] for rule, word in rows} for rows in found)
    return steps, around


def _produced() -> set[str]:
    in_folders = {
        finding["rule"]
        for folder in WRONG
        for finding in json.loads((folder / EXPECTED).read_text())["findings"]
    }
    return in_folders | {rule for _, expected in BUILT.values() for rule, *_ in expected}


@pytest.mark.parametrize("language", _DOCS)
def test_each_rule_that_is_written_down_is_shown_by_a_wrong_bundle(language: str) -> None:
    steps, _ = _rows(language)
    assert set(steps) == _produced()


@pytest.mark.parametrize("language", _DOCS)
def test_each_rule_is_written_down_with_its_severity(language: str) -> None:
    steps, around = _rows(language)
    for rule in Rule:
        assert steps[rule.value] == rule.severity.value
    assert not set(around) & {rule.value for rule in Rule}


def test_both_languages_tell_the_same() -> None:
    assert _rows("en") == _rows("fr")


def test_what_others_find_is_written_down() -> None:
    """Findings are made elsewhere in the room too, with names that stand in the code."""
    steps, around = _rows("en")
    sources = "\n".join(
        path.read_text() for path in Path(ROOT / "hairem_core" / "hotplug").glob("*.py")
    )
    named = set(re.findall(r'rule="([a-z-]+)"', sources))
    assert named
    assert named <= set(around) | set(steps)
    assert all(f'"{rule}"' in sources for rule in around)
