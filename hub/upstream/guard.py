"""Which addresses the hub may connect to: public ones, unless an operator allowed private ones for an upstream."""

import errno
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

# IPv4 is public but for these; kept here, not left to the library, so that they do not change with it.
_NOT_PUBLIC_V4 = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    )
)  # fmt: skip
# IPv6 is not public but for global unicast, without the blocks that embed or tunnel other addresses, or document.
_GLOBAL_V6 = IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(IPv6Network(block) for block in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
# Blocks whose last four bytes are an IPv4 address: NAT64's own and local ones, and the old compatible addresses.
_LAST_IS_V4 = tuple(IPv6Network(block) for block in ("64:ff9b::/96", "64:ff9b:1::/48", "::/96"))
# Where clouds hand out credentials to whoever asks: never an upstream, whatever is allowed.
_METADATA = tuple(
    ip_network(block)
    for block in ("169.254.169.254/32", "169.254.170.2/32", "169.254.170.23/32", "100.100.100.200/32", "fd00:ec2::/32",
                  "168.63.129.16/32", "192.0.0.192/32")
)  # fmt: skip


class NotAllowed(OSError):
    """The address may not be connected to. Its text is the same for all addresses."""

    def __init__(self) -> None:
        super().__init__(errno.EACCES, "the address is not allowed")


def is_public(address: str) -> bool:
    """Whether `address` (an IP, maybe with a zone) is on the public internet and stands for nothing else."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        return ip in _GLOBAL_V6 and not any(ip in block for block in _NOT_PUBLIC_V6) and not is_metadata(address)
    return not any(ip in block for block in _NOT_PUBLIC_V4) and not is_metadata(address)


def is_metadata(address: str) -> bool:
    """Whether `address` is where a cloud serves credentials, also when it is embedded in another address."""
    ip = ip_address(address.partition("%")[0])
    reached: list[IPv4Address | IPv6Address] = [ip, *(_embedded(ip) if isinstance(ip, IPv6Address) else ())]
    return any(one in block for one in reached for block in _METADATA if block.version == one.version)


def _embedded(ip: IPv6Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses that packets to an IPv6 address may end at: mapped, translated (NAT64) or tunnelled."""
    for inner in (ip.ipv4_mapped, ip.sixtofour, ip.teredo[1] if ip.teredo else None):
        if inner is not None:
            yield inner
    if any(ip in block for block in _LAST_IS_V4):
        yield IPv4Address(int(ip) & 0xFFFFFFFF)


def check(address: str, private: bool) -> None:
    """Raise NotAllowed unless `address` may be connected to."""
    if is_metadata(address) or not (private or is_public(address)):
        raise NotAllowed
