"""The ledger in full: attempts, bodies apart from entries, rollups, traces and plans."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TEXTS = ("application", "plan", "raw_usage", "cache", "trace", "parent", "capture", "repriced")
_INDEXES = (
    ("ix_entry_trace", ["trace"]),
    ("ix_entry_application_at", ["application", "at"]),
    ("ix_entry_duration_ms_id", ["duration_ms", "id"]),
    ("ix_entry_input_id", ["input", "id"]),
    ("ix_entry_output_id", ["output", "id"]),
)
_DIMENSIONS = (
    "call", "team", "user", "key", "application", "model", "target", "provider", "profile", "server", "tool", "session", "tags",
)  # fmt: skip
_SUMS = (
    "calls", "errors", "refused", "cancelled", "unpriced", "estimated", "cost_micro_usd", "saved_micro_usd", "input",
    "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning", "audio_in", "audio_out", "image", "tool_calls",
)  # fmt: skip
_TEXT = sqlmodel.sql.sqltypes.AutoString


def upgrade() -> None:
    # Columns with defaults, so that the version before this one can go on writing entries.
    for name in _TEXTS:
        op.add_column("entry", sa.Column(name, sa.Text(), server_default="", nullable=False))
    op.add_column("entry", sa.Column("saved_micro_usd", sa.BigInteger(), nullable=True))
    op.add_column("entry", sa.Column("sampled", sa.Boolean(), server_default=sa.false(), nullable=False))
    for name, columns in _INDEXES:
        op.create_index(name, "entry", columns)
    op.create_table(
        "attempt",
        sa.Column("entry", _TEXT(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("target", _TEXT(), nullable=False),
        sa.Column("outcome", _TEXT(), nullable=False),
        sa.Column("failure", _TEXT(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("duration_ms", sa.Float(), nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("cost_micro_usd", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("entry", "number", name=op.f("pk_attempt")),
    )
    op.create_index("ix_attempt_target_at", "attempt", ["target", "at"])
    op.create_index("ix_attempt_at", "attempt", ["at"])
    op.create_table(
        "payload",
        sa.Column("entry", _TEXT(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("mode", _TEXT(), nullable=False),
        sa.Column("key_id", _TEXT(), nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("entry", name=op.f("pk_payload")),
    )
    op.create_index(op.f("ix_payload_at"), "payload", ["at"])
    op.create_table(
        "rollup",
        sa.Column("span", _TEXT(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        *(sa.Column(name, _TEXT(), nullable=False) for name in _DIMENSIONS),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _SUMS),
        sa.Column("duration_ms", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("span", "start", "number", name=op.f("pk_rollup")),
    )
    op.create_table(
        "stale",
        sa.Column("span", _TEXT(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("touched", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("span", "start", name=op.f("pk_stale")),
    )
    # Every hour that holds entries already is to be summed.
    op.execute("INSERT INTO stale (span, start, touched) SELECT DISTINCT 'hour', at - at % 3600000000, 0 FROM entry")


def downgrade() -> None:
    for table in ("stale", "rollup", "payload", "attempt"):
        op.drop_table(table)
    for name, _ in _INDEXES:
        op.drop_index(name, "entry")
    with op.batch_alter_table("entry") as batch:
        for name in (*_TEXTS, "saved_micro_usd", "sampled"):
            batch.drop_column(name)
