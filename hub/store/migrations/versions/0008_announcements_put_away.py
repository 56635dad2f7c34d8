"""Which announcements a person has put away."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "announcement_dismissal",
        *(
            sa.Column(name, sqlmodel.sql.sqltypes.AutoString(), nullable=False)
            for name in ("user", "announcement", "digest", "at")
        ),
        sa.PrimaryKeyConstraint("user", "announcement", name=op.f("pk_announcement_dismissal")),
    )


def downgrade() -> None:
    op.drop_table("announcement_dismissal")
