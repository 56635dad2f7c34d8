"""Passwords, sign-ins that can be listed, and emergency stops."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_SIGN_IN = ("id", "address", "agent")


def upgrade() -> None:
    with op.batch_alter_table("sign_in", schema=None) as batch_op:
        for name in _SIGN_IN:
            batch_op.add_column(sa.Column(name, sa.Text(), server_default="", nullable=False))
    op.create_table(
        "password",
        sa.Column("user", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("hash", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("changed_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("user", name=op.f("pk_password")),
    )
    op.create_table(
        "stop",
        sa.Column("scope", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("name", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("by", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("at", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "name", name=op.f("pk_stop")),
    )


def downgrade() -> None:
    op.drop_table("stop")
    op.drop_table("password")
    with op.batch_alter_table("sign_in", schema=None) as batch_op:
        for name in reversed(_SIGN_IN):
            batch_op.drop_column(name)
