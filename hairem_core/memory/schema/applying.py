"""Bringing a store's schema up to date: the steps that it lacks, and what damage took of it."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from surrealdb import RecordID

from hairem_core import __version__
from hairem_core.memory.address import EMBEDDED
from hairem_core.memory.errors import MemoryUnavailable
from hairem_core.memory.schema.definitions import Definitions, define
from hairem_core.memory.schema.steps import Step
from hairem_core.memory.statement import Statement
from hairem_core.memory.upgrade import make_changed_copy, newer, step_failed

if TYPE_CHECKING:
    from hairem_core.memory.database import Database

_LOGGER = logging.getLogger(__name__)

type Opener = Callable[[str, str], Awaitable[Database]]
"""Opens an embedded store as it is, by its address and what errors show for it."""


async def bring_up_to_date(database: Database, steps: Sequence[Step], open_: Opener) -> int:
    """Apply those of `steps` that a store lacks; return its version then.

    An embedded store that has some is changed in a copy, which takes its place once all of it has
    worked. Raises MemoryUnavailable: damaged, or written by a newer version; and UpgradeFailed.
    """
    applied = await applied_steps(database)
    newest = max((each.number for each in steps), default=0)
    version = max(applied, default=0)
    if version > newest:
        by = applied[version]
        raise newer(database.where, version=version, by=by, newest=newest)
    pending = [step for step in steps if step.number not in applied]
    folder = database.folder
    if not pending:
        await _complete(database, steps, open_)
    elif folder is None or not applied:
        await _apply(database, pending)
    else:

        async def change(copy: Path) -> None:
            copied = await open_(f"{EMBEDDED}{copy}", database.where)
            try:
                await _apply(copied, pending)
            finally:
                await copied.close()

        # As it is here until all of it has worked there.
        await database.replace(lambda fresh: make_changed_copy(folder, fresh, change))
    return newest


async def applied_steps(database: Database) -> dict[int, str | None]:
    """Return the numbers of the steps that were applied, and by which hAIrem.

    Raises MemoryUnavailable, also where damage has left too little.
    """
    tables = (await database.query("INFO FOR DB"))["tables"]
    rows = []
    if "schema_version" in tables:
        rows = await database.query("SELECT * FROM schema_version")
    # Each step and its row are one commit: tables without rows are what damage has left.
    if not rows and set(tables) - {"schema_version"}:
        raise MemoryUnavailable(
            "too much of it is missing for it to be read",
            where=database.where,
            hint="Restore a backup, or move it away to begin anew.",
        )
    return {int(row["id"].id): row.get("by") for row in rows}


async def _complete(database: Database, steps: Sequence[Step], open_: Opener) -> None:
    """Make again what a damaged log has lost of a store and can be made of the rest: definitions,
    indexes, and the episodes of events that are there.

    What makes events append-only is defined last, so it tells whether a definition is missing.
    """
    if not steps:
        return
    is_defined = bool((await database.query("INFO FOR TABLE raw_event"))["events"])
    if is_defined and not database.has_lost:
        return
    _LOGGER.warning("%s: what damage took of its definitions is made again", database.where)
    model = await open_("mem://", "mem://")
    try:
        await _apply(model, steps)
        whole = await Definitions.of(model)
    finally:
        await model.close()
    left = await Definitions.of(database)
    for table in left.tables:
        for index in left.indexes(table):
            await database.query(f"REBUILD INDEX {index} ON {table}")
    everything = Statement(text="UPDATE head:current SET episodes = 0 RETURN NONE")
    await database.transact([everything])  # they are made when the store is opened
    await define(database, whole.missing_in(left))


async def _apply(database: Database, steps: Sequence[Step]) -> None:
    await database.query("DEFINE TABLE IF NOT EXISTS schema_version SCHEMALESS")
    for step in steps:
        await _apply_one(database, step)


async def _apply_one(database: Database, step: Step) -> None:
    _LOGGER.info("%s: applying %s", database.where, step.name)
    version = Statement(
        text="CREATE $version CONTENT { name: $name, applied_at: time::now(), by: $by }",
        variables={
            "version": RecordID("schema_version", step.number),
            "name": step.name,
            "by": __version__,
        },
    )
    try:
        if step.prepare is not None:
            await step.prepare(database)
        await database.transact([Statement(text=step.text.strip().rstrip(";")), version])
    except Exception as err:  # whatever is wrong with a step, it must be told which
        is_copy = database.folder is not None
        raise step_failed(step.name, err, database.where, is_copy=is_copy) from err
