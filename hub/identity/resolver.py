"""Credentials in, grant out: who presents this key, if anyone."""

import time
from collections.abc import Callable

from msgspec.structs import replace

from hub.core.calls import Arrival, Credentials
from hub.core.principal import Principal
from hub.core.refusal import Forbidden, Unauthenticated
from hub.identity.access_tokens import PREFIX, AccessTokens
from hub.identity.keys import MAX_LENGTH, digest, is_mistyped
from hub.resources import principal_of_user
from hub.resources.snapshot import KeyGrant, Snapshot


class Identity:
    """Resolves credentials against a snapshot. Holds no state, so a revoked key ends with its snapshot.

    `tokens` reads the access tokens of programs that a user has signed in; without it there are none.
    """

    def __init__(self, now: Callable[[], float] = time.time, tokens: AccessTokens | None = None) -> None:
        self._now = now
        self._tokens = tokens

    def resolve(self, snapshot: Snapshot, credentials: Credentials) -> KeyGrant:
        """What the credential gives.

        The look-up is by SHA-256 of the whole credential, so its time tells nothing about any stored key.
        Raises Unauthenticated: `missing_key`, `invalid_key` or `expired_key`.
        """
        secret = credentials.secret
        if credentials.user and not secret:
            return self._signed_in(snapshot, credentials)
        if not secret:
            raise Unauthenticated(
                "missing_key", "No key was sent. Send it as 'Authorization: Bearer <key>' or in 'x-hub-key'."
            )
        if secret.startswith(PREFIX):
            return self._by_token(snapshot, credentials)
        if len(secret) > MAX_LENGTH:
            raise Unauthenticated("invalid_key", "This is not a key of this hub: it is too long.")
        grant = snapshot.keys.get(digest(secret))
        if grant is None:
            hint = (
                "It looks mistyped or cut short: its checksum is wrong."
                if is_mistyped(secret)
                else "It is unknown or was revoked. Make a new one with 'hub key create', or ask your administrator."
            )
            raise Unauthenticated("invalid_key", f"This key is not valid here. {hint}")
        if grant.ends_at is not None and grant.ends_at <= self._now():
            raise Unauthenticated("expired_key", f"The key '{grant.key}' has expired. Rotate it or make a new one.")
        self.check(snapshot, grant.principal, credentials.arrival)
        return grant

    def _by_token(self, snapshot: Snapshot, credentials: Credentials) -> KeyGrant:
        claims = self._tokens.read(credentials.secret) if self._tokens is not None else None
        if claims is None:
            raise Unauthenticated("expired_key", "This program's sign-in has ended. Let it sign in again.")
        if not claims.reach(credentials.arrival.path):
            raise Forbidden("forbidden", "A program that was signed in may not be here, only where it signed in for.")
        return self._signed_in(snapshot, replace(credentials, secret="", user=claims.user))

    def _signed_in(self, snapshot: Snapshot, credentials: Credentials) -> KeyGrant:
        spec = snapshot.users.get(credentials.user)
        if spec is None:
            raise Unauthenticated("invalid_key", "You are signed in no more. Sign in again.")
        principal = principal_of_user(credentials.user, spec, snapshot.teams)
        self.check(snapshot, principal, credentials.arrival)
        return KeyGrant("", principal)

    def check(self, snapshot: Snapshot, principal: Principal, arrival: Arrival) -> None:
        """Refuse who is stopped, and where a level of access has ended or does not let such a request in.

        Raises Unauthenticated `expired_key`, or Forbidden `forbidden`.
        """
        if snapshot.stops:
            _check_stops(snapshot, principal)
        if principal.ends_at is not None and principal.ends_at <= self._now():
            raise Unauthenticated("expired_key", f"The access of '{principal.id}' has ended. Ask an administrator.")
        if principal.conditions:
            objection = principal.objection(arrival)
            if objection:
                raise Forbidden("forbidden", f"'{principal.id}' {objection}. An administrator can change its access.")


def _check_stops(snapshot: Snapshot, principal: Principal) -> None:
    """A stopped key does nothing at all; whoever administers the hub is not locked out by the stop of a team."""
    scopes = [("key", principal.key)]
    if not principal.is_admin:
        scopes += [("user", principal.user), ("team", principal.team)]
    for scope in scopes:
        if scope in snapshot.stops:
            raise snapshot.stops[scope].refusal(scope)
