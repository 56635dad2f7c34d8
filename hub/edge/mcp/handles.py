"""Ids of legacy sessions: sealed, so that another replica, or the hub after a restart, can go on with the session."""

from msgspec import Struct

from hub.core.seals import Broken, Seals

SECONDS = 7 * 86_400.0  # how long a session can be gone on with, from its handshake
LONGEST = 4096  # characters of an id that is looked at
_MOST_CAPABILITIES = 2048  # bytes that fit into an id


class Handle(Struct, frozen=True):
    """What an id says: the session's revision, its client's capabilities (raw JSON), and the replica it was opened at.

    Capabilities that are too long for an id are b"": such a session exists only where it was opened.
    """

    version: str
    capabilities: bytes
    home: str = ""


class Handles:
    """Makes and reads ids. `home` is the address at which other replicas reach this one, "" for none."""

    def __init__(self, seals: Seals, home: str = "") -> None:
        self._seals = seals
        self._home = home

    def make(self, principal: str, profile: str, version: str, capabilities: bytes) -> str:
        """An id that never was, good for this principal at this profile only."""
        kept = capabilities.decode("utf-8", "surrogateescape") if len(capabilities) <= _MOST_CAPABILITIES else ""
        return self._seals.seal(_bound(principal, profile), f"{version}\n{self._home}\n{kept}", SECONDS)

    def read(self, identifier: str, principal: str, profile: str) -> Handle | None:
        """What an id says, or None for one that was not made for this principal and profile, or has expired."""
        if len(identifier) > LONGEST:
            return None
        try:
            version, home, capabilities = self._seals.open(_bound(principal, profile), identifier).split("\n", 2)
        except Broken:
            return None
        return Handle(version, capabilities.encode("utf-8", "surrogateescape"), home)


def _bound(principal: str, profile: str) -> bytes:
    return f"session\0{principal}\0{profile}".encode("utf-8", "surrogatepass")
