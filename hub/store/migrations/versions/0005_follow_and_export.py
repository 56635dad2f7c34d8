"""When an entry was written, for those who follow; and how far each export of the audit trail has come."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("entry", sa.Column("written", sa.BigInteger(), server_default="0", nullable=False))
    op.create_index("ix_entry_written", "entry", ["written"])
    op.create_table(
        "export_position",
        sa.Column("name", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_export_position")),
    )


def downgrade() -> None:
    op.drop_table("export_position")
    op.drop_index("ix_entry_written", "entry")
    with op.batch_alter_table("entry") as batch:
        batch.drop_column("written")
