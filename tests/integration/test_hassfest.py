"""More of what Home Assistant's checks (hassfest) and those of HACS look at, told here by rule.

`test_metadata.py` holds the files of the integration against its code; this, against those rules.
"""

import ast
import json
import re
from pathlib import Path
from typing import Any

import homeassistant.components
import probatio
import pytest
from awesomeversion import AwesomeVersion, AwesomeVersionStrategy
from homeassistant.const import Platform
from homeassistant.helpers import config_validation as cv
from homeassistant.util.yaml import load_yaml_dict
from PIL import Image

from custom_components import hairem
from custom_components.hairem.const import DOMAIN, LANGUAGES
from tests.integration.test_metadata import INTEGRATION, ROOT, flat, placeholders, read

COMPONENTS = Path(homeassistant.components.__path__[0])

REQUIRED_KEYS = {
    "codeowners",
    "config_flow",
    "documentation",
    "domain",
    "integration_type",
    "iot_class",
    "issue_tracker",
    "name",
    "version",
}
OPTIONAL_KEYS = {
    "after_dependencies",
    "dependencies",
    "import_executor",
    "loggers",
    "quality_scale",
    "requirements",
    "single_config_entry",
    "zeroconf",
}
"""Of those that a manifest may have, the ones that make sense here."""
HACS_KEYS: dict[str, tuple[type, ...]] = {
    "content_in_root": (bool,),
    "country": (str, list),
    "filename": (str,),
    "hacs": (str,),
    "hide_default_branch": (bool,),
    "homeassistant": (str,),
    "name": (str,),
    "persistent_directory": (str,),
    "render_readme": (bool,),
    "zip_release": (bool,),
}
FLOW_KEYS = {"abort", "create_entry", "error", "flow_title", "initiate_flow", "progress", "step"}
STEP_KEYS = {
    "data",
    "data_description",
    "description",
    "menu_option_descriptions",
    "menu_options",
    "sections",
    "submit",
    "title",
}
DESCRIBED = {
    "conditions": "conditions.yaml",
    "services": "services.yaml",
    "triggers": "triggers.yaml",
}
"""What automations use: told in a file, named in the strings, and given an icon."""
PROVEN = {
    "config-entry-unloading": ("__init__.py", "async_unload_entry"),
    "config-flow": ("config_flow.py", "async_step_user"),
    "diagnostics": ("diagnostics.py", "async_get_config_entry_diagnostics"),
    "discovery": ("config_flow.py", "async_step_hassio"),
    "has-entity-name": ("entity.py", "_attr_has_entity_name"),
    "parallel-updates": ("conversation.py", "PARALLEL_UPDATES"),
    "reauthentication-flow": ("config_flow.py", "async_step_reauth"),
    "reconfiguration-flow": ("config_flow.py", "async_step_reconfigure"),
    "runtime-data": ("__init__.py", "runtime_data"),
    "stale-devices": ("__init__.py", "async_remove_config_entry_device"),
    "test-before-setup": ("__init__.py", "ConfigEntryNotReady"),
    "unique-config-entry": ("config_flow.py", "_abort_if_unique_id_configured"),
}
"""Where, and by which name, a rule of the quality scale shows that it is kept."""

KEY = re.compile(r"(?!.*[_-]{2})[a-z0-9]([a-z0-9_-]*[a-z0-9])?")
URL = re.compile(r"\w+://\w|www\.\w", re.IGNORECASE)


