"""An agent's bundle: `manifest.yaml`, `persona.yaml`, `logic.py` and what lies beside them."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    PlainValidator,
    SecretStr,
    WithJsonSchema,
)

from hairem_core.config.system import AgentId, Language
from hairem_core.config.yaml_file import SecretName, read_yaml, validate_yaml
from hairem_core.hotplug.errors import BundleError
from hairem_core.hotplug.permissions import Permissions, PermissionsField
from hairem_core.sdk.identity import agent_uuid
from hairem_core.sdk.persona import Persona

MANIFEST_NAMES = ("manifest.yaml", "expert.yaml", "agent.yaml")
PERSONA_NAME = "persona.yaml"
LOGIC_NAME = "logic.py"
REQUIREMENTS_NAME = "requirements.txt"
ASSETS_FOLDER = "assets"
_HOUSE_PREFIXES = frozenset(
    {
        *("anthropic", "aws", "azure", "gemini", "google", "groq", "hf", "huggingface", "litellm"),
        *("mistral", "ollama", "openai", "openrouter"),
        *("core", "crew", "hairem", "hassio", "home", "supervisor"),
        *("http", "https", "mysql", "no", "redis", "ssh", "ssl", "surreal"),
        *("git", "kubernetes", "ld", "pip", "python", "uv", "xdg"),
    }
)
"""Ids whose environment variables (`OPENAI_…`) or addresses are the house's own."""

_CAPITALS = r"^[A-Z][A-Z0-9_]{0,63}$"
type SecretValue = SecretName | SecretStr | None


def _parse_secrets(value: Any) -> Any:
    if not isinstance(value, dict):
        raise ValueError("secrets are names, such as `HA_TOKEN:`")  # noqa: TRY004 - pydantic's
    found: dict[str, SecretValue] = {}
    for name, secret in value.items():
        if not isinstance(name, str) or not re.fullmatch(_CAPITALS, name):
            raise ValueError(f"{name!r} is no name of a secret: capitals, digits and `_`")
        if isinstance(secret, str):
            found[name] = SecretStr(secret)
        elif secret is None or isinstance(secret, SecretName | SecretStr):
            found[name] = secret
        else:
            # The value may be one: it is not shown.
            raise ValueError(f"{name} is neither text, nor `!secret <name>`, nor empty")
    return found


SecretsField = Annotated[
    dict[str, SecretValue],
    PlainValidator(_parse_secrets),
    PlainSerializer(sorted),
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"pattern": _CAPITALS},
            "additionalProperties": {"type": ["string", "null"]},
        }
    ),
]
"""Serialized as the names alone."""


class _File(BaseModel):
    # An editor shows the docstrings: they go into the schemas in docs/schemas/.
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def _check_name(name: str) -> str:
    if not name.isprintable() or name != name.strip() or not name:
        raise ValueError("a name is printable, and neither begins nor ends with a space")
    return name


def _check_id(agent_id: str) -> str:
    if agent_id in _HOUSE_PREFIXES:
        raise ValueError(
            f"{agent_id!r} is reserved: {agent_id.upper()}_… in the environment is not an agent's"
        )
    return agent_id


class Manifest(_File):
    """The content of `manifest.yaml`."""

    id: Annotated[AgentId, AfterValidator(_check_id)]
    """The agent's identity: never change it."""
    uuid: UUID | None = None
    """What Home Assistant and memory know it by; none is one made of the id."""
    name: Annotated[str, Field(max_length=64), AfterValidator(_check_name)]
    """What people call it."""
    version: str = Field(default="0.1.0", pattern=r"^\d+\.\d+\.\d+([-+].+)?$")
    """The bundle's."""
    description: dict[Language, str] = Field(default_factory=dict)
    """One sentence, by language."""
    languages: list[Language] = Field(default=["en"], min_length=1)
    """What it speaks, its preferred language first."""
    permissions: PermissionsField = Field(default_factory=Permissions)
    """What it may do; what is not listed is refused."""
    config: dict[str, JsonValue] = Field(default_factory=dict)
    """Settings of its own, as `ctx.config`."""
    secrets: SecretsField = Field(default_factory=dict)
    """Names of its secrets, as `ctx.secrets`. Empty: from the environment, `<ID>_<NAME>`."""
    assets: dict[str, str] = Field(default_factory=dict)
    """Files under `assets/` by a name, such as `avatar: assets/avatar.png`."""

    @property
    def effective_uuid(self) -> UUID:
        """The UUID that is given, or one made of the id."""
        return self.uuid or agent_uuid(self.id)


class PersonaFile(_File):
    """The content of `persona.yaml`."""

    character: dict[Language, str] = Field(default_factory=dict)
    """By language: who the agent is and how it speaks, addressed to it."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A bundle as it was read."""

    folder: Path
    """Where its files are read from: a snapshot, that no editor touches."""
    source: Path
    """The folder that a person edits."""
    hash: str = ""
    """SHA-256 of its content, in hexadecimal digits."""
    manifest: Manifest
    persona: Persona
    has_logic: bool
    libraries: Path | None = None
    """Where its requirements are installed."""
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    """Its secrets in clear, by name."""
    overrides: dict[str, Any] = field(default_factory=dict)
    """Settings that this house wants otherwise than the manifest."""

    @property
    def agent_id(self) -> str:
        """The stable id."""
        return self.manifest.id

    @property
    def uuid(self) -> UUID:
        """The manifest's UUID, or one made of the id."""
        return self.manifest.effective_uuid

    @property
    def permissions(self) -> Permissions:
        """What the manifest asks for."""
        return self.manifest.permissions

    @property
    def settings(self) -> dict[str, Any]:
        """The manifest's `config`, with what this house wants otherwise."""
        return {**self.manifest.config, **self.overrides}


def find_manifest(folder: Path) -> Path | None:
    """Return the manifest of the bundle in `folder`, None if it is no bundle.

    Raises BundleError when there are two.
    """
    found = [folder / name for name in MANIFEST_NAMES if (folder / name).is_file()]
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise BundleError(f"{names}: two manifests", where=str(folder), hint="Keep one of them.")
    return found[0] if found else None


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest in `folder`. Raises BundleError, or ConfigError with file and line."""
    path = find_manifest(folder)
    if path is None:
        raise BundleError("no manifest.yaml", where=str(folder), hint="Add one.")
    return validate_yaml(Manifest, read_yaml(path), path)


def read_persona(folder: Path) -> PersonaFile:
    """Return `persona.yaml` in `folder`, an empty one if there is none. Raises ConfigError."""
    path = folder / PERSONA_NAME
    if not path.is_file():
        return PersonaFile()
    return validate_yaml(PersonaFile, read_yaml(path), path)


def read_bundle(
    folder: Path,
    *,
    source: Path | None = None,
    hash: str = "",  # noqa: A002 - the word
) -> Bundle:
    """Return the bundle in `folder`. Raises BundleError, or ConfigError with file and line."""
    return assemble_bundle(
        folder, read_manifest(folder), read_persona(folder), source=source or folder, hash=hash
    )


def assemble_bundle(
    folder: Path,
    manifest: Manifest,
    persona: PersonaFile,
    *,
    source: Path,
    hash: str,  # noqa: A002 - the word
) -> Bundle:
    """Return the bundle in `folder`, whose YAML files were read."""
    return Bundle(
        folder=folder,
        source=source,
        hash=hash,
        manifest=manifest,
        persona=Persona(
            agent_id=manifest.id,
            name=manifest.name,
            languages=list(manifest.languages),
            character={str(key): text for key, text in persona.character.items()},
        ),
        has_logic=(folder / LOGIC_NAME).is_file(),
    )
