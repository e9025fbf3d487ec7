"""`addon/config.yaml` by the rules of the Supervisor, the app store's linter, and our own options.

The rules are those of https://developers.home-assistant.io/docs/apps/configuration.
"""

import re
import shlex
from pathlib import Path, PurePosixPath
from typing import Any, get_args
from urllib.parse import urlsplit

import pytest
import typer.main
from pydantic import SecretStr, ValidationError

from hairem_core.cli.main import app
from hairem_core.config.system import ApiConfig
from hairem_core.data import DataFolder
from hairem_core.supervisor.options import AppOptions
from tests.addon.files import ADDON, app_config
from tests.support.child import ROOT

REQUIRED = {"name", "version", "slug", "description", "arch"}
DEFAULTS = {
    "apparmor": True,
    "backup": "hot",
    "boot": "auto",
    "full_access": False,
    "hassio_api": False,
    "hassio_role": "default",
    "host_network": False,
    "homeassistant_api": False,
    "ingress": False,
    "ingress_port": 8099,
    "ingress_stream": False,
    "init": True,
    "options": {},
    "panel_admin": True,
    "panel_icon": "mdi:puzzle",
    "schema": {},
    "stage": "stable",
    "startup": "application",
    "timeout": 10,
    "tmpfs": False,
}
"""What holds for keys that are left out. The linter refuses a key that only repeats it."""
OTHERS = {
    *("backup_exclude", "backup_post", "backup_pre", "discovery", "homeassistant", "image", "map"),
    *("panel_title", "ports", "services", "url"),
}
"""Keys that have no default, of those that this app may need."""
ELEMENT = re.compile(r"(bool|url|str|password|int|port|list\((?P<choices>[^()]+)\))(?P<none>\?)?")
DATA = PurePosixPath("/data/hairem")
"""H-Core's data folder in the app."""

CONFIG = app_config()
SCHEMA: dict[str, str] = CONFIG["schema"]
OPTIONS: dict[str, Any] = CONFIG["options"]


def element(key: str) -> re.Match[str]:
    found = ELEMENT.fullmatch(SCHEMA[key])
    assert found, f"{key}: {SCHEMA[key]} is no type that the Supervisor knows"
    return found


def test_keys_are_known_and_the_required_ones_are_there() -> None:
    assert set(CONFIG) >= REQUIRED
    assert set(CONFIG) <= REQUIRED | DEFAULTS.keys() | OTHERS


def test_no_key_repeats_its_default() -> None:
    assert {key for key in CONFIG if key in DEFAULTS and CONFIG[key] == DEFAULTS[key]} == set()


def test_who_it_is() -> None:
    assert CONFIG["name"] == "hAIrem"
    assert CONFIG["slug"] == "hairem"
    assert re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", CONFIG["version"])
    assert CONFIG["homeassistant"] == "2026.10.0"
    assert urlsplit(CONFIG["url"]).scheme == "https"
    # What the store does not show is cut off.
    assert len(CONFIG["description"]) <= 100


def test_one_image_for_both_architectures() -> None:
    """32-bit ones are no longer supported; `{arch}` in a name is for images without a manifest."""
    assert CONFIG["arch"] == ["aarch64", "amd64"]
    assert CONFIG["image"] == "ghcr.io/hairem/hairem"


def test_it_brings_its_own_process_1_and_gets_time_to_stop() -> None:
    assert CONFIG["init"] is False
    assert 10 < CONFIG["timeout"] <= 300
    entrypoint = re.search(r"^ENTRYPOINT (.*)$", (ADDON / "Dockerfile").read_text(), re.MULTILINE)
    assert entrypoint
    assert "tini" in entrypoint[1]


def test_restart_is_by_healthcheck() -> None:
    assert "watchdog" not in CONFIG
    assert re.search(r"^HEALTHCHECK ", (ADDON / "Dockerfile").read_text(), re.MULTILINE)


def test_it_asks_for_no_more_than_it_needs() -> None:
    """The store's security rating: each of these would cost a point or more."""
    costly = {"privileged", "full_access", "host_network", "docker_api", "hassio_api", "auth_api"}
    assert not costly & set(CONFIG)
    assert CONFIG.get("hassio_role", "default") == "default"
    assert CONFIG.get("apparmor", True) is True


def test_ingress_and_the_port_are_where_the_bridge_listens() -> None:
    assert CONFIG["ingress"] is True
    assert CONFIG["ingress_port"] == ApiConfig().port
    assert CONFIG["ingress_stream"] is True
    assert "webui" not in CONFIG
    assert CONFIG["ports"] == {f"{ApiConfig().port}/tcp": None}, "closed unless somebody opens it"


def test_what_it_tells_and_uses() -> None:
    assert CONFIG["discovery"] == ["hairem"]
    assert CONFIG["services"] == ["mysql:want"]
    assert CONFIG["homeassistant_api"] is True
    assert CONFIG["map"] == ["addon_config:rw"]


@pytest.mark.parametrize("key", SCHEMA)
def test_an_option_has_a_default_or_is_optional(key: str) -> None:
    """Not both: with a default, the Supervisor makes an optional one required."""
    is_optional = element(key)["none"] is not None
    assert is_optional != (key in OPTIONS)


@pytest.mark.parametrize("key", OPTIONS)
def test_a_default_is_of_its_type(key: str) -> None:
    found = element(key)
    if found["choices"]:
        assert OPTIONS[key] in found["choices"].split("|")
    else:
        kind = {"bool": bool, "int": int, "port": int}.get(found[1], str)
        assert type(OPTIONS[key]) is kind


