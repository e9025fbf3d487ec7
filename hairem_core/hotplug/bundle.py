"""Reading an agent's bundle: `manifest.yaml`, `persona.yaml`, `logic.py`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID, uuid5

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from hairem_core.config import AgentId, Language, read_yaml, validate_yaml
from hairem_core.hotplug.errors import BundleError
from hairem_core.sdk.persona import Persona

MANIFEST_NAMES = ("manifest.yaml", "expert.yaml", "agent.yaml")
_NAMESPACE = UUID("6d2f9c1e-5b0a-5e43-9c39-8a1d6f2b7c55")
"""Namespace of the UUIDs of agents whose manifest names none."""

type Permission = Literal["llm", "home.act"]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _check_name(name: str) -> str:
    if not name.isprintable() or name != name.strip() or not name:
        raise ValueError("a name is printable, and neither begins nor ends with a space")
    return name


class Manifest(_File):
    """The content of `manifest.yaml`."""

    id: AgentId
    uuid: UUID | None = None
    name: Annotated[str, Field(max_length=64), AfterValidator(_check_name)]
    version: str = Field(default="0.1.0", pattern=r"^\d+\.\d+\.\d+([-+].+)?$")
    description: dict[Language, str] = Field(default_factory=dict)
    """One sentence, by language."""
    languages: list[Language] = Field(default=["en"], min_length=1)
    permissions: list[Permission] = Field(default_factory=list)


class PersonaFile(_File):
    """The content of `persona.yaml`."""

    character: dict[Language, str] = Field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A bundle as it was read."""

    folder: Path
    manifest: Manifest
    persona: Persona
    has_logic: bool

    @property
    def agent_id(self) -> str:
        """The stable id."""
        return self.manifest.id

    @property
    def uuid(self) -> UUID:
        """The manifest's UUID, or one made of the id."""
        return self.manifest.uuid or uuid5(_NAMESPACE, self.manifest.id)


def find_manifest(folder: Path) -> Path | None:
    """Return the manifest of the bundle in `folder`, None if it is no bundle.

    Raises BundleError when there are two.
    """
    found = [folder / name for name in MANIFEST_NAMES if (folder / name).is_file()]
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise BundleError(f"{names}: two manifests", where=str(folder), hint="Keep one of them.")
    return found[0] if found else None


def read_bundle(folder: Path) -> Bundle:
    """Return the bundle in `folder`. Raises BundleError, or ConfigError with file and line."""
    path = find_manifest(folder)
    if path is None:
        raise BundleError("no manifest.yaml", where=str(folder), hint="Add one.")
    manifest = validate_yaml(Manifest, read_yaml(path), path)
    persona_path = folder / "persona.yaml"
    persona = PersonaFile()
    if persona_path.is_file():
        persona = validate_yaml(PersonaFile, read_yaml(persona_path), persona_path)
    return Bundle(
        folder=folder,
        manifest=manifest,
        persona=Persona(
            agent_id=manifest.id,
            name=manifest.name,
            languages=list(manifest.languages),
            character={str(key): text for key, text in persona.character.items()},
        ),
        has_logic=(folder / "logic.py").is_file(),
    )
