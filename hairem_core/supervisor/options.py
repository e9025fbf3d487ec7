"""The app's options, as a person sets them in Home Assistant, and what they make of the house."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    SecretStr,
    StrictBool,
    ValidationError,
)
from pydantic_core import PydanticCustomError

from hairem_core.config.system import (
    EmbeddingConfig,
    Language,
    LlmConfig,
    ModelAddress,
    RoleConfig,
    SystemConfig,
)
from hairem_core.config.yaml_file import ConfigError, Problem

type LogLevel = Literal["debug", "info", "warning", "error"]


def _nothing_if_empty(value: object) -> object:
    """Home Assistant keeps a field that was emptied as an empty text."""
    if isinstance(value, str):
        return value.strip() or None
    return value


def _url(value: str | None) -> str | None:
    if value is None:
        return None
    try:
        parts = urlsplit(value)
        is_right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_right = False
    if not is_right:
        raise PydanticCustomError("not_an_address", "is no address")
    return value


def _key(value: SecretStr | None) -> SecretStr | None:
    if value is not None and not all("!" <= each <= "~" for each in value.get_secret_value()):
        raise PydanticCustomError("not_a_key", "is no key")
    return value


def _folder(value: str | None) -> str | None:
    if value is not None:
        path = PurePosixPath(value)
        if path.is_absolute() or ".." in path.parts:
            raise PydanticCustomError("not_inside", "is not inside")
    return value


_Text = Annotated[str | None, BeforeValidator(_nothing_if_empty)]
_Url = Annotated[str | None, BeforeValidator(_nothing_if_empty), AfterValidator(_url)]
_Key = Annotated[SecretStr | None, BeforeValidator(_nothing_if_empty), AfterValidator(_key)]
_Folder = Annotated[str | None, BeforeValidator(_nothing_if_empty), AfterValidator(_folder)]


class AppOptions(BaseModel):
    """What `/data/options.json` may hold."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    language: Language = "en"
    log_level: LogLevel = "info"
    chat_model: _Text = None
    """By its LiteLLM name; none lets the offline brain answer."""
    chat_api_base: _Url = None
    chat_api_key: _Key = None
    lite_model: _Text = None
    lite_api_base: _Url = None
    lite_api_key: _Key = None
    embedding_model: _Text = None
    embedding_api_base: _Url = None
    embedding_api_key: _Key = None
    ollama_url: _Url = None
    """Where every model is whose name begins with `ollama` and that has no address of its own."""
    agents_folder: _Folder = None
    """Relative to the app's configuration folder; none is `agents`."""
    use_mariadb: StrictBool = True
    """Whether the MariaDB that another app offers, if one does, keeps what has faded."""


@dataclass(frozen=True, kw_only=True)
class OptionProblem(Problem):
    """One thing that is wrong in the options, in the languages of the page that shows it."""

    what_fr: str
    hint_fr: str


def read_options(path: Path) -> AppOptions:
    """Return the options in a file. Raises ConfigError, whose problems name each wrong key."""
    try:
        text = path.read_text(encoding="utf-8")
        found = json.loads(text)
    except (OSError, ValueError, RecursionError) as err:
        raise ConfigError(path, [_unreadable(err)]) from err
    if not isinstance(found, Mapping):
        raise ConfigError(path, [_unreadable(ValueError("not an object"))])
    try:
        options = AppOptions.model_validate(dict(found))
    except ValidationError as err:
        # No value is told: some of them are keys.
        told = [_describe(str(each["loc"][0]), each["type"], each) for each in err.errors()]
        raise ConfigError(path, told) from None
    if problems := _lonely(options):
        raise ConfigError(path, problems)
    return options


def apply(
    options: AppOptions, config: SystemConfig, *, folder: Path, shipped: Path
) -> SystemConfig:
    """Return `config` with what the options say over it.

    `folder` is the app's configuration folder, where the user's own agents are and their secrets;
    `shipped` holds the agents that come with H-Core. Where it listens is the container's matter.
    """
    agents = config.agents
    own = folder / (options.agents_folder or "agents")
    named = agents.folders if "folders" in agents.model_fields_set else []
    folders = dict.fromkeys([own, *(folder / each for each in named), shipped])
    changes: dict[str, Any] = {"folders": list(folders)}
    if "secrets_file" not in agents.model_fields_set:
        changes["secrets_file"] = folder / "secrets.yaml"
    house = config.house.model_copy(update={"language": options.language})
    return config.model_copy(
        update={
            "house": house,
            "agents": agents.model_copy(update=changes),
            "llm": _models(options, config.llm),
        }
    )


