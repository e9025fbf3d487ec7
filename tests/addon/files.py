"""The app's files, as the Supervisor reads them."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.support.child import ROOT

ADDON = ROOT / "addon"
LANGUAGES = ("en", "fr")


def read_yaml(path: Path) -> Any:
    """Return what a file of YAML 1.2 holds: a key called `on` is a text. A double key fails."""
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


def app_config() -> dict[str, Any]:
    """Return the app's configuration."""
    config: dict[str, Any] = read_yaml(ADDON / "config.yaml")
    return config
