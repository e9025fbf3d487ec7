"""`config/system.yaml`: every key, what it means, and what holds without it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    field_validator,
)

from hairem_core.config.archive import archive_address
from hairem_core.config.yaml_file import read_yaml, validate_yaml

AgentId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
type Language = Literal["en", "fr"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class HouseConfig(_Section):
    """The house as people call it."""

    name: str = "hAIrem"
    language: Language = "en"
    """The language of a turn whose client does not say one."""


class ApiConfig(_Section):
    """Where the bridge listens."""

    host: str = "127.0.0.1"
    port: int = Field(default=8127, ge=0, le=65535)
    """0 takes any free port; the address in use is in `<data>/address`."""


class RedisConfig(_Section):
    """Which Redis carries the bus."""

    url: str | None = None
    """`redis://`, `rediss://` or `unix://`; none starts a private server in the data folder."""

    @field_validator("url")
    @classmethod
    def _scheme(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("a Redis address starts with redis://, rediss:// or unix://")
        return value


class BusConfig(_Section):
    """Limits of H-Link."""

    max_hops: PositiveInt = 8
    max_deliveries: PositiveInt = 5
    journal_length: NonNegativeInt = 10_000
    """About how many messages `hlink:journal` keeps."""


class AgentLimits(_Section):
    """What one agent may use up before it is stopped or slowed."""

    memory_mb: PositiveInt = 512
    """Mebibytes of memory of its process and all it started."""
    open_files: int = Field(default=256, ge=32)
    """Descriptors open at once."""
    processes: int = Field(default=64, ge=8)
    """Threads and processes at once; processes need a permission as well."""
    file_mb: PositiveInt = 256
    """Mebibytes of the longest file it may write."""
    messages_per_second: PositiveInt = 50
    """Messages it may send, and four times as many at once after a quiet time."""
    log_kb_per_second: PositiveInt = 64
    """Kibibytes of log that are kept, and four times as many at once after a quiet time."""


class AgentsConfig(_Section):
    """Where agent bundles are found and how they are kept alive."""

    folders: list[Path] = Field(default_factory=lambda: [Path("agents")], min_length=1)
    """Relative paths count from the folder that holds `agents/` and `config/`."""
    turn_timeout: PositiveFloat = 120.0
    """Seconds an agent may take over one message."""
    start_timeout: PositiveFloat = 10.0
    """Seconds from fork to ready."""
    teardown_timeout: PositiveFloat = 5.0
    """Seconds that `teardown()` may take."""
    heartbeat_timeout: PositiveFloat = 10.0
    """Seconds without a sign of life after which an agent's process is killed."""
    watch: Literal["auto", "events", "poll"] = "auto"
    """How changes of bundles are noticed; `poll` where the file system tells of none (NFS)."""
    secrets_file: Path = Path("config/secrets.yaml")
    """Where `!secret` names are looked up; a relative path counts as those of `folders` do."""
    settings: dict[AgentId, dict[str, JsonValue]] = Field(default_factory=dict)
    """By agent id: values of its manifest's `config` that this house wants otherwise."""
    package_index: str | None = None
    """Where requirements are installed from; none is uv's own choice."""
    limits: AgentLimits = AgentLimits()


