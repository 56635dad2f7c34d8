"""Who really called, behind a reverse proxy: what trusted proxies say about their clients, and nobody else."""

from collections.abc import Iterable, MutableMapping
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

Network = IPv4Network | IPv6Network


class Proxies:
    """The proxies whose `x-forwarded-for` and `x-forwarded-proto` count, as addresses or networks.

    `x-forwarded-host`, `forwarded` and `x-real-ip` never count: a proxy passes the Host on, or `public_url` names it.
    """

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        self._networks: tuple[Network, ...] = tuple(ip_network(entry, strict=False) for entry in trusted)
        self._trusts = lru_cache(maxsize=1024)(self._lies_within)

    def _lies_within(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)

    def apply(self, scope: MutableMapping[str, Any]) -> None:
        """Correct `client` and `scheme` of a scope whose peer is a trusted proxy."""
        client = scope.get("client")
        if not self._networks or client is None or not self._trusts(client[0]):
            return
        hops: list[str] = []
        for name, value in scope["headers"]:
            if name == b"x-forwarded-for":
                hops += value.decode("latin-1").split(",")
            elif name == b"x-forwarded-proto":
                proto = value.decode("latin-1").rpartition(",")[2].strip().lower()
                if proto in ("http", "https"):
                    scope["scheme"] = proto
        found = self._right_most_untrusted(hops)
        if found:
            scope["client"] = (found, 0)

    def _right_most_untrusted(self, hops: list[str]) -> str:
        """Each proxy appends who called it, so the last entry that is no proxy of ours is the client."""
        found = ""
        for hop in reversed(hops):
            try:
                address = str(ip_address(hop.strip().strip("[]")))
            except ValueError:
                break
            found = address
            if not self._trusts(address):
                break
        return found
