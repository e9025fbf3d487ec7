"""The files beside the code: what Home Assistant's own checks, and those of HACS, would say.

Those checks (`hassfest` and the HACS action) run in CI services only; their rules are told here.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import Any

import homeassistant.components
import pytest
from homeassistant.util.yaml import load_yaml_dict
from PIL import Image

from custom_components.hairem import issues, repairs
from custom_components.hairem.const import DOMAIN, LANGUAGES
from custom_components.hairem.failures import FAILURES

ROOT = Path(__file__).parents[2]
INTEGRATION = ROOT / "custom_components" / DOMAIN


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((INTEGRATION / name).read_text(encoding="utf-8"))
    return found


def flat(strings: dict[str, Any], *path: str) -> Iterator[tuple[str, str]]:
    for key, value in strings.items():
        if isinstance(value, dict):
            yield from flat(value, *path, key)
        else:
            yield ".".join((*path, key)), value


def placeholders(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}


def test_manifest() -> None:
    manifest = read("manifest.json")
    keys = list(manifest)
    assert keys[:2] == ["domain", "name"]
    assert keys[2:] == sorted(keys[2:])
    assert manifest["domain"] == INTEGRATION.name
    for url in (manifest["documentation"], manifest["issue_tracker"]):
        assert url.startswith("https://")
    assert all(owner.startswith("@") for owner in manifest["codeowners"])
    assert manifest["config_flow"] is True
    assert manifest["iot_class"] == "local_push"
    assert manifest["integration_type"] == "hub"
    assert "requirements" not in manifest
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert manifest["version"] == project["project"]["version"]
    for domain in manifest["dependencies"]:
        assert (Path(homeassistant.components.__path__[0]) / domain).is_dir()


def test_one_integration_and_hacs() -> None:
    folders = [path.name for path in (ROOT / "custom_components").iterdir() if path.is_dir()]
    assert [name for name in folders if not name.startswith((".", "__"))] == [DOMAIN]
    hacs = json.loads((ROOT / "hacs.json").read_text(encoding="utf-8"))
    assert hacs == {
        "name": "hAIrem",
        "filename": "hairem.zip",
        "homeassistant": "2026.10.0",
        "zip_release": True,
    }


def test_nothing_else_looks_like_an_app() -> None:
    """The Supervisor takes each config.json and config.yaml of a repository for an app."""
    skipped = {".git", ".venv", "node_modules", "addon"}
    found = [
        path
        for folder, folders, files in ROOT.walk()
        for path in (folder / name for name in files)
        if path.name in {"config.json", "config.yaml", "config.yml"}
        and not skipped & set(path.relative_to(ROOT).parts)
        and folders is not None
    ]
    assert found == []


def test_the_integration_stands_alone() -> None:
    for path in INTEGRATION.glob("*.py"):
        assert "hairem_core" not in path.read_text(encoding="utf-8"), path


def test_no_file_name_is_magic() -> None:
    """Home Assistant would take these for platforms, whatever they are meant to be."""
    names = {path.stem for path in INTEGRATION.glob("*.py")}
    assert not names & {"llm", "trigger", "condition", "intent", "logbook"}
    # Except where that is what is meant.
    assert callable(repairs.async_create_fix_flow)


@pytest.mark.parametrize("language", LANGUAGES)
def test_strings_are_whole(language: str) -> None:
    english = dict(flat(read("translations/en.json")))
    strings = dict(flat(read(f"translations/{language}.json")))
    assert list(strings) == list(english)
    for key, sentence in strings.items():
        assert sentence.strip() == sentence, key
        assert sentence, key
        assert "[%key:" not in sentence, key
        assert not re.search(r"<[a-z/]|https?://", sentence), key
        assert placeholders(sentence) == placeholders(english[key]), key


def test_languages() -> None:
    found = {path.stem for path in (INTEGRATION / "translations").iterdir()}
    assert found == set(LANGUAGES)
    assert read("strings.json") == read("translations/en.json")


def test_every_exception_has_a_sentence() -> None:
    exceptions = set(read("strings.json")["exceptions"])
    assert exceptions >= FAILURES | {"failed"}
    used = set(FAILURES) | {"failed"}
    for path in INTEGRATION.glob("*.py"):
        source = path.read_text(encoding="utf-8")
        for raised in re.findall(r"raise ConfigEntry\w+\((.*?)\n +\)", source, re.DOTALL):
            (key,) = re.findall(r'translation_key="(\w+)"', raised)
            used.add(key)
    assert exceptions == used


def test_every_issue_has_a_sentence() -> None:
    strings = read("strings.json")["issues"]
    assert {"core_outdated", "integration_outdated", *issues.SEVERITIES} == set(strings)
    source = (INTEGRATION / "__init__.py").read_text(encoding="utf-8")
    for key, sentences in strings.items():
        assert key in issues.SEVERITIES or f'"{key}"' in source
        # One that can be fixed is described in its flow.
        assert set(sentences) == {"title", "fix_flow" if key == issues.FIXABLE else "description"}


def test_every_step_and_end_of_the_fix_flow_has_a_sentence() -> None:
    source = (INTEGRATION / "repairs.py").read_text(encoding="utf-8")
    flow = read("strings.json")["issues"][issues.FIXABLE]["fix_flow"]
    assert set(flow["step"]) == set(re.findall(r'step_id="(\w+)"', source))
    assert set(flow["abort"]) == set(re.findall(r'reason="(\w+)"', source))


def test_every_step_and_error_of_the_flows_has_a_sentence() -> None:
    source = (INTEGRATION / "config_flow.py").read_text(encoding="utf-8")
    strings = read("strings.json")
    config = strings["config"]
    assert set(config["step"]) | set(strings["options"]["step"]) == set(
        re.findall(r'step_id="(\w+)"', source)
    )
    errors = set(re.findall(r'errors\[.*?\] = "(\w+)"', source))
    assert set(config["error"]) == errors
    # What is an error of a form ends a discovery that has no form yet.
    assert set(config["abort"]) == errors | set(re.findall(r'reason="(\w+)"', source))
    for step in (*config["step"].values(), *strings["options"]["step"].values()):
        assert set(step.get("data", ())) == set(step.get("data_description", ()))


def test_icons_are_of_entities_there_are() -> None:
    assert set(read("icons.json")["entity"]) == {"conversation"}
    source = (INTEGRATION / "conversation.py").read_text(encoding="utf-8")
    for key in read("icons.json")["entity"]["conversation"]:
        assert f'_attr_translation_key = "{key}"' in source


def test_quality_scale() -> None:
    rules = load_yaml_dict(str(INTEGRATION / "quality_scale.yaml"))["rules"]
    of_another = load_yaml_dict(
        str(Path(homeassistant.components.__path__[0]) / "peblar" / "quality_scale.yaml")
    )["rules"]
    assert set(rules) == set(of_another)
    for name, rule in rules.items():
        if rule != "done":
            assert rule["status"] in {"exempt", "todo"}, name
            assert rule["comment"], name


@pytest.mark.parametrize(
    ("name", "height"),
    [("icon.png", 256), ("icon@2x.png", 512), ("logo.png", 128), ("logo@2x.png", 256)],
)
def test_brand(name: str, height: int) -> None:
    with Image.open(INTEGRATION / "brand" / name) as image:
        assert image.height == height
        assert image.mode == "RGBA"
        assert image.getpixel((0, 0)) == (0, 0, 0, 0)
        if name.startswith("icon"):
            assert image.width == height
