"""The address of the archive: what `memory.archive_url` may be."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

SQLITE = "sqlite+aiosqlite"
MARIADB = "mysql+aiomysql"
KINDS = (
    f"{SQLITE}:///<path> or {MARIADB}://<user>:<password>@<host>:<port>/<database>; "
    "write @ : / in a password as %40 %3A %2F"
)
"""How such an address is written."""


def archive_address(url: str) -> URL:
    """Return the parts of an archive's address. Raises ValueError, without a word of it."""
    # It takes a tenth of a second, which commands without an archive need not wait for.
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except ArgumentError, ValueError:
        raise ValueError(f"an archive's address is {KINDS}") from None
    looks = {SQLITE: _is_file, MARIADB: _is_server}
    if (look := looks.get(parsed.drivername)) is None or not look(parsed):
        raise ValueError(f"an archive's address is {KINDS}")
    return parsed


def _is_file(url: URL) -> bool:
    path = url.database or ""
    name = path.rpartition("/")[2]
    return bool(name) and not name.startswith(":memory:") and not (url.host or url.query)


def _is_server(url: URL) -> bool:
    socket = url.query.get("unix_socket")
    if set(url.query) - {"unix_socket"} or isinstance(socket, tuple):
        return False
    try:
        (url.host or "localhost").encode("idna")
    except UnicodeError:
        return False
    has_port = url.port is None or 0 < url.port <= 65_535
    # After the first `@` of a password comes the rest of it, where errors would tell it.
    is_whole = "@" not in f"{url.host}{url.database}"
    return bool(url.database and url.username) and has_port and is_whole
