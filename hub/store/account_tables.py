"""The tables of accounts at other services. What is secret in them is encrypted by the vault's keys."""
# SQLModel declares `__tablename__` as a method, and documents that a text may be assigned:
# pyright: reportAssignmentType=false

from sqlalchemy import BigInteger, Column, LargeBinary, Text
from sqlmodel import Field, SQLModel


class AccountRow(SQLModel, table=True):
    """One account of an owner (`user:NAME`, or `hub`) at a server. `claimed_until` (ms) is when it may be renewed again."""

    __tablename__ = "account"

    server: str = Field(primary_key=True)
    owner: str = Field(primary_key=True)
    version: int
    broken: int
    connected_at: str
    claimed_until: int = Field(sa_column=Column(BigInteger, nullable=False))
    key_id: str
    nonce: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    ciphertext: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class RegistrationRow(SQLModel, table=True):
    """Under which name the hub is known at an authorization server."""

    __tablename__ = "oauth_registration"

    issuer: str = Field(sa_column=Column(Text, primary_key=True))
    redirect: str = Field(sa_column=Column(Text, primary_key=True))
    key_id: str
    nonce: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    ciphertext: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
