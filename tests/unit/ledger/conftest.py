"""Every test of the ledger that needs a database runs on both."""

import pytest

from tests.support.ledger import postgres_engine, sqlite_engine


@pytest.fixture(params=["sqlite", "postgresql"])
async def engine(request, tmp_path, anyio_backend):
    context = sqlite_engine(tmp_path) if request.param == "sqlite" else postgres_engine()
    async with context as engine:
        yield engine
