"""Programs that users sign in through the browser."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def _word(name: str) -> sa.Column[str]:
    return sa.Column(name, sqlmodel.sql.sqltypes.AutoString(), nullable=False)


def upgrade() -> None:
    op.create_table(
        "oauth_waiting",
        sa.Column("redirect", sa.Text(), server_default="", nullable=False),
        sa.Column("resource", sa.Text(), server_default="", nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        _word("user_code"),
        _word("user"),
        _word("client"),
        _word("title"),
        _word("challenge"),
        sa.Column("denied", sa.Boolean(), nullable=False),
        sa.Column("polled_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_oauth_waiting")),
    )
    op.create_index("ix_oauth_waiting_user_code", "oauth_waiting", ["user_code"])
    op.create_table(
        "oauth_grant",
        sa.Column("resource", sa.Text(), server_default="", nullable=False),
        _word("id"),
        _word("user"),
        _word("client"),
        _word("title"),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("seen_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("ended_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_grant")),
    )
    op.create_index("ix_oauth_grant_user", "oauth_grant", ["user"])
    op.create_index("ix_oauth_grant_ended_at", "oauth_grant", ["ended_at"])


def downgrade() -> None:
    op.drop_index("ix_oauth_grant_ended_at", "oauth_grant")
    op.drop_index("ix_oauth_grant_user", "oauth_grant")
    op.drop_table("oauth_grant")
    op.drop_index("ix_oauth_waiting_user_code", "oauth_waiting")
    op.drop_table("oauth_waiting")
