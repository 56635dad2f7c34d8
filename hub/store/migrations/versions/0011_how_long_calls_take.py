"""How long calls take: histograms of durations and first bytes, beside the sums."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_HISTOGRAMS = ("durations", "first_bytes")


def upgrade() -> None:
    # Columns with defaults, so that the version before this one can go on writing: rows that know no times say so by null.
    op.add_column("rollup", sa.Column("untimed", sa.BigInteger(), nullable=True))
    for name in _HISTOGRAMS:
        op.add_column("rollup", sa.Column(name, sa.Text(), server_default="", nullable=False))
    # Every hour that still has entries is to be summed anew. Those without them keep their sums, and know no times.
    op.execute(
        "INSERT INTO stale (span, start, touched) SELECT DISTINCT 'hour', at - at % 3600000000, 0 FROM entry WHERE true "
        "ON CONFLICT DO NOTHING"
    )


def downgrade() -> None:
    with op.batch_alter_table("rollup") as batch:
        for name in ("untimed", *_HISTOGRAMS):
            batch.drop_column(name)
