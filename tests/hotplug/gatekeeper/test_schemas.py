"""The JSON Schemas of a bundle's files, as an editor uses them."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from hairem_core.hotplug.bundle import Manifest, PersonaFile
from scripts.schemas import bundle_schema
from tests.hotplug.gatekeeper.bundles import BUNDLES, RIGHT, SHIPPED
from tests.support.core import ROOT

_FOLDER = ROOT / "docs" / "schemas"
_MANIFEST = json.loads((_FOLDER / "manifest.json").read_text())
_PERSONA = json.loads((_FOLDER / "persona.json").read_text())


def _read(path: Path) -> Any:
    """Return a YAML file as an editor sees it, `!secret x` being a text."""
    yaml = YAML(typ="safe", pure=True)
    yaml.constructor.add_constructor("!secret", lambda loader, node: node.value)
    return yaml.load(path.read_text(encoding="utf-8"))


def test_they_are_those_of_the_code() -> None:
    assert bundle_schema(Manifest) == _MANIFEST, "run scripts/schemas.py"
    assert bundle_schema(PersonaFile) == _PERSONA, "run scripts/schemas.py"


@pytest.mark.parametrize("schema", [_MANIFEST, _PERSONA], ids=["manifest", "persona"])
def test_they_explain_every_key(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    assert all(each.get("description") for each in schema["properties"].values())
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("folder", [*SHIPPED, *RIGHT], ids=lambda folder: folder.name)
def test_what_the_gatekeeper_accepts_is_valid(folder: Path) -> None:
    paths = list(folder.glob("*.yaml"))
    assert paths
    for path in paths:
        schema = _PERSONA if path.name == "persona.yaml" else _MANIFEST
        jsonschema.validate(_read(path), schema)


@pytest.mark.parametrize(
    "name",
    [
        *("missing_keys", "permission_limits", "permission_ports", "permission_twice"),
        *("secret_name", "unknown_key", "unknown_permission", "version_is_a_number"),
        *("wrong_values", "yaml_list"),
    ],
)
def test_what_it_refuses_is_not(name: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(_read(BUNDLES / "wrong" / name / "manifest.yaml"), _MANIFEST)


@pytest.mark.parametrize("name", ["persona_unknown_key", "persona_wrong_value"])
def test_nor_is_such_a_persona(name: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(_read(BUNDLES / "wrong" / name / "persona.yaml"), _PERSONA)
