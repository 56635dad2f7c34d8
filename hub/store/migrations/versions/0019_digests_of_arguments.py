"""What a tool was called with, as a digest: a column of entries, which tells calls apart without keeping what was said."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # With a default, so that the version before this one can go on writing.
    op.add_column("entry", sa.Column("digest", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("entry") as batch:
        batch.drop_column("digest")
