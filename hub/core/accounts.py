"""Accounts at other people's services: what a sign-in there gave the hub, and for whom."""

from msgspec import Struct

from hub.core.refusal import UpstreamFailed

SHARED = "hub"  # the owner of an account that all callers share
ANY = "*"  # whichever account there is, to see what a server offers


class SignInNeeded(UpstreamFailed):
    """A server wants somebody to sign in, which only they can do, in a browser."""

    status = 403

    def __init__(self, server: str, message: str) -> None:
        super().__init__("sign_in_needed", message)
        self.server = server


class Registration(Struct, frozen=True):
    """What the hub is called at an authorization server. `method` is how it proves that: none, or with its secret."""

    client_id: str
    client_secret: str = ""
    method: str = "none"

    def __repr__(self) -> str:
        """Never shows the secret."""
        return f"Registration({self.client_id!r})"


class Tokens(Struct, frozen=True):
    """What a sign-in gave. `expires_at` is in seconds since the epoch, 0 when nobody said."""

    access: str
    refresh: str = ""
    expires_at: float = 0.0
    issued_at: float = 0.0
    scope: str = ""

    def __repr__(self) -> str:
        """Never shows a token."""
        return "Tokens(...)"


class Account(Struct, frozen=True):
    """One account: whose it is (`owner`: `user:NAME`, or `hub`) at which `server`, and how its tokens are renewed.

    `error` says why somebody has to sign in again, "" while nobody has; `wanted` are scopes that the server has asked for
    since. `version` grows with each change.
    """

    server: str
    owner: str
    issuer: str
    resource: str
    token_endpoint: str
    registration: Registration
    tokens: Tokens
    error: str = ""
    wanted: str = ""
    version: int = 0
    connected_at: str = ""


def owner_of(user: str) -> str:
    """The owner of a person's accounts."""
    return f"user:{user}"
