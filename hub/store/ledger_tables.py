"""The tables of the ledger. Times are integers, in microseconds since the epoch."""
# SQLModel declares `__tablename__` as a method, and documents that a text may be assigned:
# pyright: reportAssignmentType=false

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, TextClause, false, text
from sqlmodel import Field, SQLModel

from hub.store.tables import metadata, text_column

_UNGROUPED = text("number = 1 AND grouped = 0")


def _some(name: str, *columns: str, where: TextClause | None, **told: Any) -> Index:
    """An index of some rows. What PostgreSQL is to leave out stands in `info`: said here, it would import all of its dialect."""
    return Index(name, *columns, sqlite_where=where, info={"where": where, **told})


def _sought(column: str, but: str | int | None = "") -> Index:
    """Finds entries by what stands in a column, in order of time.

    Rows that hold `but`, which says nothing, are left out and cost nothing; None leaves none out.
    """
    where = None if but is None else text(f'"{column}" <> {but!r}')
    return _some(f"ix_entry_{column}_at", column, "at", where=where, sought=column, but=but)


class EntryRow(SQLModel, table=True):
    """The ledger: one row per call (see `hub.core.entry.Entry`). `at` is microseconds since the epoch."""

    __tablename__ = "entry"

    id: str = Field(primary_key=True)
    at: int = Field(sa_column=Column(BigInteger, nullable=False))
    call: str
    principal: str
    key: str
    user: str
    team: str
    request_id: str
    session: str
    door: str
    agent: str = Field(sa_column=text_column())
    dialect: str
    lane: str
    model: str
    target: str
    provider: str
    profile: str
    server: str
    tool: str
    stream: bool
    outcome: str
    status: int
    code: str
    error: str = Field(sa_column=text_column())
    input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    output: int
    reasoning: int
    audio_in: int
    audio_out: int
    image: int
    tool_calls: int
    image_in: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"))
    searches: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"))
    estimated: bool
    cost_micro_usd: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    price_version: str
    ttft_ms: float | None = None
    duration_ms: float
    request_bytes: int = Field(sa_column=Column(BigInteger, nullable=False))
    response_bytes: int = Field(sa_column=Column(BigInteger, nullable=False))
    tags: str = Field(sa_column=text_column())
    attempts: str = Field(sa_column=text_column())
    dropped: str = Field(sa_column=text_column())
    findings: str = Field(sa_column=text_column())
    application: str = Field(sa_column=text_column())
    plan: str = Field(sa_column=text_column())
    raw_usage: str = Field(sa_column=text_column())
    cache: str = Field(sa_column=text_column())
    saved_micro_usd: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    own_micro_usd: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    trace: str = Field(sa_column=text_column())
    parent: str = Field(sa_column=text_column())
    sampled: bool = Field(sa_column=Column(Boolean, nullable=False, server_default=false()))
    capture: str = Field(sa_column=text_column())
    repriced: str = Field(sa_column=text_column())
    route: str = Field(sa_column=text_column())
    digest: str = Field(sa_column=text_column())
    written: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))

    __table_args__ = (
        _sought("key", None),
        _sought("user", None),
        _sought("team", None),
        _sought("call", None),
        _sought("application"),
        _sought("request_id"),
        _sought("session"),
        _sought("trace"),
        _sought("model"),
        _sought("route"),
        _sought("target"),
        _sought("provider"),
        _sought("lane"),
        _sought("profile"),
        _sought("server"),
        _sought("tool"),
        _sought("outcome", "ok"),
        _sought("status", 200),
        _sought("code"),
        Index("ix_entry_at_id", "at", "id"),
        Index("ix_entry_written", "written"),
        Index("ix_entry_duration_ms_id", "duration_ms", "id"),
        Index("ix_entry_input_id", "input", "id"),
        Index("ix_entry_output_id", "output", "id"),
    )


class AttemptRow(SQLModel, table=True):
    """One try at one upstream (see `hub.core.entry.AttemptRecord`). `at` is microseconds since the epoch."""

    __tablename__ = "attempt"

    entry: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    at: int = Field(sa_column=Column(BigInteger, nullable=False))
    target: str
    outcome: str
    failure: str
    status: int
    duration_ms: float
    error: str = Field(sa_column=text_column())
    cost_micro_usd: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))

    __table_args__ = (Index("ix_attempt_at", "at"),)


