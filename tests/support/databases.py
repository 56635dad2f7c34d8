"""Real databases for tests: SQLite in a folder, PostgreSQL on this machine, each test with one of its own."""

import contextlib
import os
import uuid

import asyncpg

POSTGRES = os.environ.get("HUB_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")  # noqa: TID251 - a test


@contextlib.asynccontextmanager
async def postgres_url():
    """A fresh PostgreSQL database, dropped at the end. `make test` starts the server where none runs."""
    name = f"hub_test_{uuid.uuid4().hex[:12]}"
    try:
        admin = await asyncpg.connect(POSTGRES)
    except OSError as error:
        raise AssertionError(
            f"no PostgreSQL at {POSTGRES}: {error}. Run tools/test_programs.sh, or set HUB_TEST_POSTGRES"
        ) from None
    try:
        await admin.execute(f'CREATE DATABASE "{name}"')
        base, _, _ = POSTGRES.rpartition("/")
        yield f"{base.replace('postgresql://', 'postgresql+asyncpg://')}/{name}"
    finally:
        await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await admin.close()
