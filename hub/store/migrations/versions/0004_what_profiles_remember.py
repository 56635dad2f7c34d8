"""What profiles remember: names that they gave, definitions that were approved."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sqlmodel.sql.sqltypes.AutoString(), nullable=False)


def upgrade() -> None:
    op.create_table(
        "profile_name",
        *(_text(name) for name in ("profile", "kind", "name", "server", "own", "basis", "at")),
        sa.PrimaryKeyConstraint("profile", "kind", "name", name=op.f("pk_profile_name")),
    )
    op.create_table(
        "profile_pin",
        *(_text(name) for name in ("profile", "server", "own")),
        sa.Column("definition", sa.LargeBinary(), nullable=False),
        *(_text(name) for name in ("by", "at")),
        sa.PrimaryKeyConstraint("profile", "server", "own", name=op.f("pk_profile_pin")),
    )


def downgrade() -> None:
    op.drop_table("profile_pin")
    op.drop_table("profile_name")
