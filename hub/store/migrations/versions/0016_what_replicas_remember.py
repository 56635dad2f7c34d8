"""How often anything was added to what profiles remember, so that each replica hears of it."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("state", sa.Column("remembered", sa.BigInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("state", "remembered")
