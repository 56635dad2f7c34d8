"""Sums by themselves: of each hour and day also by team, by model and so on, made by the hub from what was summed before."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_UNGROUPED = sa.text("number = 1 AND grouped = 0")


def upgrade() -> None:
    # With a default, so that an hour which the version before this one sums says that it is not grouped.
    op.add_column("rollup", sa.Column("grouped", sa.Integer(), server_default="0", nullable=False))
    op.create_index("ix_rollup_ungrouped", "rollup", ["start"], sqlite_where=_UNGROUPED, postgresql_where=_UNGROUPED)


def downgrade() -> None:
    op.drop_index("ix_rollup_ungrouped", "rollup")
    op.execute("DELETE FROM rollup WHERE span NOT IN ('hour', 'day')")
    with op.batch_alter_table("rollup") as batch:
        batch.drop_column("grouped")
