"""Alerts of budgets, so that each is told once and none is lost with the process that found it."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "budget_alert",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("budget", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_budget_alert"),
    )
    op.create_index("ix_budget_alert_due", "budget_alert", ["due"])


def downgrade() -> None:
    op.drop_index("ix_budget_alert_due", "budget_alert")
    op.drop_table("budget_alert")
