"""The documents of OAuth as a client reads them, each checked: nothing that a server says about itself is believed twice.

Sources: RFC 9728 (protected resources), RFC 8414 and OpenID Connect Discovery (authorization servers), RFC 7591
(registration), RFC 6749 and RFC 9207 (answers), MCP 2026-07-28 `basic/authorization`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import TypeVar
from urllib.parse import urlsplit

from msgspec import DecodeError, Struct, ValidationError, field, json

from hub.core.refusal import UpstreamFailed

T = TypeVar("T")
_PARAMETER = re.compile(r'([A-Za-z_]{1,64})\s*=\s*(?:"((?:[^"\\]|\\.){0,2048})"|([^\s,"]{1,2048}))')
_LOCAL = ("127.0.0.1", "::1", "localhost")


class Resource(Struct, frozen=True):
    """What a protected resource says of itself."""

    resource: str = ""
    authorization_servers: list[str] = []
    scopes_supported: list[str] = []


class Issuer(Struct, frozen=True):
    """What an authorization server says of itself."""

    issuer: str
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    registration_endpoint: str = ""
    revocation_endpoint: str = ""
    scopes_supported: list[str] = []
    code_challenge_methods_supported: list[str] = []
    token_endpoint_auth_methods_supported: list[str] = field(default_factory=lambda: ["client_secret_basic"])
    client_id_metadata_document_supported: bool = False
    authorization_response_iss_parameter_supported: bool = False


class Registered(Struct, frozen=True):
    """The answer to a registration."""

    client_id: str
    client_secret: str = ""
    token_endpoint_auth_method: str = ""


class Granted(Struct, frozen=True):
    """The answer of a token endpoint."""

    access_token: str
    token_type: str = "bearer"  # noqa: S105 - the kind of a token
    expires_in: float | None = None
    refresh_token: str = ""
    scope: str | None = None


class Denied(Struct, frozen=True):
    """The refusal of a token endpoint."""

    error: str = ""


def document(body: bytes, kind: type[T]) -> T:
    """A document as `kind`. Raises UpstreamFailed `upstream_protocol`."""
    try:
        return json.decode(body, type=kind, strict=False)
    except (DecodeError, ValidationError, UnicodeDecodeError, RecursionError) as error:
        what = kind.__name__.lower()
        raise UpstreamFailed("upstream_protocol", f"its sign-in gave no correct {what} document: {error}") from error


def challenge(header: str) -> Mapping[str, str]:
    """The parameters of `www-authenticate: Bearer ...`."""
    if not header[:6].lower().startswith("bearer"):
        return {}
    return {found[1].lower(): found[2] or found[3] or "" for found in _PARAMETER.finditer(header[6:8192])}


def resource_urls(url: str) -> Iterator[str]:
    """Where a resource may describe itself: below its path, then at the root."""
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}/.well-known/oauth-protected-resource"
    path = parts.path.rstrip("/")
    if path:
        yield origin + path
    yield origin


def issuer_urls(issuer: str) -> Iterator[str]:
    """Where an authorization server may describe itself, in the order of the specification."""
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    yield f"{origin}/.well-known/oauth-authorization-server{path}"
    yield f"{origin}/.well-known/openid-configuration{path}"
    if path:
        yield f"{origin}{path}/.well-known/openid-configuration"


def covers(resource: str, url: str) -> bool:
    """Whether a resource's own name is that of `url`, or of something that it lies in."""
    if not same_origin(resource, url):
        return False
    named, meant = urlsplit(resource), urlsplit(url)
    path = named.path.rstrip("/")
    return meant.path == path or meant.path.rstrip("/") == path or meant.path.startswith(f"{path}/")


def same_origin(one: str, other: str) -> bool:
    """Whether two addresses are of one server."""
    first, second = urlsplit(one), urlsplit(other)
    return (first.scheme.lower(), first.netloc.lower()) == (second.scheme.lower(), second.netloc.lower())


def check_endpoint(url: str, what: str, *, private: bool) -> str:
    """An address that secrets may be sent to: https, or http where private networks are allowed. Raises UpstreamFailed."""
    parts = urlsplit(url)
    plain = parts.scheme == "http" and (private or parts.hostname in _LOCAL)
    if not parts.hostname or (parts.scheme != "https" and not plain):
        raise UpstreamFailed("upstream_protocol", f"its sign-in names no https address as {what}")
    return url
