"""Migrations of a database that an older hub wrote, by Alembic. Loaded only for such a one: see `hub.core.rarely`."""

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from hub.store.database import MIGRATIONS


def configuration(connection: Connection) -> Config:
    """Alembic's configuration, without a file."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection) -> None:
    """Bring the schema to the newest revision, in the connection's transaction."""
    command.upgrade(configuration(connection), "head")