def test_the_options_are_those_that_h_core_reads() -> None:
    assert set(SCHEMA) == set(AppOptions.model_fields)
    told = AppOptions.model_validate(OPTIONS)
    assert told == AppOptions(), "a default of config.yaml and of AppOptions are the same"


@pytest.mark.parametrize("key", SCHEMA)
def test_h_core_takes_what_the_supervisor_lets_pass(key: str) -> None:
    found = element(key)
    good: dict[str, list[Any]] = {
        "bool": [True, False],
        "url": ["http://192.168.1.20:11434", "https://models.example/v1"],
        "str": ["agents"],
        "password": ["sk-123"],
    }
    values = found["choices"].split("|") if found["choices"] else good[found[1]]
    for value in values:
        AppOptions.model_validate(OPTIONS | {key: value})


@pytest.mark.parametrize("key", [key for key in SCHEMA if element(key)["choices"]])
def test_h_core_knows_no_other_choice(key: str) -> None:
    with pytest.raises(ValidationError):
        AppOptions.model_validate(OPTIONS | {key: "another"})


def test_keys_are_hidden_in_both_places() -> None:
    """In Home Assistant's form, and in whatever H-Core prints."""
    passwords = {key for key in SCHEMA if SCHEMA[key].startswith("password")}
    assert passwords == {key for key in SCHEMA if key.endswith("_key")}
    for key in passwords:
        assert isinstance(getattr(AppOptions.model_validate({key: "sk-123"}), key), SecretStr)


@pytest.mark.parametrize("hook", ["backup_pre", "backup_post"])
def test_a_backup_hook_is_a_command_that_exists(hook: str) -> None:
    """The Supervisor runs it in the container, and its failure fails the backup."""
    program, *words = shlex.split(CONFIG[hook])
    assert program == "hairem"
    # Typer carries a click of its own, so its classes are not those of click.
    command: Any = typer.main.get_command(app)
    for word in words:
        assert word in command.commands, CONFIG[hook]
        command = command.commands[word]
    assert not hasattr(command, "commands"), "a command, not a group of them"
    assert not [each.name for each in command.params if each.required]


def test_hooks_are_of_a_hot_backup() -> None:
    assert CONFIG.get("backup", "hot") == "hot"


def excluded(path: PurePosixPath) -> bool:
    """Say whether a path is left out of backups, as the Supervisor compares it.

    It takes the host's full path, and leaves out what lies in a folder that is left out.
    """
    host = PurePosixPath("/mnt/data/supervisor/addons/data/0a1b2c3d_hairem") / path.relative_to(
        "/data"
    )
    return any(
        each.match(pattern)
        for each in (host, *host.parents)
        for pattern in CONFIG["backup_exclude"]
    )


def test_what_cannot_be_made_again_is_in_a_backup() -> None:
    folder = DataFolder(Path(DATA))
    kept = [folder.tokens, folder.command_token, folder.path / "server_id"]
    kept += [
        folder.path / name
        for name in (
            *("memory", "memory/0001.sst", "archive.sqlite3", "disabled.json", "removed/fern"),
            *("agents/alfred/shelf.json", "agents/alfred/recall", "mariadb.json"),
            *("redis/appendonlydir/appendonly.aof.1.incr.aof", "redis/dump.rdb"),
        )
    ]
    assert [path for path in kept if excluded(PurePosixPath(path))] == []
    assert not excluded(PurePosixPath("/data/options.json"))


def test_what_is_made_again_is_not() -> None:
    folder = DataFolder(Path(DATA))
    made = [folder.bundles / "0f3a/logic.py", folder.redis / "redis.sock", folder.address]
    made += [folder.path / name for name in ("deps/0f3a/yaml.py", "recall/text/meta.json", "lock")]
    assert [path for path in made if not excluded(PurePosixPath(path))] == []


def test_nothing_else_in_the_tree_is_taken_for_an_app() -> None:
    """The Supervisor takes each such file of a repository for an app, at any depth."""
    names = {"config.yaml", "config.yml", "config.json"}
    skipped = {".git", ".venv", ".venv.new", "node_modules", "__pycache__"}
    found = []
    for folder, folders, files in ROOT.walk():
        folders[:] = [name for name in folders if name not in skipped]
        found += [folder / name for name in files if name in names]
    assert found == [ADDON / "config.yaml"]


def test_the_linter_finds_no_second_build_file() -> None:
    """`build.yaml` is gone: base image and labels are in the Dockerfile."""
    assert not list(ADDON.glob("build.y*ml"))
    assert not (ADDON / "build.json").exists()


def test_the_dockerfile_has_the_labels_that_the_supervisor_reads() -> None:
    text = (ADDON / "Dockerfile").read_text()
    assert set(re.findall(r"io\.hass\.(\w+)=", text)) >= {"arch", "type", "version"}
    assert re.search(r"^ARG BUILD_VERSION\b", text, re.MULTILINE)
    assert re.search(r"^ARG BUILD_ARCH\b", text, re.MULTILINE)


def test_the_choices_of_the_log_are_python_s() -> None:
    choices = element("log_level")["choices"].split("|")
    assert [choice.upper() for choice in choices] == ["DEBUG", "INFO", "WARNING", "ERROR"]


def test_the_languages_are_the_house_s() -> None:
    from hairem_core.config.system import Language

    assert element("language")["choices"].split("|") == list(get_args(Language.__value__))
