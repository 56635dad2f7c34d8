"""Definitions of tools that only some accounts are offered, approved or waiting for it."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sqlmodel.sql.sqltypes.AutoString(), nullable=False)


def upgrade() -> None:
    op.create_table(
        "profile_variant",
        *(_text(name) for name in ("profile", "server", "own", "digest")),
        sa.Column("definition", sa.LargeBinary(), nullable=False),
        *(_text(name) for name in ("by", "at")),
        sa.PrimaryKeyConstraint("profile", "server", "own", "digest", name=op.f("pk_profile_variant")),
    )


def downgrade() -> None:
    op.drop_table("profile_variant")
