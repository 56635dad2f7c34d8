"""The tables, but for those of the ledger, programs and accounts. Times are ISO 8601 text in UTC."""
# SQLModel declares `__tablename__` as a method, and documents that a text may be assigned:
# pyright: reportAssignmentType=false

from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, Text
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
    """One row: the generations of the resources and of what profiles remember, and the head of the audit chain."""

    __tablename__ = "state"

    id: int = Field(primary_key=True)
    generation: int
    audit_id: int
    audit_hash: str
    remembered: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))


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


class ProfileVariantRow(SQLModel, table=True):
    """A tool's definition that only some accounts are offered; `by` is empty while it waits for approval."""

    __tablename__ = "profile_variant"

    profile: str = Field(primary_key=True)
    server: str = Field(primary_key=True)
    own: str = Field(primary_key=True)
    digest: str = Field(primary_key=True)
    definition: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    by: str
    at: str


class ExportPositionRow(SQLModel, table=True):
    """Up to which row of the audit trail an export has been sent."""

    __tablename__ = "export_position"

    name: str = Field(primary_key=True)
    row: int


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
