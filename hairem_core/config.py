"""`config/system.yaml`: its schema, and errors that name the key and the line."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
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
    ValidationError,
    field_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq, TaggedScalar
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from hairem_core.errors import HairemError

_MOST_VALUES = 100_000
"""Values in one YAML file, aliases counted as often as they are used."""

_CREDENTIALS = re.compile(r"//.*@")
"""Name and password in an address."""

AgentId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
type Language = Literal["en", "fr"]


@dataclass(frozen=True)
class SecretName:
    """`!secret name` in a YAML file: the value is under that name in `secrets.yaml`."""

    name: str


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong in a file."""

    line: int | None
    key: str
    what: str
    hint: str

    def sentence(self, path: Path) -> str:
        """Return it in one line."""
        where = f"{path}:{self.line}" if self.line else str(path)
        key = f"{self.key}: " if self.key else ""
        return f"{where}: {key}{self.what}. {self.hint}".rstrip()


class ConfigError(HairemError):
    """A configuration file cannot be used as it is; `problems` are all that was found."""

    code = "config"

    def __init__(self, path: Path, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(problem.sentence(path) for problem in problems))
        self.problems = list(problems)


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

    url: str | None = None
    """`ws://` or `wss://` of a SurrealDB server; none keeps files under the data folder."""
    recent_turns: NonNegativeInt = 8
    """How many messages of the conversation go into a prompt."""
    recall_results: NonNegativeInt = 6
    """How many recalled messages go into a prompt."""
    interpret_calls_per_hour: NonNegativeInt = 120
    """How often a model is asked in an hour what is worth keeping of what was said; 0 asks none."""
    archive_url: SecretStr | None = None
    """`mysql+aiomysql://` of a MariaDB server, or `sqlite+aiosqlite:///` of a file, for what has
    faded; none is `<data>/archive.sqlite3`.
    """
    archive_tls: bool = False
    """Whether the connection to MariaDB is encrypted, and the server's certificate looked at."""
    archive_tls_ca: Path | None = None
    """PEM file of who vouches for that certificate; none trusts whom the system does."""
    dream: DreamConfig = DreamConfig()

    @field_validator("archive_url")
    @classmethod
    def _archive_scheme(cls, value: SecretStr | None) -> SecretStr | None:
        known = ("sqlite+aiosqlite:///", "mysql+aiomysql://")
        if value is not None and not value.get_secret_value().startswith(known):
            raise ValueError(f"an archive's address starts with {' or '.join(known)}")
        return value

    @field_validator("url")
    @classmethod
    def _scheme(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("ws://", "wss://")):
            raise ValueError("a SurrealDB server's address starts with ws:// or wss://")
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


def read_yaml(path: Path) -> CommentedMap:
    """Return the mapping in a YAML file, its nodes knowing their lines.

    Raises ConfigError for a file that cannot be read, is not YAML, has a tab or a duplicate key, or
    does not hold a mapping.
    """

    def refuse(what: str, hint: str, line: int | None = None) -> ConfigError:
        return ConfigError(path, [Problem(line=line, key="", what=what, hint=hint)])

    try:
        text = path.read_text(encoding="utf-8")
    except OSError as err:
        hint = "Check that the file exists and that this user may read it."
        raise refuse(f"cannot be read: {err.strerror or err}", hint) from err
    except UnicodeDecodeError as err:
        raise refuse(f"is not UTF-8 text (byte {err.start})", "Save it as UTF-8.") from err
    try:
        data = YAML(typ="rt").load(text)
    except DuplicateKeyError as err:
        what = (err.problem or "a key is there twice").partition(" with value")[0]
        raise refuse(what, "Keep one of the two.", _line_of(err)) from err
    except MarkedYAMLError as err:
        line = err.problem_mark.line if err.problem_mark else 0
        lines = text.splitlines()
        if line < len(lines) and "\t" in lines[line]:
            raise refuse("a tab", "YAML is indented with spaces only.", _line_of(err)) from err
        what = err.problem or err.context or "not YAML"
        raise refuse(what, "Mend the syntax.", _line_of(err)) from err
    except (YAMLError, ValueError, OverflowError) as err:
        # A value that looks like a date or a number and is none fails inside the parser.
        raise refuse(str(err), "Put the value in quotes.") from err
    except RecursionError as err:
        raise refuse("is nested too deeply", "Simplify it.") from err
    if data is None:
        return CommentedMap()
    if not isinstance(data, CommentedMap):
        kind = "a list" if isinstance(data, CommentedSeq) else "a single value"
        what = f"holds {kind}, not keys with values"
        raise refuse(what, "Write it as `key: value` lines.", 1)
    return data


