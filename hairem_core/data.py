"""The folder that holds everything H-Core keeps."""

import fcntl
import os
import uuid
from contextlib import suppress
from pathlib import Path

from hairem_core.errors import HairemError


def default_data() -> Path:
    """Return the data folder of this user."""
    if named := os.environ.get("HAIREM_DATA"):
        return Path(named)
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "hairem"


class DataFolderError(HairemError):
    """The data folder cannot be used."""

    code = "data_folder"


class InUse(DataFolderError):
    """Somebody else has the data folder; `is_brief` if it is a command that soon ends."""

    is_brief = False


_H_CORE = "another H-Core"
COMMAND = "another `hairem` command"
"""Who has the folder for as long as it needs the memory in it."""


class DataFolder:
    """The folder that holds everything H-Core keeps, locked for one H-Core at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: int | None = None

    @property
    def tokens(self) -> Path:
        """The hashes of the clients' tokens."""
        return self.path / "tokens.json"

    @property
    def command_token(self) -> Path:
        """The token with which the `hairem` command on this machine speaks to the core."""
        return self.path / "command.token"

    @property
    def app_token(self) -> Path:
        """The token of the Home Assistant whose app this H-Core is."""
        return self.path / "app.token"

    @property
    def address(self) -> Path:
        """Where a running core listens: `host:port`."""
        return self.path / "address"

    @property
    def bundles(self) -> Path:
        """The snapshots of bundles that agents run from."""
        return self.path / "bundles"

    @property
    def redis(self) -> Path:
        """The private redis-server's folder."""
        return self.path / "redis"

    def lock(self, *, by: str = _H_CORE) -> None:
        """Create the folder and take it; who is refused it is told `by` whom it is in use.

        To take what one has already is right too. Raises DataFolderError, InUse.
        """
        if self._lock is not None:
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.truncate(self._lock, 0)
            os.write(self._lock, f"{os.getpid()} {by}\n".encode())
        except BlockingIOError as err:
            self.unlock()
            owner, _, who = (self.path / "lock").read_text().strip().partition(" ")
            to_do = "Stop that one" if who in ("", _H_CORE) else "Wait for its end"
            in_use = InUse(
                f"is in use by {who or _H_CORE} (process {owner or 'unknown'})",
                where=str(self.path),
                hint=f"{to_do}, or give this one another folder with --data.",
            )
            # Without an owner, somebody takes it at this very moment: the next look says who.
            in_use.is_brief = who == COMMAND or not owner
            raise in_use from err
        except (FileExistsError, NotADirectoryError) as err:
            raise DataFolderError(
                "cannot be used: it is, or lies in, a file",
                where=str(self.path),
                hint="Name a folder with --data.",
            ) from err
        except OSError as err:
            self.unlock()
            raise DataFolderError(
                f"cannot be used: {err.strerror}",
                where=str(self.path),
                hint="Make room there, give this user the right to write there, or choose another "
                "with --data.",
            ) from err

    def open_to_agents(self) -> None:
        """Let agents, where each has a user of its own, pass through to what is theirs.

        They may pass (`x`), not look around (`r`); everything else in the folder is private.
        """
        agents = self.path / "agents"
        for folder in (agents, self.bundles, self.path / "deps"):
            folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() != 0:
            return
        for each in self.path.iterdir():
            if each.is_dir() and not each.is_symlink():
                each.chmod(0o700)
        for folder in (self.path, agents, self.bundles, self.path / "deps"):
            folder.chmod(0o711)

    def unlock(self) -> None:
        """Let the folder go."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def last_version(self) -> str | None:
        """Return which hAIrem ran on it last; None if that is not known."""
        with suppress(OSError, ValueError):
            return (self.path / "version").read_text(encoding="utf-8").strip() or None
        return None

    def note_version(self, version: str) -> None:
        """Note which hAIrem runs on it."""
        if version != self.last_version():
            write_private(self.path / "version", version + "\n")

    def server_id(self) -> str:
        """Return the UUID of this house, made at the first start."""
        path = self.path / "server_id"
        with suppress(OSError, ValueError):
            return str(uuid.UUID(path.read_text().strip()))
        server_id = str(uuid.uuid4())
        write_private(path, server_id + "\n")
        return server_id


def write_private(path: Path, content: str) -> None:
    """Replace a file, in one step, by one that only its owner can read.

    Raises DataFolderError.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.touch(mode=0o600)
        temporary.write_text(content)
        temporary.replace(path)
    except OSError as err:
        with suppress(OSError):
            temporary.unlink()
        raise DataFolderError(
            f"cannot be written: {err.strerror}",
            where=str(path),
            hint="Make room there, or give this user the right to write there.",
        ) from err
