"""The database: its engine, its settings, and its way to the schema that this code knows."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Column,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    event,
    inspect,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from hub.core.rarely import Part, load
from hub.core.refusal import Refusal
from hub.store.private_files import make_private
from hub.store.tables import StateRow, metadata
from hub.store.transactions import TURNS, reason_of

MIGRATIONS = Path(__file__).parent / "migrations"
# Where Alembic keeps which migrations a database has.
_REVISION = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
_MIGRATION_LOCK = 0x6875625F6D696772  # "hub_migr"
_DRIVERS = ("sqlite+aiosqlite", "postgresql+asyncpg")
_CONNECT_SECONDS = 5
_POOL: dict[str, Any] = {
    "pool_size": 10,
    "max_overflow": 10,
    "pool_timeout": _CONNECT_SECONDS,
    "pool_pre_ping": True,
    "connect_args": {"timeout": _CONNECT_SECONDS},
}


class SchemaTooNew(Refusal):
    """The database was written by a newer hub."""

    exit_status = 3


def migrate(connection: Connection) -> None:
    """Make the schema, or bring it to the newest revision, in the connection's transaction: whole, or not at all.

    Raises SchemaTooNew when it is beyond that.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
    else:
        # SQLite's driver would run each statement that changes the schema outside of any transaction.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    revisions = sorted(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
    current = _revision(connection)
    if current is None:
        _create(connection, revisions[-1])
    elif current not in revisions:
        raise SchemaTooNew(
            "schema_too_new",
            f"The database is at revision {current}, which this version does not know: a newer hub wrote it. "
            "Install that version again, or restore the backup from before the upgrade.",
        )
    elif current != revisions[-1]:
        load(Part.MIGRATIONS).upgrade(connection)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_REVISION.name):
        return None
    return connection.execute(select(_REVISION.c.version_num)).scalar()


def _create(connection: Connection, revision: str) -> None:
    """What all migrations would make of an empty database, at once and without Alembic."""
    dialect = connection.dialect.name
    for index in (index for table in metadata.tables.values() for index in table.indexes if "where" in index.info):
        index.dialect_options[dialect]["where"] = index.info["where"]
    metadata.create_all(connection, checkfirst=False)
    connection.execute(StateRow.__table__.insert().values(id=1, generation=0, audit_id=0, audit_hash=""))  # type: ignore[attr-defined]  # SQLModel adds it
    _REVISION.create(connection, checkfirst=True)
    connection.execute(_REVISION.insert().values(version_num=revision))


# The patience comes first: even the journal's mode may have to wait for another process. A transaction of the ledger
# changes some 700 pages, many of them again in the next one: a cache that holds them (KiB, where negative) and a journal
# of several transactions (pages) spare a sixth of what an entry costs.
_PRAGMAS = (
    "busy_timeout=10000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-8000",
    "wal_autocheckpoint=4000",
)  # fmt: skip


def _prepare_sqlite(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _url(given: str) -> URL:
    # The URL may hold a password, so no message repeats it.
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):
        raise Refusal("database_url", "The database's URL cannot be read. Write postgresql://USER@HOST/NAME.") from None
    if url.drivername not in _DRIVERS:
        raise Refusal("database_url", f"'{url.drivername}' is not a database of the hub: {' or '.join(_DRIVERS)}.")
    return url


def _engine(url: URL) -> AsyncEngine:
    if not url.drivername.startswith("sqlite"):
        return create_async_engine(url, **_POOL)
    # The connection that was used last: it has its pages and statements at hand.
    engine = create_async_engine(url, pool_use_lifo=True, execution_options={TURNS: asyncio.Lock()})
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    if url.database and url.database != ":memory:":
        make_private(Path(url.database))
    return engine


class Database:
    """Opens a database for as long as it is used."""

    @staticmethod
    @contextlib.asynccontextmanager
    async def open(url: str) -> AsyncGenerator[AsyncEngine]:
        """The engine of `url` (`sqlite+aiosqlite:///FILE` or `postgresql+asyncpg://...`), migrated.

        Raises SchemaTooNew, or Refusal `database_url`, `database_unreachable`.
        """
        try:
            engine = _engine(_url(url))
        except OSError as error:
            raise _unreachable(error) from None
        try:
            try:
                async with engine.begin() as connection:
                    await connection.run_sync(migrate)
            except (OSError, DBAPIError) as error:
                raise _unreachable(error) from error
            yield engine
        finally:
            await engine.dispose()


def _unreachable(error: OSError | DBAPIError) -> Refusal:
    return Refusal(
        "database_unreachable",
        f"The database cannot be opened: {reason_of(error)}. Check that it is there, that this user may write to it, "
        "and HUB_DATABASE_URL or --data.",
    )
