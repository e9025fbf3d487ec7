"""One token per client, hashed at rest."""

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hairem_core.data import write_private
from hairem_core.errors import HairemError

PREFIX = "hairem_"


class TokenError(HairemError):
    """A token cannot be made or removed."""

    code = "token"


@dataclass(frozen=True, kw_only=True)
class TokenRecord:
    """What is kept of a token: not the token."""

    name: str
    sha256: str
    created: str


class TokenStore:
    """The tokens of `<data>/tokens.json`.

    A token holds 256 random bits, so a plain SHA-256 is as strong at rest as a slow hash. The file
    is read anew when it changes: the command adds tokens while the core runs.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._records: list[TokenRecord] = []
        self._read_at: int | None = None

    def create(self, name: str) -> str:
        """Return a new token for a client called `name`.

        Raises TokenError if the name is taken, DataFolderError.
        """
        self._refresh()
        if not name.strip() or not name.isprintable():
            raise TokenError(f"{name!r} is no name for a client", hint="Give it a word or two.")
        if any(record.name == name for record in self._records):
            raise TokenError(f"there is a token {name!r} already", hint="Revoke it first.")
        token = PREFIX + secrets.token_urlsafe(32)
        created = datetime.now(UTC).isoformat(timespec="seconds")
        record = TokenRecord(name=name, sha256=_digest(token), created=created)
        self._write([*self._records, record])
        return token

    def revoke(self, name: str) -> None:
        """Forget a client's token. Raises TokenError if there is none, DataFolderError."""
        self._refresh()
        kept = [record for record in self._records if record.name != name]
        if len(kept) == len(self._records):
            raise TokenError(f"there is no token {name!r}", hint="`hairem token list` shows them.")
        self._write(kept)

    def verify(self, token: str) -> str | None:
        """Return the name of the client that `token` belongs to, else None."""
        self._refresh()
        digest = _digest(token)
        for record in self._records:
            if hmac.compare_digest(record.sha256, digest):
                return record.name
        return None

    def records(self) -> list[TokenRecord]:
        """Return what is kept, oldest first."""
        self._refresh()
        return list(self._records)

    def _refresh(self) -> None:
        try:
            changed = self._path.stat().st_mtime_ns
        except FileNotFoundError:
            self._records, self._read_at = [], None
            return
        if changed == self._read_at:
            return
        try:
            found = json.loads(self._path.read_text())["tokens"]
            self._records = [TokenRecord(**each) for each in found]
        except (ValueError, KeyError, TypeError) as err:
            raise TokenError(
                f"cannot be read: {err}",
                where=str(self._path),
                hint="Restore it from a backup, or remove it and connect every client anew.",
            ) from err
        self._read_at = changed

    def _write(self, records: list[TokenRecord]) -> None:
        content = json.dumps({"tokens": [record.__dict__ for record in records]}, indent=2)
        write_private(self._path, content + "\n")
        self._records = records
        self._read_at = self._path.stat().st_mtime_ns


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
