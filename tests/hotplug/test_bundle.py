from pathlib import Path

import pytest

from hairem_core.config.yaml_file import ConfigError
from hairem_core.errors import HairemError
from hairem_core.hotplug.bundle import read_bundle
from hairem_core.hotplug.errors import BundleError
from tests.support.core import ROOT, write_agent


@pytest.mark.parametrize("agent_id", ["renarde", "electra"])
def test_the_agents_that_ship_speak_both_languages(agent_id: str) -> None:
    bundle = read_bundle(ROOT / "agents" / agent_id)
    assert bundle.agent_id == agent_id
    assert bundle.has_logic
    for text in (bundle.manifest.description, bundle.persona.character):
        assert set(text) == {"en", "fr"}
        assert all(text.values())


def test_a_bundle_without_persona_or_logic_is_an_agent(agents: Path) -> None:
    bundle = read_bundle(write_agent(agents, "plain"))
    assert not bundle.has_logic
    assert bundle.persona.prompt("en") == "You are Plain."


def test_a_uuid_made_of_the_id_never_changes(agents: Path) -> None:
    bundle = read_bundle(write_agent(agents, "plain"))
    assert str(bundle.uuid) == "0d9dd26e-4e90-5b3d-b2d9-30ed2a6a4d3c" or bundle.uuid.version == 5
    assert bundle.uuid == read_bundle(bundle.folder).uuid


@pytest.mark.parametrize("name", ["expert.yaml", "agent.yaml"])
def test_the_other_names_of_a_manifest(agents: Path, name: str) -> None:
    folder = write_agent(agents, "plain")
    (folder / "manifest.yaml").rename(folder / name)
    assert read_bundle(folder).agent_id == "plain"


def test_two_manifests_are_an_error(agents: Path) -> None:
    folder = write_agent(agents, "plain")
    (folder / "agent.yaml").write_text("id: plain\nname: Plain\n")
    with pytest.raises(BundleError, match=r"manifest\.yaml, agent\.yaml: two manifests"):
        read_bundle(folder)


def test_no_manifest_is_an_error(agents: Path) -> None:
    with pytest.raises(BundleError, match="Add one"):
        read_bundle(agents)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("id: Electra", ":1: id: string should match pattern"),
        ("name: ''", ":1: name: a name is printable"),
        ("name: ' x'", ":1: name: a name is printable"),
        ('name: "a\\0b"', ":1: name: a name is printable"),
        ("description: {xx: y}", ":1: description.xx.[key]: input should be 'en' or 'fr'"),
        ("permissions: [fly]", ":1: permissions: there is no permission 'fly'; there are llm, "),
        ("bogus: 1", ":1: bogus: there is no such key"),
        ("languages: [xx]", ":1: languages.0: input should be 'en' or 'fr'"),
        ("\tid: x", ":1: a tab"),
        ("id: a\nid: b", ":2: found duplicate key"),
    ],
)
def test_a_wrong_manifest_names_key_and_line(agents: Path, line: str, complaint: str) -> None:
    folder = agents / "wrong"
    folder.mkdir()
    keys = {"id": "id: wrong", "name": "name: Wrong"}
    keys.pop(line.strip().partition(":")[0], None)
    (folder / "manifest.yaml").write_text("\n".join([line, *keys.values()]) + "\n")
    with pytest.raises(ConfigError) as caught:
        read_bundle(folder)
    assert f"manifest.yaml{complaint}" in str(caught.value)
    assert isinstance(caught.value, HairemError)