def names_in(path: Path) -> set[str]:
    """Return all that a module defines, or speaks of, by name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.add(name)
            case ast.Name(id=name) | ast.Attribute(attr=name):
                found.add(name)
            case _:
                pass
    return found


def test_manifest() -> None:
    manifest = read("manifest.json")
    assert set(manifest) >= REQUIRED_KEYS
    assert set(manifest) <= REQUIRED_KEYS | OPTIONAL_KEYS
    assert not (COMPONENTS / DOMAIN).exists(), "it would hide one of Home Assistant's own"
    assert manifest["codeowners"]
    for owner in manifest["codeowners"]:
        assert re.fullmatch(r"@[A-Za-z0-9-]+(/[A-Za-z0-9_-]+)?", owner), owner
    AwesomeVersion(manifest["version"], ensure_strategy=[AwesomeVersionStrategy.SEMVER])
    before, after = manifest["dependencies"], manifest.get("after_dependencies", [])
    for domains in (before, after):
        assert domains == sorted(set(domains))
        assert all((COMPONENTS / domain / "manifest.json").is_file() for domain in domains)
    assert not set(before) & set(after)


def test_what_is_imported_is_depended_on() -> None:
    """Else Home Assistant may not have set it up, nor installed what it needs."""
    manifest = read("manifest.json")
    allowed = {
        *manifest["dependencies"],
        *manifest.get("after_dependencies", []),
        *Platform,
        # A file that is another integration's platform is imported by that integration.
        *(path.stem for path in INTEGRATION.glob("*.py")),
    }
    imported: set[tuple[str, str]] = set()
    for path in INTEGRATION.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Import(names=aliases):
                    modules = [alias.name for alias in aliases]
                case ast.ImportFrom(module=str(module), names=aliases):
                    modules = [f"{module}.{alias.name}" for alias in aliases]
                case _:
                    continue
            imported |= {
                (path.name, module.split(".")[2])
                for module in modules
                if module.startswith("homeassistant.components.")
            }
    assert ("repairs.py", "repairs") in imported
    assert {(file, domain) for file, domain in imported if domain not in allowed} == set()


def test_yaml_does_not_set_it_up() -> None:
    """Who has an `async_setup` must say what it takes of `configuration.yaml`: here, nothing."""
    assert {"async_setup", "CONFIG_SCHEMA"} <= names_in(INTEGRATION / "__init__.py")
    assert hairem.CONFIG_SCHEMA({}) == {}


def test_json_says_nothing_twice() -> None:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        assert len(keys) == len(set(keys)), keys
        return dict(pairs)

    paths = [*INTEGRATION.rglob("*.json"), ROOT / "hacs.json"]
    assert len(paths) >= 4 + len(LANGUAGES)
    for path in paths:
        json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=once)


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences(language: str) -> None:
    for key, sentence in flat(read(f"translations/{language}.json")):
        assert all(KEY.fullmatch(part) for part in key.split(".")), key
        assert cv.string_with_no_html(sentence) == sentence, key
        assert not URL.search(sentence), f"{key}: an address comes in by a placeholder"
        assert "[%" not in sentence, key
        assert all(name.isidentifier() for name in placeholders(sentence)), key
        # In ICU's rules, what is between single quotes is left as it is.
        assert not re.search(r"'{\w+}'", sentence), key


@pytest.mark.parametrize(
    "sentence", ["a<br>b", "see https://example.org", "see www.example.org", "on '{name}'"]
)
def test_the_rules_for_sentences_can_be_broken(sentence: str) -> None:
    try:
        cv.string_with_no_html(sentence)
    except probatio.Invalid:
        return
    assert URL.search(sentence) or re.search(r"'{\w+}'", sentence)


def test_strings_are_where_home_assistant_looks() -> None:
    strings = read("strings.json")
    assert set(strings) <= {"config", "entity", "exceptions", "issues", "options", *DESCRIBED}
    fix_flows = [issue["fix_flow"] for issue in strings["issues"].values() if "fix_flow" in issue]
    for flow in (strings["config"], strings["options"], *fix_flows):
        assert set(flow) <= FLOW_KEYS
        for step in flow["step"].values():
            assert set(step) <= STEP_KEYS
            assert set(step.get("data_description", ())) <= set(step.get("data", ()))
    for issue in strings["issues"].values():
        assert set(issue) in ({"title", "description"}, {"title", "fix_flow"})
    assert all(set(exception) == {"message"} for exception in strings["exceptions"].values())


@pytest.mark.parametrize("kind", DESCRIBED)
def test_what_automations_use_has_names_and_icons(kind: str) -> None:
    path = INTEGRATION / DESCRIBED[kind]
    described = set(load_yaml_dict(str(path))) if path.is_file() else set()
    strings = read("strings.json").get(kind, {})
    assert set(strings) == described
    assert set(read("icons.json").get(kind, {})) == described
    assert all(texts["name"] and texts["description"] for texts in strings.values())


def test_icons() -> None:
    icons = read("icons.json")
    assert set(icons) <= {"entity", *DESCRIBED}
    for key, icon in flat(icons):
        assert re.fullmatch(r"mdi:[a-z0-9]+(-[a-z0-9]+)*", icon), key
    for platform in icons["entity"].values():
        for entity in platform.values():
            assert entity["default"] not in entity.get("state", {}).values()


@pytest.mark.parametrize("rule", PROVEN)
def test_what_is_said_to_be_done_can_be_seen(rule: str) -> None:
    rules = load_yaml_dict(str(INTEGRATION / "quality_scale.yaml"))["rules"]
    assert rules[rule] == "done"
    name, needed = PROVEN[rule]
    assert needed in names_in(INTEGRATION / name)


def test_every_platform_is_there_and_says_how_much_at_once() -> None:
    for platform in hairem.PLATFORMS:
        assert "PARALLEL_UPDATES" in names_in(INTEGRATION / f"{platform}.py")


def test_hacs() -> None:
    hacs = json.loads((ROOT / "hacs.json").read_text(encoding="utf-8"))
    for key, value in hacs.items():
        assert isinstance(value, HACS_KEYS[key]), key
    # Without its name, HACS does not find the archive of a release.
    assert hacs.get("zip_release", False) is ("filename" in hacs)
    assert not hacs.get("content_in_root")
    for name in ("README.md", "LICENSE"):
        assert (ROOT / name).stat().st_size > 1000, "HACS shows the one and looks for the other"


def test_brand() -> None:
    allowed = {
        f"{dark}{kind}{double}.png"
        for dark in ("", "dark_")
        for kind in ("icon", "logo")
        for double in ("", "@2x")
    }
    paths = list((INTEGRATION / "brand").iterdir())
    assert {"icon.png", "logo.png"} <= {path.name for path in paths} <= allowed
    for path in paths:
        with Image.open(path) as image:
            assert image.format == "PNG", path
            if path.stem.startswith("logo"):
                assert image.width > image.height, path
