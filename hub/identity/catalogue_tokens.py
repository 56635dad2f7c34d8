"""Catalogue tokens: they read catalogues, marketplaces and the registry for a key, and can do nothing else.

    hubcat_<43 characters of URL-safe base 64>

Git clients write the address of a marketplace, with what is in it, in plain into their settings, so the key itself
must not stand there. The token is an HMAC keyed with the key's digest: whoever holds the key (or its digest, as the
hub does) can make it, nobody can turn it back, and it ends with the key.
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable

from hub.core.refusal import Unauthenticated
from hub.identity.keys import digest
from hub.resources.snapshot import KeyGrant, Snapshot

PREFIX = "hubcat_"
_PURPOSE = b"hub catalogue token, version 1"


def catalogue_token(key: str) -> str:
    """The catalogue token that goes with a key."""
    return _token(digest(key))


def _token(key_digest: bytes) -> str:
    mac = hmac.new(key_digest, _PURPOSE, hashlib.sha256).digest()
    return PREFIX + base64.urlsafe_b64encode(mac).decode().rstrip("=")


class CatalogueTokens:
    """Finds the grant of a catalogue token; the tokens of a snapshot are made once, when the first one is shown."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._made: dict[str, KeyGrant] = {}
        self._generation = -1

    def resolve(self, snapshot: Snapshot, token: str) -> KeyGrant:
        """What the token's key may use. Raises Unauthenticated `invalid_key`."""
        if snapshot.generation != self._generation:
            self._made = {_token(key_digest): grant for key_digest, grant in snapshot.keys.items()}
            self._generation = snapshot.generation
        grant = self._made.get(token)
        if grant is None or (grant.ends_at is not None and grant.ends_at <= self._now()):
            raise Unauthenticated(
                "invalid_key", "This catalogue token belongs to no key of this hub, or its key has ended."
            )
        return grant
