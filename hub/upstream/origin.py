"""Where a URL leads: the host to connect to, and how a request for it begins on the wire."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from hub.core.refusal import UpstreamFailed

_PORTS = {"http": 80, "https": 443}
_TARGET = re.compile(r"[\x21-\x7e]*")
_HOST = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:%-]+")


class Origin(NamedTuple):
    """Whom to connect to. `host` is a name or an address without brackets."""

    host: str
    port: int
    tls: bool


@dataclass(frozen=True, slots=True)
class Place:
    """A URL taken apart: its origin, and the part of a request's head that names host and target."""

    origin: Origin
    target: str
    host_line: str


@lru_cache(maxsize=4096)
def place_of(url: str) -> Place:
    """Take a URL apart. Raises UpstreamFailed `upstream_error` when it is not one of http or https."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        ascii_host = host if host.isascii() else host.encode("idna").decode("ascii")
    except (ValueError, KeyError, UnicodeError):
        raise _not_a_url() from None
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    # urlsplit drops tabs and line breaks, so the text as it came is what is looked at.
    odd = not _TARGET.fullmatch(target) or any(ord(char) <= 0x20 for char in url)
    if not _HOST.fullmatch(ascii_host) or odd or "@" in parts.netloc:
        raise _not_a_url()
    shown = f"[{ascii_host}]" if ":" in ascii_host else ascii_host
    line = shown if port == _PORTS[parts.scheme] else f"{shown}:{port}"
    return Place(Origin(ascii_host, port, parts.scheme == "https"), target, line)


def _not_a_url() -> UpstreamFailed:
    return UpstreamFailed("upstream_error", "The upstream's address is not a correct URL: check base_url.")
