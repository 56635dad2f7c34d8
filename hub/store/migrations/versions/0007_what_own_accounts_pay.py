"""What calls on callers' own credentials cost their accounts."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Columns with defaults, so that the version before this one can go on writing.
    op.add_column("entry", sa.Column("own_micro_usd", sa.BigInteger(), nullable=True))
    op.add_column("rollup", sa.Column("own_micro_usd", sa.BigInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    for table in ("rollup", "entry"):
        with op.batch_alter_table(table) as batch:
            batch.drop_column("own_micro_usd")