def _models(options: AppOptions, llm: LlmConfig) -> LlmConfig:
    changes: dict[str, Any] = {}
    if options.chat_model:
        chat = llm.chat or RoleConfig(model=options.chat_model)
        changes["chat"] = _named(
            chat, options.chat_model, options.chat_api_base, options.chat_api_key
        )
    if options.lite_model:
        lite = llm.lite or RoleConfig(model=options.lite_model)
        changes["lite"] = _named(
            lite, options.lite_model, options.lite_api_base, options.lite_api_key
        )
    if options.embedding_model:
        embedding = llm.embedding or EmbeddingConfig(model=options.embedding_model)
        changes["embedding"] = _named(
            embedding,
            options.embedding_model,
            options.embedding_api_base,
            options.embedding_api_key,
        )
    llm = llm.model_copy(update=changes)
    return _at_ollama(llm, options.ollama_url) if options.ollama_url else llm


def _named[M: ModelAddress](address: M, model: str, base: str | None, key: SecretStr | None) -> M:
    """Return `address` for a model; what belongs to another one does not stay."""
    is_same = address.model == model
    update = {
        "model": model,
        "api_base": base or (address.api_base if is_same else None),
        "api_key": key or (address.api_key if is_same else None),
    }
    return address.model_copy(update=update)


def _at_ollama(llm: LlmConfig, url: str) -> LlmConfig:
    def placed[M: ModelAddress](address: M) -> M:
        if address.api_base is None and address.model.startswith("ollama"):
            address = address.model_copy(update={"api_base": url})
        if isinstance(address, RoleConfig) and address.fallbacks:
            fallbacks = [placed(each) for each in address.fallbacks]
            address = address.model_copy(update={"fallbacks": fallbacks})
        return address

    def maybe[M: ModelAddress](address: M | None) -> M | None:
        return placed(address) if address is not None else None

    agents = {
        agent_id: own.model_copy(update={"chat": maybe(own.chat), "lite": maybe(own.lite)})
        for agent_id, own in llm.agents.items()
    }
    roles = {
        "chat": maybe(llm.chat),
        "lite": maybe(llm.lite),
        "embedding": maybe(llm.embedding),
    }
    return llm.model_copy(update={**roles, "agents": agents})


def _lonely(options: AppOptions) -> list[Problem]:
    """Return what was set for a model that is not named."""
    return [
        _problem(
            f"{role}_{what}",
            f"is set, and {role}_model is not",
            "Name the model, or empty this option.",
            f"est renseigné, mais pas {role}_model",
            "Indiquez le modèle, ou videz cette option.",
        )
        for role in ("chat", "lite", "embedding")
        for what in ("api_base", "api_key")
        if getattr(options, f"{role}_{what}") and not getattr(options, f"{role}_model")
    ]


def _problem(key: str, what: str, hint: str, what_fr: str, hint_fr: str) -> OptionProblem:
    return OptionProblem(line=None, key=key, what=what, hint=hint, what_fr=what_fr, hint_fr=hint_fr)


def _unreadable(err: Exception) -> OptionProblem:
    why = err.strerror if isinstance(err, OSError) else type(err).__name__
    return _problem(
        "",
        f"the options cannot be read ({why})",
        "Save them again in Home Assistant.",
        f"les options ne peuvent pas être lues ({why})",
        "Enregistrez-les à nouveau dans Home Assistant.",
    )


def _describe(key: str, kind: str, error: Any) -> OptionProblem:
    match kind:
        case "extra_forbidden":
            return _problem(
                key,
                "there is no such option",
                "Remove it.",
                "cette option n'existe pas",
                "Retirez-la.",
            )
        case "literal_error":
            known = error["ctx"]["expected"].replace("'", "").replace(" or ", ", ")
            return _problem(
                key,
                "is none of the choices",
                f"Choose one of: {known}.",
                "n'est pas un des choix possibles",
                f"Choisissez parmi : {known}.",
            )
        case "not_an_address":
            return _problem(
                key,
                "is no address",
                "Write it like http://homeassistant.local:11434.",
                "n'est pas une adresse",
                "Écrivez-la comme http://homeassistant.local:11434.",
            )
        case "not_a_key":
            return _problem(
                key,
                "holds characters that no key has, such as a space or an accent",
                "Copy the key again, alone and whole.",
                "contient des caractères qu'aucune clé ne contient, comme un espace ou un accent",
                "Copiez à nouveau la clé, seule et entière.",
            )
        case "not_inside":
            return _problem(
                key,
                "is not inside the app's configuration folder",
                "Name a folder in it, such as agents.",
                "n'est pas dans le dossier de configuration de l'application",
                "Indiquez un dossier qui s'y trouve, comme agents.",
            )
        case "bool_type":
            return _problem(
                key,
                "is neither true nor false",
                "Switch it on or off.",
                "n'est ni vrai ni faux",
                "Activez-la ou désactivez-la.",
            )
    return _problem(key, "is no text", "Write a text.", "n'est pas un texte", "Écrivez un texte.")
