"""Finding entries: every filter of the log has an index that keeps them in order of time; tags have rows of their own."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_TEXT = sqlmodel.sql.sqltypes.AutoString
# Columns, and the value whose rows an index leaves out.
_NEW = (
    ("call", None),
    ("target", ""),
    ("provider", ""),
    ("lane", ""),
    ("server", ""),
    ("tool", ""),
    ("outcome", "ok"),
    ("status", 200),
    ("code", ""),
    ("request_id", ""),
    ("trace", ""),
)
_NARROWED = ("application", "session", "model", "profile")
_REPLACED = (
    ("ix_entry_server_tool_at", "entry", ["server", "tool", "at"]),
    ("ix_entry_request_id", "entry", ["request_id"]),
    ("ix_entry_trace", "entry", ["trace"]),
    ("ix_attempt_target_at", "attempt", ["target", "at"]),
)
_FILL = "INSERT INTO entry_tag (at, entry, name, value) SELECT entry.at, entry.id, tag.key, tag.value FROM entry, "
_TAGS = {
    "sqlite": _FILL + "json_each(entry.tags) AS tag WHERE entry.tags <> '{}'",
    "postgresql": _FILL + "json_each_text(entry.tags::json) AS tag WHERE entry.tags <> '{}'",
}


def _sought(column: str, but: str | int | None) -> None:
    where = None if but is None else sa.text(f'"{column}" <> {but!r}')
    op.create_index(f"ix_entry_{column}_at", "entry", [column, "at"], sqlite_where=where, postgresql_where=where)


def upgrade() -> None:
    for name, table, _ in _REPLACED:
        op.drop_index(name, table)
    for column in _NARROWED:
        op.drop_index(f"ix_entry_{column}_at", "entry")
        _sought(column, "")
    for column, but in _NEW:
        _sought(column, but)
    op.create_table(
        "entry_tag",
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("entry", _TEXT(), nullable=False),
        sa.Column("name", _TEXT(), nullable=False),
        sa.Column("value", _TEXT(), nullable=False),
        sa.PrimaryKeyConstraint("at", "entry", "name", name=op.f("pk_entry_tag")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_entry_tag_name_value_at", "entry_tag", ["name", "value", "at"])
    op.execute(_TAGS[op.get_bind().dialect.name])


def downgrade() -> None:
    op.drop_table("entry_tag")
    for column, _ in _NEW:
        op.drop_index(f"ix_entry_{column}_at", "entry")
    for column in _NARROWED:
        op.drop_index(f"ix_entry_{column}_at", "entry")
        op.create_index(f"ix_entry_{column}_at", "entry", [column, "at"])
    for name, table, columns in _REPLACED:
        op.create_index(name, table, columns)
