"""The app's options: what is wrong is named by its key, what is right becomes the configuration."""

import json
from pathlib import Path
from typing import Any

import pytest

from hairem_core.config.system import SystemConfig
from hairem_core.config.yaml_file import ConfigError, read_yaml
from hairem_core.supervisor.options import AppOptions, OptionProblem, apply, read_options
from tests.support.child import ROOT

FOLDER = Path("/config")
SHIPPED = Path("/app/agents")


def _read(tmp_path: Path, options: Any) -> AppOptions:
    path = tmp_path / "options.json"
    path.write_text(options if isinstance(options, str) else json.dumps(options))
    return read_options(path)


def _applied(options: dict[str, Any], **sections: Any) -> SystemConfig:
    config = SystemConfig.model_validate(sections)
    return apply(AppOptions.model_validate(options), config, folder=FOLDER, shipped=SHIPPED)


def test_no_option_is_needed(tmp_path: Path) -> None:
    options = _read(tmp_path, {})
    assert options == AppOptions()
    assert options.use_mariadb


def test_an_emptied_field_is_no_value(tmp_path: Path) -> None:
    options = _read(tmp_path, {"chat_model": "", "chat_api_key": " ", "ollama_url": ""})
    assert (options.chat_model, options.chat_api_key, options.ollama_url) == (None, None, None)


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"language": "de"}, ["language"]),
        ({"log_level": "loud"}, ["log_level"]),
        ({"use_mariadb": "yes"}, ["use_mariadb"]),
        ({"chat_model": 7}, ["chat_model"]),
        ({"chat_api_base": "x"}, ["chat_api_base"]),
        ({"ollama_url": "homeassistant.local:11434"}, ["ollama_url"]),
        ({"ollama_url": "http://[x"}, ["ollama_url"]),
        ({"ollama_url": "http://host:port"}, ["ollama_url"]),
        ({"ollama_url": "file:///etc/passwd"}, ["ollama_url"]),
        ({"chat_model": "openai/x", "chat_api_key": "clé secrète"}, ["chat_api_key"]),
        ({"agents_folder": "../../data"}, ["agents_folder"]),
        ({"agents_folder": "/data"}, ["agents_folder"]),
        ({"colour": "red"}, ["colour"]),
        ({"lite_api_base": "http://x", "embedding_api_key": "k"}, None),
        ({"language": "de", "chat_api_base": "x", "colour": 1}, None),
        ("[]", [""]),
        ("{", [""]),
        ("[" * 100_000, [""]),
    ],
)
def test_wrong_options_are_named_by_their_keys(
    tmp_path: Path, options: Any, wrong: list[str] | None
) -> None:
    if wrong is None:
        wrong = list(options)
    with pytest.raises(ConfigError) as caught:
        _read(tmp_path, options)
    assert [each.key for each in caught.value.problems] == wrong
    for each in caught.value.problems:
        assert isinstance(each, OptionProblem)
        assert each.what != each.what_fr
        assert each.hint_fr


def test_no_wrong_value_is_told(tmp_path: Path) -> None:
    secret = "sk-very secret"
    with pytest.raises(ConfigError) as caught:
        _read(tmp_path, {"chat_api_key": secret, "chat_api_base": f"ftp://me:{secret}@x"})
    shown = f"{caught.value} {caught.value.problems!r} {caught.value.__cause__!r}"
    assert "secret" not in shown
    with pytest.raises(ConfigError) as caught:
        _read(tmp_path, {"chat_api_key": ["sk-very-secret"]})
    assert "secret" not in f"{caught.value} {caught.value.problems!r}"


def test_options_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_options(tmp_path / "none.json")


def test_models_go_over_those_of_the_file() -> None:
    file = {"chat": {"model": "openai/a", "api_base": "http://a", "api_key": "ka", "max_tokens": 9}}
    config = _applied({"chat_model": "anthropic/b", "chat_api_key": "kb"}, llm=file)
    assert config.llm.chat is not None
    assert config.llm.chat.model == "anthropic/b"
    assert config.llm.chat.api_key is not None
    assert config.llm.chat.api_key.get_secret_value() == "kb"
    assert config.llm.chat.api_base is None, "the other provider's address"
    assert config.llm.chat.max_tokens == 9
    same = _applied({"chat_model": "openai/a"}, llm=file)
    assert same.llm.chat is not None
    assert same.llm.chat.api_base == "http://a"
    assert _applied({}, llm=file).llm == SystemConfig.model_validate({"llm": file}).llm


def test_ollama_is_where_no_address_is() -> None:
    file = {
        "chat": {
            "model": "openai/a",
            "fallbacks": [
                {"model": "ollama_chat/f"},
                {"model": "ollama/g", "api_base": "http://g"},
            ],
        },
        "agents": {"renarde": {"chat": {"model": "ollama/r"}}},
    }
    options = {
        "lite_model": "ollama/l",
        "ollama_url": "http://o:11434",
        "embedding_model": "ollama/e",
    }
    llm = _applied(options, llm=file).llm
    assert llm.chat is not None
    assert llm.lite is not None
    assert llm.embedding is not None
    assert llm.chat.api_base is None
    assert [each.api_base for each in llm.chat.fallbacks] == ["http://o:11434", "http://g"]
    assert (llm.lite.api_base, llm.embedding.api_base) == ("http://o:11434", "http://o:11434")
    renarde = llm.agents["renarde"].chat
    assert renarde is not None
    assert renarde.api_base == "http://o:11434"


def test_the_users_agents_come_before_those_that_ship() -> None:
    assert _applied({}).agents.folders == [FOLDER / "agents", SHIPPED]
    named = _applied({"agents_folder": "mine"}, agents={"folders": ["more", "/media/agents"]})
    assert named.agents.folders == [
        FOLDER / "mine",
        FOLDER / "more",
        Path("/media/agents"),
        SHIPPED,
    ]
    assert named.agents.secrets_file == FOLDER / "secrets.yaml"


def test_what_is_no_option_is_the_files(tmp_path: Path) -> None:
    config = _applied(
        {"language": "fr"},
        house={"name": "Moulin", "language": "en"},
        agents={"secrets_file": "s.yaml", "turn_timeout": 5},
        memory={"recent_turns": 3},
    )
    assert (config.house.name, config.house.language) == ("Moulin", "fr")
    assert (config.agents.secrets_file, config.agents.turn_timeout) == (Path("s.yaml"), 5)
    assert config.memory.recent_turns == 3


def test_the_app_offers_the_options_that_are_read() -> None:
    app = read_yaml(ROOT / "addon" / "config.yaml")
    assert set(app["schema"]) == set(AppOptions.model_fields)
    for level in ("debug", "info", "warning", "error"):
        assert level in app["schema"]["log_level"]
    defaults = AppOptions.model_validate(dict(app["options"]))
    assert defaults == AppOptions(), "an option that is not set is what Home Assistant shows"
