"""Which route gave a call its targets: a column of entries and of their sums, to compare what a split leads to."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_TABLES = ("entry", "rollup")
_ROUTED = sa.text("route <> ''")


def upgrade() -> None:
    # With a default, so that the version before this one can go on writing. What was called before names no route.
    for table in _TABLES:
        op.add_column(table, sa.Column("route", sa.Text(), server_default="", nullable=False))
    op.create_index("ix_entry_route_at", "entry", ["route", "at"], sqlite_where=_ROUTED, postgresql_where=_ROUTED)


def downgrade() -> None:
    op.drop_index("ix_entry_route_at", "entry")
    for table in _TABLES:
        with op.batch_alter_table(table) as batch:
            batch.drop_column("route")
