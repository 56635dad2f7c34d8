"""Real databases for tests: SQLite in a folder, PostgreSQL on this machine, each test with one of its own.

`python -m tests.support.databases` says whether a PostgreSQL can be reached.
"""

import asyncio
import contextlib
import os
import sys
import uuid

import asyncpg

_GIVEN = os.environ.get("HUB_TEST_POSTGRES")
PLACES = [_GIVEN] if _GIVEN else [f"postgresql://postgres@127.0.0.1:{port}/postgres" for port in (5432, 54329)]


async def _administrator():
    reasons = []
    for place in PLACES:
        try:
            return place, await asyncpg.connect(place, timeout=5)
        except (OSError, asyncpg.PostgresError) as error:
            reasons.append(f"{place}: {error}")
    raise AssertionError(
        "no PostgreSQL to test with; run tools/test_programs.sh, or set HUB_TEST_POSTGRES\n" + "\n".join(reasons)
    )


@contextlib.asynccontextmanager
async def postgres_url():
    """A fresh PostgreSQL database, dropped at the end."""
    name = f"hub_test_{uuid.uuid4().hex[:12]}"
    place, administrator = await _administrator()
    try:
        await administrator.execute(f'CREATE DATABASE "{name}"')
        base = place.rpartition("/")[0].replace("postgresql://", "postgresql+asyncpg://")
        yield f"{base}/{name}"
    finally:
        await administrator.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await administrator.close()


async def _check():
    _, administrator = await _administrator()
    await administrator.close()


if __name__ == "__main__":
    try:
        asyncio.run(_check())
    except AssertionError as error:
        sys.exit(str(error))