def validate_yaml[M: BaseModel](model: type[M], data: CommentedMap, path: Path) -> M:
    """Return `data` as a `model`.

    Raises ConfigError naming each wrong key with its file and line.
    """
    try:
        return model.model_validate(_Plain().of(data))
    except _TooManyValues as err:
        what = f"its aliases make more than {_MOST_VALUES:,} values of it"
        problem = Problem(line=None, key="", what=what, hint="Write it out, and shorter.")
        raise ConfigError(path, [problem]) from err
    except _NoText as err:
        problem = Problem(line=None, key="", what=str(err), hint="Write the character itself.")
        raise ConfigError(path, [problem]) from err
    except ValidationError as err:
        problems = [_describe(problem, data) for problem in err.errors(include_url=False)]
        raise ConfigError(path, problems) from err


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


def _named(model: str, base: str | None) -> dict[str, str]:
    return {"model": model} | ({"api_base": base} if base else {})


def _line_of(err: MarkedYAMLError) -> int | None:
    mark = err.problem_mark or err.context_mark
    return mark.line + 1 if mark else None


class _NoText(Exception):
    """A string holds half of a character, which no program can be told."""


class _TooManyValues(Exception):
    """A few lines of YAML can name themselves over and over."""


class _Plain:
    """Turns YAML's nodes into Python's own types."""

    def __init__(self) -> None:
        self._values = 0

    def of(self, node: Any) -> Any:
        """Return a node as plain values. Raises _TooManyValues."""
        self._values += 1
        if self._values > _MOST_VALUES:
            raise _TooManyValues
        if isinstance(node, CommentedMap):
            return {self.of(key): self.of(value) for key, value in node.items()}
        if isinstance(node, CommentedSeq):
            return [self.of(value) for value in node]
        if isinstance(node, str):
            return _checked_text(node)
        if isinstance(node, TaggedScalar) and node.tag.value == "!secret":
            return SecretName(str(node.value))
        return node


def _checked_text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as err:
        raise _NoText(f"{text!r} is no text (character {err.start + 1})") from err
    return text


def _describe(problem: Any, data: CommentedMap) -> Problem:
    location = problem["loc"]
    key = ".".join(str(part) for part in location) or "the file"
    line = _line(data, location)
    if problem["type"] == "extra_forbidden":
        hint = "Remove it or mend its spelling."
        return Problem(line=line, key=key, what="there is no such key", hint=hint)
    if problem["type"] == "missing":
        return Problem(line=line, key=key, what="is missing", hint="Add it.")
    message = problem["msg"].removeprefix("Value error, ")
    value = problem["input"]
    is_shown = isinstance(value, str | int | float | bool | None) and location[:1] != ("secrets",)
    if isinstance(value, str):
        value = _CREDENTIALS.sub("//***@", value)
    shown = f" (got {value!r})" if is_shown else ""
    what = f"{message[:1].lower()}{message[1:]}{shown}"
    return Problem(line=line, key=key, what=what, hint="")


def _line(data: CommentedMap, location: tuple[int | str, ...]) -> int:
    """Return the line of the deepest node of `location` that is in the file, counted from 1."""
    node: Any = data
    line = 1
    for part in location:
        try:
            if isinstance(node, CommentedMap):
                line = node.lc.key(part)[0] + 1
            elif isinstance(node, CommentedSeq) and isinstance(part, int):
                line = node.lc.item(part)[0] + 1
            else:
                break
            node = node[part]
        except KeyError, IndexError, TypeError, AttributeError:
            break
    return line
