"""A real MariaDB of the test's own, in a folder of its own, on loopback and a Unix socket."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import pymysql

from tests.support.child import free_port

_PATH = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin{os.pathsep}/usr/local/sbin"
_PASSWORD = "p@ss/wörd:☂"  # all that a URL or Latin-1 would stumble over
PASSWORD_IN_URL = "p%40ss%2Fw%C3%B6rd%3A%E2%98%82"
USER = "hairem"


class MariaDbError(Exception):
    """The server is missing, or did not start. Holds its last words."""


class MariaDb:
    """One server. Its data outlives `kill` and `stop`, until the folder goes."""

    def __init__(self, folder: Path, *options: str) -> None:
        """Make the server's files in `folder`; `options` are mariadbd's."""
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        self.port = free_port()
        # A path of a socket holds 107 bytes, and folders of tests are long.
        self.socket = Path("/tmp") / f"mariadb-{os.getpid()}-{self.port}.sock"
        self._install()

    @property
    def password(self) -> str:
        return _PASSWORD

    @property
    def log(self) -> Path:
        return self._folder / "log"

    def url(self, database: str, *, password: str = PASSWORD_IN_URL, user: str = USER) -> str:
        return f"mysql+aiomysql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def start(self, *options: str) -> Self:
        command = [
            *_command("mariadbd"),
            "--no-defaults",
            f"--datadir={self._folder / 'data'}",
            f"--socket={self.socket}",
            f"--port={self.port}",
            f"--pid-file={self._folder / 'pid'}",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            # What a house's server may well have: the tables say what they want themselves.
            "--character-set-server=latin1",
            "--innodb-buffer-pool-size=32M",
            "--innodb-log-file-size=32M",
            *_as_user(),
            *self._options,
            *options,
        ]
        with self.log.open("ab") as sink:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True
            )
        self._wait_until_it_answers()
        return self

    def database(self) -> str:
        """Make an empty database, and return its name."""
        self._databases += 1
        name = f"house_{self._databases}"
        self.execute(f"CREATE DATABASE {name}", f"GRANT ALL ON {name}.* TO {USER}@'127.0.0.1'")
        return name

    def files_of(self, database: str) -> list[Path]:
        """Return the files in which the server keeps a database's tables."""
        return [path for path in (self._folder / "data" / database).iterdir() if path.is_file()]

    def flush(self, database: str) -> None:
        """Have all of a database's tables written to their files."""
        tables = [path.stem for path in self.files_of(database) if path.suffix == ".ibd"]
        for each in tables:
            self.execute(f"FLUSH TABLES {database}.{each} FOR EXPORT", "UNLOCK TABLES")

    def execute(self, *statements: str) -> Sequence[tuple[object, ...]]:
        """Carry out statements as root, and return what the last one gives."""
        connection = pymysql.connect(
            unix_socket=str(self.socket), user="root", charset="utf8mb4", autocommit=True
        )
        try:
            with connection.cursor() as cursor:
                for each in statements:
                    cursor.execute(each)
                return list(cursor.fetchall())
        finally:
            connection.close()

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End it as an administrator would."""
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=30)
            self.kill()
        self.socket.unlink(missing_ok=True)

    def _install(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        # It becomes this user before it makes its files.
        done = subprocess.run(
            [
                *_command("mariadb-install-db"),
                "--no-defaults",
                f"--datadir={self._folder / 'data'}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--skip-name-resolve",
                *_as_user(),
            ],
            env={**os.environ, "PATH": _PATH},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise MariaDbError(f"mariadb-install-db failed:\n{done.stdout}{done.stderr}")

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + 50
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                words = self.log.read_text(errors="replace")[-3000:]
                raise MariaDbError(f"mariadbd did not start:\n{words}")
            time.sleep(0.05)
        self.execute(f"CREATE USER IF NOT EXISTS {USER}@'127.0.0.1' IDENTIFIED BY '{_PASSWORD}'")

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.socket))
            except OSError:
                return False
            return True


def _command(name: str) -> list[str]:
    path = shutil.which(name, path=_PATH)
    if path is None:
        raise MariaDbError(f"{name} is missing: run  scripts/_prepare.sh")
    return [path]


def _as_user() -> list[str]:
    """Return what lets it run as root, which it does only where it is told to."""
    return ["--user=root"] if os.geteuid() == 0 else []