class DreamConfig(_Section):
    """When memory is tended at night, and how."""

    at: str = Field(default="03:30", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    """Local time at which it is due."""
    time_zone: str | None = None
    """The house's, such as `Europe/Paris`; none is the system's."""
    idle_minutes: NonNegativeInt = 10
    """For how long nobody must have spoken."""
    latest_hours: NonNegativeFloat = 3.0
    """Hours after `at` when it is done although somebody speaks."""
    archive_below: float = Field(default=0.05, ge=0, le=0.5)
    """Strength below which a fragment goes to the archive."""
    synthesis_calls: NonNegativeInt = 20
    """How often a model is asked in one night, at most; 0 asks none."""

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        try:
            if value is not None:
                ZoneInfo(value)
        except (ValueError, OSError, ZoneInfoNotFoundError) as err:
            raise ValueError("there is no such time zone; write one like Europe/Paris") from err
        return value


class MemoryConfig(_Section):
    """Where memory lives and how much of it a prompt gets."""

    url: SecretStr | None = None
    """`ws://` or `wss://` of a SurrealDB server; none keeps files under the data folder."""
    recent_turns: NonNegativeInt = 8
    """How many messages of the conversation go into a prompt."""
    recall_results: NonNegativeInt = 6
    """How many recalled messages go into a prompt."""
    interpret_calls_per_hour: NonNegativeInt = 120
    """How often a model is asked in an hour what is worth keeping of what was said; 0 asks none."""
    archive_url: SecretStr | None = None
    """`mysql+aiomysql://` of a MariaDB server, or `sqlite+aiosqlite:///` of a file, for what has
    faded; a relative path counts from the data folder. None is `<data>/archive.sqlite3`.
    """
    archive_tls: bool = False
    """Whether the connection to MariaDB is encrypted, and the server's certificate looked at."""
    archive_tls_ca: Path | None = None
    """PEM file of who vouches for that certificate; none trusts whom the system does."""
    dream: DreamConfig = DreamConfig()

    @field_validator("archive_url")
    @classmethod
    def _is_archive(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            archive_address(value.get_secret_value())
        return value

    @field_validator("url")
    @classmethod
    def _is_server(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _is_web_socket(value.get_secret_value()):
            raise ValueError(
                "a SurrealDB server's address is ws://<host>:<port> or wss://<host>:<port>, with "
                "<user>:<password>@ before the host; write @ / ? # in a password as %40 %2F %3F %23"
            )
        return value


class ModelAddress(_Section):
    """One model, by its LiteLLM name, and how to reach it."""

    model: str = Field(min_length=1)
    api_base: str | None = None
    api_key: SecretStr | None = None
    """None leaves it to the environment variable that LiteLLM knows for the provider."""


class ModelTarget(ModelAddress):
    """A model that answers."""

    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: PositiveInt | None = None


class RoleConfig(ModelTarget):
    """The model of a role, and those to try when it fails before its first word."""

    fallbacks: list[ModelTarget] = Field(default_factory=list)


class EmbeddingConfig(ModelAddress):
    """The model of embeddings. It has no fallbacks: vectors of two models cannot be compared."""

    dimensions: PositiveInt | None = None
    """How long a vector is to be, of a model that has a choice; None leaves it to the model."""
    batch: int = Field(default=32, ge=1, le=2048)
    """Texts in one request."""


class AgentModels(_Section):
    """One agent's own models."""

    chat: RoleConfig | None = None
    lite: RoleConfig | None = None


class LlmConfig(_Section):
    """Which models think. With no `chat` model the offline brain answers."""

    chat: RoleConfig | None = None
    lite: RoleConfig | None = None
    """None: the chat model serves."""
    embedding: EmbeddingConfig | None = None
    """None: recall goes by words alone."""
    first_token_timeout: PositiveFloat = 20.0
    """Seconds until a model must have begun to answer."""
    stall_timeout: PositiveFloat = 15.0
    """Seconds a model may fall silent in mid-answer."""
    agents: dict[AgentId, AgentModels] = Field(default_factory=dict)
    """Overrides, by agent id."""


class SystemConfig(_Section):
    """The whole of `config/system.yaml`."""

    house: HouseConfig = HouseConfig()
    api: ApiConfig = ApiConfig()
    redis: RedisConfig = RedisConfig()
    bus: BusConfig = BusConfig()
    agents: AgentsConfig = AgentsConfig()
    memory: MemoryConfig = MemoryConfig()
    llm: LlmConfig = LlmConfig()


def load_config(path: Path | None, environ: Mapping[str, str] = os.environ) -> SystemConfig:
    """Return the configuration in `path`, or the defaults when it is None.

    `HAIREM_CHAT_MODEL` and `HAIREM_EMBEDDING_MODEL` in the environment name the models over the
    file's. Raises ConfigError.
    """
    config = SystemConfig()
    if path is not None:
        config = validate_yaml(SystemConfig, read_yaml(path), path)
    llm, update = config.llm, dict[str, Any]()
    if model := environ.get("HAIREM_CHAT_MODEL"):
        chat = llm.chat or RoleConfig(model=model)
        update["chat"] = chat.model_copy(update=_named(model, environ.get("HAIREM_CHAT_API_BASE")))
    if model := environ.get("HAIREM_EMBEDDING_MODEL"):
        base = environ.get("HAIREM_EMBEDDING_API_BASE")
        embedding = llm.embedding or EmbeddingConfig(model=model)
        update["embedding"] = embedding.model_copy(update=_named(model, base))
    return config.model_copy(update={"llm": llm.model_copy(update=update)}) if update else config


def _is_web_socket(url: str) -> bool:
    """Return whether this is an address that leads to the host that it names."""
    try:
        parts = urlsplit(url)
        is_whole = parts.hostname is not None and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    return (
        parts.scheme in ("ws", "wss") and is_whole and "@" not in parts._replace(netloc="").geturl()
    )


def _named(model: str, base: str | None) -> dict[str, str]:
    return {"model": model} | ({"api_base": base} if base else {})
