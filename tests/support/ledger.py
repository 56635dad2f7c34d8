"""Calls, principals and databases for the tests of the ledger."""

import asyncio
import inspect
import os
import uuid
from contextlib import asynccontextmanager

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from hub.core.calls import Dialect, ModelCall, Origin, ToolCall
from hub.core.entry import Entry
from hub.core.ids import new_id
from hub.core.principal import Principal
from hub.store.tables import metadata

CI = Principal(id="key:ci", kind="key", key="ci", user="ann", team="platform")


def model_call(model="fast", body=b'{"model":"fast"}', **origin):
    call = new_id()
    return ModelCall(call, Dialect.OPENAI_CHAT, model, False, body, Origin(request_id=f"r-{call}", **origin))


def tool_call(profile="demo", tool="time__now", **origin):
    call = new_id()
    return ToolCall(call, profile, tool, b"{}", Origin(request_id=f"r-{call}", **origin))


def entry(number, **fields):
    defaults = {
        "id": f"{number:026d}",
        "at": 1_700_000_000_000_000 + number * 1_000_000,
        "call": "model",
        "principal": "key:ci",
        "outcome": "ok",
        "status": 200,
        "key": "ci",
    }
    return Entry(**(defaults | fields))


@asynccontextmanager
async def sqlite_engine(folder):
    engine = create_async_engine(f"sqlite+aiosqlite:///{folder}/hub.db", connect_args={"timeout": 60})
    try:
        async with engine.connect() as connection:
            await connection.exec_driver_sql(
                "PRAGMA journal_mode=WAL"
            )  # as the hub has it: who reads keeps nobody from writing
        async with engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
        yield engine
    finally:
        await engine.dispose()


@asynccontextmanager
async def postgres_engine():
    """An engine on a schema of its own, dropped afterwards; skips the test when there is no server."""
    url = os.environ.get("HUB_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
    url = url.replace("postgresql://", "postgresql+asyncpg://", 1)
    schema = f"ledger_{uuid.uuid4().hex[:12]}"
    engine = create_async_engine(url, connect_args={"server_settings": {"search_path": schema}, "timeout": 5})
    try:
        try:
            async with engine.begin() as connection:
                await connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
                await connection.run_sync(metadata.create_all)
        except OSError as error:
            pytest.skip(f"no PostgreSQL: {error}")
        yield engine
        async with engine.begin() as connection:
            await connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")
    finally:
        await engine.dispose()


async def count(engine, where="1=1"):
    async with engine.connect() as connection:
        return (await connection.exec_driver_sql(f"SELECT count(*) FROM entry WHERE {where}")).scalar_one()


async def until(holds, seconds=10):
    """Wait until `holds()` is true; it may be a coroutine function."""
    async with asyncio.timeout(seconds):
        while True:
            found = holds()
            if await found if inspect.isawaitable(found) else found:
                return
            await asyncio.sleep(0.005)
