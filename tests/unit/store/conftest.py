"""A store on each kind of database."""

import contextlib

import pytest

from hub.identity import make_key
from hub.resources.model_catalog import ModelCatalog
from hub.store import Actor, Database, Resources, Secrets, Vault
from hub.store.audit import AuditTrail
from hub.store.journal import Journal
from hub.store.key_secrets import KeyMaker
from tests.support.databases import postgres_url

ANN = Actor("user:ann", address="127.0.0.1")
ENVIRONMENT = {"GOOD": "x" * 40, "SHORT": "x", "OTHER": "y" * 40}


class Store:
    """Everything that is opened for a test, by name."""

    def __init__(self, engine, folder):
        self.engine = engine
        self.audit = AuditTrail(engine)
        self.vault = Vault(engine, folder / "vault.key", self.audit)
        self.secrets = Secrets(ENVIRONMENT, self.vault.get)
        self.resources = self.another()

    def another(self):
        """A second repository over the same database: another replica, or the same hub after a restart."""
        return Resources(
            Journal(self.engine, self.audit), self.audit, KeyMaker(make_key, self.secrets), ModelCatalog([])
        )


@pytest.fixture(params=["sqlite", "postgresql"])
async def url(request, tmp_path):
    async with contextlib.AsyncExitStack() as stack:
        if request.param == "sqlite":
            yield f"sqlite+aiosqlite:///{tmp_path / 'hub.db'}"
        else:
            yield await stack.enter_async_context(postgres_url())


@pytest.fixture
async def store(url, tmp_path):
    async with Database.open(url) as engine:
        made = Store(engine, tmp_path)
        await made.resources.load()
        yield made
