"""URIs of several servers in one profile: each gets its server's name, under its own scheme, and finds the way back."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import msgspec
import re2

_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(str).decode
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(//)?")
_EXPRESSION = re.compile(r"\{([+#./;?&]?)[^{}]*\}")
# What an expression of a URI template may become: a path or a query where it says so, else one segment.
_EXPANSIONS = {"": "[^/?#]*", "+": ".*", "#": ".*", "/": "(?:/.*)?", "?": "(?:[?].*)?", "&": "(?:&.*)?"}
_MOST_TEMPLATE = 2048
# A string, with the colon behind it where it is a member's name; or a bracket. Nothing else can hold a URI.
_TOKEN = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)"(\s*:)?|[{}\[\]]', re.DOTALL)
_CONTENT = r"(?:content|messages/\*/content)(?:/\*)?"
# Where a result holds a URI of its server. What a tool made (`structuredContent`) is not ours to touch.
_PLACES = re.compile(
    rf"(?:{_CONTENT}/uri|{_CONTENT}/resource/uri|contents/\*/uri"
    rf"|(?:{_CONTENT}/|{_CONTENT}/resource/|contents/\*/)?_meta/ui/resourceUri)"
)


@dataclass(frozen=True, slots=True)
class UriSpace:
    """The URIs of a profile. `servers` are those whose URIs carry their name: all, or none in an identity profile.

    A web address is its server's only where the server lists it (`web` pairs server and address): any other one
    is read from the web, and stays as it is.
    """

    servers: frozenset[str] = frozenset()
    web: frozenset[tuple[str, str]] = field(default_factory=frozenset[tuple[str, str]])

    def public(self, server: str, own: str) -> str:
        """What a client sees for a server's own URI (or template): `demo://x` becomes `demo://SERVER/x`."""
        found = _SCHEME.match(own)
        if server not in self.servers or found is None:
            return own
        if found.group(1).lower() in ("http", "https") and (server, own) not in self.web:
            return own
        return f"{found.group()}{server}/{own[found.end() :]}"

    def split(self, public: str) -> tuple[str, str] | None:
        """Server and own URI of a public one; None when it carries no server's name."""
        found = _SCHEME.match(public)
        if found is None:
            return None
        server, slash, rest = public[found.end() :].partition("/")
        if not slash or server not in self.servers:
            return None
        return server, found.group() + rest

    def within(self, server: str, data: bytes) -> bytes:
        """A result or a definition of a server (a JSON object) with its URIs made public; every other byte as it was.

        Nothing is read where it can hold no URI, so most results cost one search.
        """
        if server not in self.servers or (b'"uri"' not in data and b"esourceUri" not in data):
            return data
        return _rewritten(data, lambda own: self.public(server, own))


@lru_cache(maxsize=4096)
def template_matcher(template: str) -> Callable[[str], bool]:
    """Whether a URI may be an expansion of `template` (RFC 6570), in linear time."""
    if len(template) > _MOST_TEMPLATE:
        return lambda uri: False
    pattern, end = "", 0
    for expression in _EXPRESSION.finditer(template):
        pattern += re2.escape(template[end : expression.start()])
        pattern += _EXPANSIONS.get(expression.group(1), ".*")
        end = expression.end()
    try:
        compiled = re2.compile(pattern + re2.escape(template[end:]))
    except re2.error:
        return lambda uri: False
    return lambda uri: compiled.fullmatch(uri) is not None


def _rewritten(data: bytes, rewrite: Callable[[str], str]) -> bytes:
    parts: list[bytes] = []
    end = 0
    for start, stop in _places(data):
        own = _decode(data[start:stop])
        public = rewrite(own)
        if public != own:
            parts += (data[end:start], _encode(public))
            end = stop
    return b"".join((*parts, data[end:])) if parts else data


def _places(data: bytes) -> list[tuple[int, int]]:
    """Start and end of each text that holds a URI of the server."""
    found: list[tuple[int, int]] = []
    path: list[str] = []  # names of the members, or * in a list, of all that is open
    lists: list[bool] = []
    key = ""
    for token in _TOKEN.finditer(data):
        first = data[token.start()]
        if first == 0x22:  # a string
            name = token.group(1)
            if token.group(2) is not None:
                key = name.decode("utf-8", "replace") if len(name) < 64 else ""
            elif key in ("uri", "resourceUri", "ui/resourceUri") and not lists[-1] and _holds(path, key):
                found.append(token.span())
                key = ""
        elif first in b"{[":
            path.append("*" if lists and lists[-1] else key)
            lists.append(first == 0x5B)
            key = ""
        elif path:
            path.pop()
            lists.pop()
            key = ""
    return found


def _holds(path: list[str], key: str) -> bool:
    # The older, flat `ui/resourceUri` reads here like the newer, nested one.
    return _PLACES.fullmatch("/".join((*path[1:], key))) is not None
