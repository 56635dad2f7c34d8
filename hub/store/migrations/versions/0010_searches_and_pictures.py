"""Web searches that providers make, and pictures that image endpoints are given: buckets of usage of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

COLUMNS = ("image_in", "searches")


def upgrade() -> None:
    # Columns with defaults, so that the version before this one can go on writing.
    for name in COLUMNS:
        op.add_column("entry", sa.Column(name, sa.Integer(), server_default="0", nullable=False))
        op.add_column("rollup", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    for table in ("rollup", "entry"):
        with op.batch_alter_table(table) as batch:
            for name in COLUMNS:
                batch.drop_column(name)
