"""Where the command finds the configuration, the data and the code."""

import os
from dataclasses import dataclass
from pathlib import Path

from hairem_core.config.system import SystemConfig, load_config
from hairem_core.data import default_data
from hairem_core.errors import HairemError


class NotRunning(HairemError):
    """No H-Core runs on this data folder."""

    code = "not_running"


@dataclass(frozen=True, kw_only=True)
class Places:
    """The folders and files a command works with."""

    data: Path
    config_file: Path | None

    @property
    def root(self) -> Path:
        """The folder that holds `agents/` and `config/`."""
        if self.config_file is not None and self.config_file.parent.name == "config":
            return self.config_file.parent.parent
        return usual_root()

    def load_config(self) -> SystemConfig:
        """Return the configuration. Raises ConfigError."""
        return load_config(self.config_file)

    def core_address(self) -> str:
        """Return `host:port` of the running core. Raises NotRunning."""
        return self._read("address", hint="Start it with `hairem up`.")

    def command_token(self) -> str:
        """Return the token of this command. Raises NotRunning."""
        return self._read("command.token", hint="Start H-Core once with `hairem up`.")

    def redis_url(self) -> str:
        """Return the address of the bus. Raises NotRunning, ConfigError."""
        configured = self.load_config().redis.url
        hint = "Start it with `hairem up`, or name its system.yaml with --config."
        return configured or self._read("redis/address", hint=hint)

    def _read(self, name: str, hint: str) -> str:
        try:
            return (self.data / name).read_text().strip()
        except FileNotFoundError, NotADirectoryError:
            raise NotRunning(
                "no H-Core runs on this data folder", where=str(self.data), hint=hint
            ) from None
        except OSError as err:
            raise NotRunning(
                f"cannot be read: {err.strerror}",
                where=str(self.data / name),
                hint="Run this as the user who started H-Core.",
            ) from err


def code_root() -> Path:
    """Return the folder above the package."""
    return Path(__file__).parents[2]


def usual_root() -> Path:
    """Return the folder with `agents/` and `config/`: of the source tree, else of this user.

    Installed as a package, the code has neither beside it; then they are this user's own, and made
    when they are first needed.
    """
    if (code_root() / "agents").is_dir():
        return code_root()
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    root = Path(base) / "hairem"
    (root / "agents").mkdir(parents=True, exist_ok=True)
    return root


def find_places(data: Path | None, config: Path | None) -> Places:
    """Return the places named, or the usual ones."""
    if config is None:
        usual = usual_root() / "config" / "system.yaml"
        config = usual if usual.is_file() else None
    return Places(
        data=(data or default_data()).absolute(),
        config_file=config.absolute() if config else None,
    )
