"""Attempts to sign in, counted for all replicas together."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sign_in_attempt",
        sa.Column("name", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("times", sa.Text(), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sign_in_attempt")),
    )
    op.create_index("ix_sign_in_attempt_until", "sign_in_attempt", ["until"])


def downgrade() -> None:
    op.drop_index("ix_sign_in_attempt_until", "sign_in_attempt")
    op.drop_table("sign_in_attempt")
