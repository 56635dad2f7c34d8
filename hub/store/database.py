"""The database: its engine, its settings, and migrations to the schema that this code knows."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, event, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from hub.core.refusal import Refusal

MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 0x6875625F6D696772  # "hub_migr"


class SchemaTooNew(Refusal):
    """The database was written by a newer hub."""

    exit_status = 3


def migration_config(connection: Connection) -> Config:
    """Alembic's configuration, without a file."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def migrate(connection: Connection) -> None:
    """Bring the schema to the newest revision. Raises SchemaTooNew when it is beyond that."""
    config = migration_config(connection)
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
    current = MigrationContext.configure(connection).get_current_revision()
    known = {revision.revision for revision in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise SchemaTooNew(
            "schema_too_new",
            f"The database is at revision {current}, which this version does not know: a newer hub wrote it. "
            "Install that version again, or restore the backup from before the upgrade.",
        )
    command.upgrade(config, "head")


def _prepare_sqlite(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


class Database:
    """Opens a database for as long as it is used."""

    @staticmethod
    @contextlib.asynccontextmanager
    async def open(url: str) -> AsyncIterator[AsyncEngine]:
        """The engine of `url` (`sqlite+aiosqlite:///FILE` or `postgresql+asyncpg://...`), migrated.

        Raises SchemaTooNew, or Refusal `database_unreachable`.
        """
        sqlite = url.startswith("sqlite")
        options: dict[str, Any] = {} if sqlite else {"pool_size": 10, "max_overflow": 10, "pool_pre_ping": True}
        engine = create_async_engine(url, **options)
        if sqlite:
            event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        try:
            try:
                async with engine.begin() as connection:
                    await connection.run_sync(migrate)
            except OSError as error:
                raise Refusal("database_unreachable", f"The database cannot be reached: {error}.") from None
            yield engine
        finally:
            await engine.dispose()
