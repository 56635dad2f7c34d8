"""Accounts at MCP servers that want a sign-in."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def _word(name: str) -> sa.Column[str]:
    return sa.Column(name, sqlmodel.sql.sqltypes.AutoString(), nullable=False)


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("claimed_until", sa.BigInteger(), nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        _word("server"),
        _word("owner"),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("broken", sa.Integer(), nullable=False),
        _word("connected_at"),
        _word("key_id"),
        sa.PrimaryKeyConstraint("server", "owner", name=op.f("pk_account")),
    )
    op.create_table(
        "oauth_registration",
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("redirect", sa.Text(), nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        _word("key_id"),
        sa.PrimaryKeyConstraint("issuer", "redirect", name=op.f("pk_oauth_registration")),
    )


def downgrade() -> None:
    op.drop_table("oauth_registration")
    op.drop_table("account")