class EntryTagRow(SQLModel, table=True):
    """A tag of an entry, so that entries are found by it. `at` is the entry's."""

    __tablename__ = "entry_tag"

    at: int = Field(sa_column=Column(BigInteger, primary_key=True))
    entry: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    value: str

    __table_args__ = (Index("ix_entry_tag_name_value_at", "name", "value", "at"), {"sqlite_with_rowid": False})


class PayloadRow(SQLModel, table=True):
    """What is kept of a call's bodies, encrypted with the vault's ring and bound to its entry."""

    __tablename__ = "payload"

    entry: str = Field(primary_key=True)
    at: int = Field(sa_column=Column(BigInteger, nullable=False, index=True))
    mode: str
    key_id: str
    nonce: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    ciphertext: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class RollupRow(SQLModel, table=True):
    """Sums of entries over an hour or a day (UTC); `start` is microseconds since the epoch.

    A row for each combination of what can be grouped by; and, under spans of their own, for each value of some dimensions by
    themselves, once number 1 of the combinations says `grouped`. Days leave session and tags out. `durations` and `first_bytes`
    are histograms (see `hub.ledger.latency`), `untimed` counts the calls that they do not know; null: they know none.
    """

    __tablename__ = "rollup"

    span: str = Field(primary_key=True)
    start: int = Field(sa_column=Column(BigInteger, primary_key=True))
    number: int = Field(primary_key=True)
    call: str
    team: str
    user: str
    key: str
    application: str
    model: str
    target: str
    provider: str
    profile: str
    server: str
    tool: str
    session: str
    tags: str
    calls: int = Field(sa_column=Column(BigInteger, nullable=False))
    errors: int = Field(sa_column=Column(BigInteger, nullable=False))
    refused: int = Field(sa_column=Column(BigInteger, nullable=False))
    cancelled: int = Field(sa_column=Column(BigInteger, nullable=False))
    unpriced: int = Field(sa_column=Column(BigInteger, nullable=False))
    estimated: int = Field(sa_column=Column(BigInteger, nullable=False))
    cost_micro_usd: int = Field(sa_column=Column(BigInteger, nullable=False))
    saved_micro_usd: int = Field(sa_column=Column(BigInteger, nullable=False))
    own_micro_usd: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))
    duration_ms: float
    input: int = Field(sa_column=Column(BigInteger, nullable=False))
    cache_read: int = Field(sa_column=Column(BigInteger, nullable=False))
    cache_write_5m: int = Field(sa_column=Column(BigInteger, nullable=False))
    cache_write_1h: int = Field(sa_column=Column(BigInteger, nullable=False))
    output: int = Field(sa_column=Column(BigInteger, nullable=False))
    reasoning: int = Field(sa_column=Column(BigInteger, nullable=False))
    audio_in: int = Field(sa_column=Column(BigInteger, nullable=False))
    audio_out: int = Field(sa_column=Column(BigInteger, nullable=False))
    image: int = Field(sa_column=Column(BigInteger, nullable=False))
    tool_calls: int = Field(sa_column=Column(BigInteger, nullable=False))
    image_in: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))
    searches: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))
    untimed: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    durations: str = Field(sa_column=text_column())
    first_bytes: str = Field(sa_column=text_column())
    route: str = Field(sa_column=text_column())
    grouped: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"))

    __table_args__ = (_some("ix_rollup_ungrouped", "start", where=_UNGROUPED),)


class StaleRow(SQLModel, table=True):
    """An hour or a day whose rollup is not what its entries say. `touched` changes with each batch of them."""

    __tablename__ = "stale"

    span: str = Field(primary_key=True)
    start: int = Field(sa_column=Column(BigInteger, primary_key=True))
    touched: int = Field(sa_column=Column(BigInteger, nullable=False))


# The same tables for Core statements, which is what the ledger writes and reads.
ENTRY = metadata.tables["entry"]
ATTEMPT = metadata.tables["attempt"]
PAYLOAD = metadata.tables["payload"]
TAG = metadata.tables["entry_tag"]
ROLLUP = metadata.tables["rollup"]
STALE = metadata.tables["stale"]
