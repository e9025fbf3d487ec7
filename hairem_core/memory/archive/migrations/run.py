"""Bringing an archive's schema up to date."""

import hashlib
import logging
from pathlib import Path

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import Script, ScriptDirectory

_LOGGER = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent
_TABLE = "hairem_version"
_LOCK_SECONDS = 60


class MigrationFailed(Exception):
    """A revision could not be applied, or is not known. Nothing of it was changed."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


def migrate(connection: sa.Connection, folder: Path = MIGRATIONS) -> str:
    """Bring the schema up to date, and return the number of its last revision.

    Of several processes one does it, and the others wait. On SQLite all of it is one transaction;
    on MariaDB, which has none for tables, every revision is applied in whole or taken back.
    Commits. Raises MigrationFailed, SQLAlchemyError.
    """
    script = ScriptDirectory(str(folder))
    if connection.dialect.name == "sqlite":
        connection.begin()  # IMMEDIATE: others wait
        version = _upgrade(connection, script)
        connection.commit()
        return version
    # Locks are the whole server's: one name for each database.
    database = str(connection.scalar(sa.text("SELECT DATABASE()")))
    name = "hairem_" + hashlib.sha256(database.encode()).hexdigest()[:32]
    taken = connection.scalar(
        sa.text("SELECT GET_LOCK(:name, :seconds)"), {"name": name, "seconds": _LOCK_SECONDS}
    )
    if taken != 1:
        raise MigrationFailed(
            f"another process has been changing its schema for {_LOCK_SECONDS} seconds",
            "Stop the other H-Core, and start again.",
        )
    try:
        return _upgrade(connection, script)
    finally:
        if not connection.invalidated:
            connection.execute(sa.text("SELECT RELEASE_LOCK(:name)"), {"name": name})


def _upgrade(connection: sa.Connection, script: ScriptDirectory) -> str:
    revisions = list(reversed(list(script.walk_revisions())))
    applied = _context(connection, script, None).get_current_revision()
    known = [each.revision for each in revisions]
    if applied is not None and applied not in known:
        raise MigrationFailed(
            f"its schema is number {applied}, this hAIrem knows {known[-1]} at most",
            "Run the newer hAIrem that wrote it, or restore an older backup.",
        )
    pending = revisions if applied is None else revisions[known.index(applied) + 1 :]
    for each in pending:
        _apply(connection, script, each)
    return known[-1]


def _apply(connection: sa.Connection, script: ScriptDirectory, revision: Script) -> None:
    _LOGGER.info("the archive's schema: applying %s, %s", revision.revision, revision.doc)
    context = _context(connection, script, revision.revision)
    try:
        with Operations.context(context):
            context.run_migrations()
        if connection.dialect.name != "sqlite":
            connection.commit()
    except Exception as err:  # whatever is wrong with it: half of it must not stay
        if connection.dialect.name != "sqlite" and not connection.invalidated:
            connection.rollback()
            with Operations.context(_context(connection, script, None)):
                revision.module.downgrade()
            connection.commit()
        reason = err.__cause__ if err.__cause__ is not None else err
        raise MigrationFailed(
            f"the change of its schema to {revision.revision} failed: {reason}",
            "Nothing was changed. This is a defect of hAIrem, or a full disk, or a right that the "
            "database's user lacks (CREATE, ALTER, INDEX, DROP).",
        ) from err


def _context(
    connection: sa.Connection, script: ScriptDirectory, target: str | None
) -> MigrationContext:
    return MigrationContext.configure(
        connection,
        opts={
            "version_table": _TABLE,
            "fn": lambda heads, _: script._upgrade_revs(target or "head", heads),
        },
    )
