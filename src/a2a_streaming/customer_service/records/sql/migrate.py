"""Migrations, by Alembic; loaded only by a process that finds some to be made."""

from __future__ import annotations

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from sqlalchemy import Connection, inspect

from a2a_streaming.errors import SetupError


def load(directory: str) -> ScriptDirectory:
    """Read the migrations; from the disk, so in a thread.

    Args:
        directory: Where they are.
    """
    scripts = ScriptDirectory(directory, version_locations=[directory])
    list(scripts.walk_revisions())
    return scripts


def migrate(connection: Connection, scripts: ScriptDirectory) -> None:
    """Make the migrations that a database doesn't have yet.

    Args:
        connection: To the database, within a transaction.
        scripts: The migrations.

    Raises:
        SetupError: The tables are there, and no migration of this version has made them.
    """
    context = MigrationContext.configure(connection)
    if context.get_current_revision() is None and inspect(connection).has_table("customers"):
        raise SetupError(
            "The database has tables of customers already, and that isn't from this version's migrations. Name "
            "another database in A2A_DATABASE_URL, or remove that one: under `up` it is records.db in A2A_DATA_DIR."
        )
    current = context.get_current_revision() or "base"
    try:
        missing = list(scripts.iterate_revisions("heads", current))
    except RevisionError as error:
        raise SetupError(
            f"The database is at migration {current}, which this version doesn't know: a newer one has made it. "
            "Install that version, or name another database in A2A_DATABASE_URL."
        ) from error
    for revision in reversed(missing):
        with Operations.context(context):
            revision.module.upgrade()
        context.stamp(scripts, revision.revision)
