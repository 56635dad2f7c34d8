"""Whether an address that a call names is a profile of this hub."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from hub.core.calls import ModelRequest
from hub.core.refusal import Malformed
from hub.core.values import a_text

_PATH = re.compile(r"/mcp/([^/?#]+)/?")
_MODE = re.compile(r"mode=([a-z]{1,20})")


class Place(Struct, frozen=True):
    """A profile, and the mode in which its tools are wanted, or ""."""

    profile: str
    mode: str = ""


def place_of(given: dict[str, Any], url_field: str, authorities: Iterable[str]) -> Place | None:
    """The profile that an entry names, by `profile` or by its address at this hub; None for somebody else's server.

    Raises Malformed when `profile` is no name.
    """
    if "profile" in given:
        name = given["profile"]
        if not isinstance(name, str) or not name or len(name) > 64:
            raise Malformed("malformed", "The field 'profile' is the name of a profile of this hub.")
        return Place(name)
    parts = urlsplit(a_text(given.get(url_field))[:2048])
    found = _PATH.fullmatch(parts.path)
    if found is None or (parts.netloc and parts.netloc.lower() not in authorities):
        return None
    mode = _MODE.fullmatch(parts.query)
    return Place(found[1], mode[1] if mode else "")


def authorities_of(request: ModelRequest, public_url: str) -> frozenset[str]:
    """The names by which this hub is addressed: as the caller does now, and its public one."""
    return frozenset({request.credentials.arrival.header("host").lower(), urlsplit(public_url).netloc.lower()} - {""})
