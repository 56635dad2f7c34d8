"""The tables of programs that users sign in."""
# SQLModel declares `__tablename__` as a method, and documents that a text may be assigned:
# pyright: reportAssignmentType=false

from sqlalchemy import Column, LargeBinary
from sqlmodel import Field, SQLModel

from hub.store.tables import text_column


class OAuthWaitingRow(SQLModel, table=True):
    """A sign-in of a program that is under way: a code to be redeemed, or a device that waits to be approved.

    By the SHA-256 of the code; `user` is who approved it, or "".
    """

    __tablename__ = "oauth_waiting"

    digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    user_code: str = Field(index=True)
    user: str
    client: str
    title: str
    redirect: str = Field(sa_column=text_column())
    challenge: str
    resource: str = Field(sa_column=text_column())
    denied: bool
    polled_at: float
    expires_at: float


class OAuthGrantRow(SQLModel, table=True):
    """A program that a user has signed in. `turn` counts its refreshes: only the latest refresh token is good."""

    __tablename__ = "oauth_grant"

    id: str = Field(primary_key=True)
    user: str = Field(index=True)
    client: str
    title: str
    resource: str = Field(sa_column=text_column())
    turn: int
    created_at: float
    seen_at: float
    expires_at: float
    ended_at: float = Field(index=True)
