"""Alembic's environment: migrations run on the connection that the hub gives."""

import sqlmodel  # noqa: F401 - migrations name its types
from alembic import context

from hub.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
    transactional_ddl=True,  # the hub began the transaction: a migration is there whole, or not at all
)
with context.begin_transaction():
    context.run_migrations()
