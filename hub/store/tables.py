"""The tables. Times are ISO 8601 text in UTC, except in the ledger, where they are integers."""
# SQLModel declares `__tablename__` as a method, and documents that a text may be assigned:
# pyright: reportAssignmentType=false

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, Text, false
from sqlmodel import Field, SQLModel

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
SQLModel.metadata.naming_convention = NAMING
metadata: MetaData = SQLModel.metadata
_LONGEST = 4096


def storable(text: str) -> str:
    """`text` as every database can hold it: no NUL, no lone surrogates, at most 4,096 characters."""
    return text[:_LONGEST].replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def text_column() -> Column[str]:
    """A text of any length that is never null."""
    return Column(Text, nullable=False, server_default="")


class ResourceRow(SQLModel, table=True):
    """The current version of each resource."""

    __tablename__ = "resource"

    kind: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    version: int
    managed_by: str
    spec: str = Field(sa_column=text_column())
    updated_at: str
    updated_by: str


class ResourceVersionRow(SQLModel, table=True):
    """Every version of every resource; `spec` is null where it was deleted."""

    __tablename__ = "resource_version"

    kind: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    managed_by: str
    spec: str | None = Field(sa_column=Column(Text, nullable=True))
    at: str
    by: str


class StateRow(SQLModel, table=True):
    """One row: the generation of the resources, and the head of the audit chain."""

    __tablename__ = "state"

    id: int = Field(primary_key=True)
    generation: int
    audit_id: int
    audit_hash: str


class AuditTable(SQLModel, table=True):
    """The audit trail. `hash` is over the row and `previous`, so that no row can be changed or taken out unnoticed."""

    __tablename__ = "audit"

    id: int = Field(primary_key=True)
    at: str = Field(index=True)
    actor: str = Field(index=True)
    source: str
    address: str
    action: str
    kind: str
    name: str
    version: int
    diff: str = Field(sa_column=text_column())
    detail: str = Field(sa_column=text_column())
    previous: str
    hash: str

    __table_args__ = (Index("ix_audit_kind_name", "kind", "name"),)


class KeySecretRow(SQLModel, table=True):
    """A secret that the hub made for a key: its SHA-256, never itself."""

    __tablename__ = "key_secret"

    digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    key: str = Field(index=True)
    id: str
    last_four: str
    created_at: str
    ends_at: float | None = None


class VaultRow(SQLModel, table=True):
    """An encrypted secret."""

    __tablename__ = "vault_secret"

    name: str = Field(primary_key=True)
    version: int
    key_id: str
    nonce: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    ciphertext: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    updated_at: str


class SignInLinkRow(SQLModel, table=True):
    """A one-time link, by the SHA-256 of its token."""

    __tablename__ = "sign_in_link"

    digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    user: str
    expires_at: float


class SignInRow(SQLModel, table=True):
    """A browser that is signed in, by the SHA-256 of its token."""

    __tablename__ = "sign_in"

    digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    user: str = Field(index=True)
    created_at: float
    seen_at: float
    expires_at: float
    id: str = Field(sa_column=text_column())
    address: str = Field(sa_column=text_column())
    agent: str = Field(sa_column=text_column())


class PasswordRow(SQLModel, table=True):
    """A person's password, as Argon2id hashed it."""

    __tablename__ = "password"

    user: str = Field(primary_key=True)
    hash: str
    changed_at: float


class StopRow(SQLModel, table=True):
    """What is stopped in an emergency: `scope` is `org`, `team`, `user`, `key`, `profile`, `server`, `model`."""

    __tablename__ = "stop"

    scope: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    reason: str = Field(sa_column=text_column())
    by: str
    at: str


class ServerSnapshotRow(SQLModel, table=True):
    """What an upstream server last said it offers."""

    __tablename__ = "server_snapshot"

    server: str = Field(primary_key=True)
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    saved_at: str


class ProfileNameRow(SQLModel, table=True):
    """A name that a profile gave to a tool or a prompt of a server, once and for all."""

    __tablename__ = "profile_name"

    profile: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    server: str
    own: str
    basis: str
    at: str


class ProfilePinRow(SQLModel, table=True):
    """A tool's definition as it was approved in a profile; `by` is empty where it was there when the lock was set."""

    __tablename__ = "profile_pin"

    profile: str = Field(primary_key=True)
    server: str = Field(primary_key=True)
    own: str = Field(primary_key=True)
    definition: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    by: str
    at: str


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
    written: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))

    __table_args__ = (
        Index("ix_entry_at_id", "at", "id"),
        Index("ix_entry_key_at", "key", "at"),
        Index("ix_entry_user_at", "user", "at"),
        Index("ix_entry_team_at", "team", "at"),
        Index("ix_entry_model_at", "model", "at"),
        Index("ix_entry_profile_at", "profile", "at"),
        Index("ix_entry_server_tool_at", "server", "tool", "at"),
        Index("ix_entry_request_id", "request_id"),
        Index("ix_entry_session_at", "session", "at"),
        Index("ix_entry_trace", "trace"),
        Index("ix_entry_written", "written"),
        Index("ix_entry_application_at", "application", "at"),
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

    __table_args__ = (Index("ix_attempt_target_at", "target", "at"), Index("ix_attempt_at", "at"))


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

    A row for each combination of what can be grouped by. Days leave session and tags out. `durations` and `first_bytes`
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


class ExportPositionRow(SQLModel, table=True):
    """Up to which row of the audit trail an export has been sent."""

    __tablename__ = "export_position"

    name: str = Field(primary_key=True)
    row: int


class StaleRow(SQLModel, table=True):
    """An hour or a day whose rollup is not what its entries say. `touched` changes with each batch of them."""

    __tablename__ = "stale"

    span: str = Field(primary_key=True)
    start: int = Field(sa_column=Column(BigInteger, primary_key=True))
    touched: int = Field(sa_column=Column(BigInteger, nullable=False))


# The same tables for Core statements, which is what the store and the ledger write.
RESOURCE = metadata.tables["resource"]
VERSION = metadata.tables["resource_version"]
STATE = metadata.tables["state"]
AUDIT = metadata.tables["audit"]
KEY_SECRET = metadata.tables["key_secret"]
VAULT_SECRET = metadata.tables["vault_secret"]
SIGN_IN_LINK = metadata.tables["sign_in_link"]
SIGN_IN = metadata.tables["sign_in"]
PASSWORD = metadata.tables["password"]
STOP = metadata.tables["stop"]
SERVER_SNAPSHOT = metadata.tables["server_snapshot"]
