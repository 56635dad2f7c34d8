"""Programs that may sign in: which they are, and where the browser may be sent back to.

A program that registers itself (RFC 7591) gets an id that holds what it said, sealed: nothing is stored for it, so that
nobody can fill anything up. All are public clients: they have no secret, and prove themselves by PKCE.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from hub.core.seals import Broken, Seals
from hub.core.values import a_list, a_text

_PREFIX = "hubc_"
_BOUND = b"oauth client"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_MOST_REDIRECTS = 10
_LONGEST = 512
# Schemes of programs on the user's own machine; a scheme with a dot names its owner's domain (RFC 8252).
_PRIVATE = frozenset(
    {
        "cursor", "vscode", "vscode-insiders", "vscodium", "windsurf", "kiro", "zed", "claude", "codex", "goose",
        "lmstudio", "jetbrains", "trae", "warp", "raycast", "chatgpt",
    }
)  # fmt: skip
_SCHEME = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+")


class Client(Struct, frozen=True):
    """A program. `any_loopback` lets it be sent back to any path on the user's own machine."""

    id: str
    title: str
    redirects: tuple[str, ...] = ()
    any_loopback: bool = False

    def takes(self, redirect: str) -> bool:
        """Whether the browser may be sent there: exactly where it said, but for the port on the user's own machine."""
        if len(redirect) > _LONGEST:
            return False
        if redirect in self.redirects:
            return True
        place = _loopback(redirect)
        return place is not None and (self.any_loopback or any(_loopback(one) == place for one in self.redirects))


# Programs that cannot register themselves and come with an id of their own.
KNOWN: Mapping[str, Client] = {
    "codex": Client("codex", "Codex", any_loopback=True),
    "claude-code": Client("claude-code", "Claude Code", any_loopback=True),
    "hub-cli": Client("hub-cli", "hub", any_loopback=True),
}


class Clients:
    """Registers programs, and finds them again."""

    def __init__(self, seals: Seals) -> None:
        self._seals = seals

    def find(self, identifier: str) -> Client | None:
        """The program of that id."""
        known = KNOWN.get(identifier)
        if known is not None or not identifier.startswith(_PREFIX) or len(identifier) > 8 * _LONGEST:
            return known
        try:
            said = self._seals.named(_BOUND, identifier.removeprefix(_PREFIX))
            title, redirects = msgspec.json.decode(said, type=tuple[str, tuple[str, ...]])
        except (Broken, msgspec.MsgspecError):
            return None
        return Client(identifier, title, redirects)

    def register(self, said: Mapping[str, Any]) -> Client:
        """The program that says this of itself. Raises ValueError, in words for its author."""
        redirects = tuple(map(a_text, a_list(said.get("redirect_uris"))))
        if not 1 <= len(redirects) <= _MOST_REDIRECTS:
            raise ValueError(f"redirect_uris is a list of 1 to {_MOST_REDIRECTS} addresses")
        for one in redirects:
            check_redirect(one)
        method = said.get("token_endpoint_auth_method", "none")
        if method != "none":
            raise ValueError("token_endpoint_auth_method is none: programs have no secret here, they use PKCE")
        title = a_text(said.get("client_name")).strip()[:80]
        title = title if title.isprintable() and title else "A program"
        sealed = self._seals.name(_BOUND, msgspec.json.encode((title, redirects)).decode())
        return Client(_PREFIX + sealed, title, redirects)


def check_redirect(uri: str) -> None:
    """Refuse an address that must never get a code. Raises ValueError."""
    parts = urlsplit(uri)
    good = len(uri) <= _LONGEST and uri.isascii() and uri.isprintable() and not parts.fragment and not parts.username
    scheme = parts.scheme
    if scheme == "https":
        good = good and bool(parts.hostname)
    elif scheme == "http":
        good = good and parts.hostname in _LOOPBACK
    else:
        good = good and (scheme in _PRIVATE or _SCHEME.fullmatch(scheme) is not None)
    if not good:
        raise ValueError(
            f"'{uri[:100]}' is no redirect address: it is https, http on the user's own machine, or a program's scheme"
        )


def _loopback(uri: str) -> tuple[str, str, str] | None:
    """An address on the user's own machine without its port; None for any other."""
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return None
    if parts.scheme != "http" or parts.hostname not in _LOOPBACK or parts.username or parts.fragment:
        return None
    return parts.hostname, parts.path, parts.query
