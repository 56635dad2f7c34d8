"""Transactions: one moment to read at, writes that begin by taking their lock, and a clear answer when the database is away."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hub.core.refusal import Unavailable

TURNS = "hub_turns"  # the option of an engine that holds the lock of those who write
_PATIENCE_SECONDS = 10.0
_OUR_FAULT = ("22", "23", "42")  # SQLSTATE classes: data, integrity, syntax and access
_OUR_FAULT_SQLITE = ("IntegrityError", "DataError", "ProgrammingError", "NotSupportedError")


def reason_of(error: BaseException) -> str:
    """What the database or the system said, on one line, without the statement and its values."""
    if isinstance(error, TimeoutError):
        return "others write to it, and take long"
    said = str(error.orig) if isinstance(error, DBAPIError) and error.orig is not None else str(error)
    return (said.strip() or type(error).__name__).splitlines()[0][:300]


def _is_away(error: DBAPIError) -> bool:
    """Whether the database cannot serve now (gone, full, locked, read-only), rather than being asked nonsense."""
    state = getattr(error.orig, "sqlstate", None)
    if state:
        return not str(state).startswith(_OUR_FAULT)
    return type(error).__name__ not in _OUR_FAULT_SQLITE


@contextlib.contextmanager
def _clear_answer() -> Iterator[None]:
    try:
        yield
    except (OSError, PoolTimeout, DBAPIError) as error:
        if isinstance(error, DBAPIError) and not _is_away(error):
            raise
        raise Unavailable(
            "database_unreachable",
            f"The hub's database cannot be used right now: {reason_of(error)}. Try again when it is back.",
            retry_after=5,
        ) from error


@contextlib.asynccontextmanager
async def turn(engine: AsyncEngine) -> AsyncGenerator[None]:
    """Wait until it is one's turn to write.

    SQLite has one lock to write, and whoever waits for it looks again now and then: under load somebody who comes seldom
    can be late each time. So who writes in this process first queues here. Raises TimeoutError.
    """
    turns = engine.get_execution_options().get(TURNS)
    if turns is None:
        yield
        return
    async with asyncio.timeout(_PATIENCE_SECONDS):
        await turns.acquire()
    try:
        yield
    finally:
        turns.release()


@contextlib.asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncGenerator[AsyncConnection]:
    """A connection that sees the database as it is at one moment, however many statements it takes.

    Raises Unavailable `database_unreachable`.
    """
    with _clear_answer():
        async with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                await connection.exec_driver_sql("BEGIN")
            else:
                await connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection


@contextlib.asynccontextmanager
async def writing(engine: AsyncEngine) -> AsyncGenerator[AsyncConnection]:
    """A transaction, committed on leaving, rolled back on an exception.

    SQLite's driver begins a transaction only at the first change, and what was read before is then not part
    of it; so here it begins at once, with the lock to write. Raises Unavailable `database_unreachable`.
    """
    with _clear_answer():
        async with turn(engine), engine.begin() as connection:
            if engine.dialect.name == "sqlite":
                await connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
