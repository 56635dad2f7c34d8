"""Which era a request belongs to, by its header and its body, and what the modern one demands of its headers."""

import base64
import binascii
from collections.abc import Mapping

from hub.edge.mcp.envelope import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    UNSUPPORTED_VERSION,
    Headers,
    Message,
    RpcFault,
    is_object,
    text_of,
)
from hub.upstream import NAMED_BY, Era

MODERN = "2026-07-28"
LEGACY = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
SUPPORTED = (MODERN, *LEGACY)
BATCHING = "2025-03-26"
META = "io.modelcontextprotocol/"

_VERSION = b"mcp-protocol-version"
_ROUTING = (_VERSION, b"mcp-method", b"mcp-name")
_MAX_HEADER = 4096


def check_single(headers: Headers, fields: Mapping[bytes, bytes]) -> None:
    """Refuse a routing header that comes twice; `fields` are the same headers by name. Raises RpcFault -32020."""
    if len(fields) == len(headers):
        return
    names = [name for name, _ in headers if name in _ROUTING]
    for name in names:
        if names.count(name) > 1:
            raise RpcFault(HEADER_MISMATCH, f"The header {name.decode()} comes more than once.")


def is_modern(message: Message) -> bool:
    """Whether the body itself says that it is modern."""
    return f"{META}protocolVersion" in message.meta


def era_of(headers: Mapping[bytes, bytes], message: Message) -> Era:
    """The era of one message.

    A body that names its protocol version in `_meta` is modern whatever the headers say, `initialize` is legacy;
    else the header decides, and without one it is legacy. Raises RpcFault -32022 for a version that nobody speaks.
    """
    if is_modern(message):
        return Era.MODERN
    version = headers.get(_VERSION, b"").decode("latin-1")
    if message.method == "initialize" or not version or version in LEGACY:
        return Era.LEGACY
    if version == MODERN:
        return Era.MODERN
    raise unsupported(version)


def unsupported(version: str) -> RpcFault:
    """The fault that names every version spoken here."""
    data = {"supported": list(SUPPORTED), "requested": version[:64]}
    return RpcFault(UNSUPPORTED_VERSION, "This protocol version is not spoken here.", data=data)


def decoded(value: bytes) -> str:
    """A header's value; `=?base64?...?=` holds what cannot stand in a header as it is. Raises RpcFault -32020."""
    text = value.decode("latin-1").strip(" \t")
    if not (text.startswith("=?base64?") and text.endswith("?=")):
        return text
    wrapped = text[9:-2]
    try:
        plain = base64.b64decode(wrapped, validate=True)
        if base64.b64encode(plain).decode() == wrapped:
            return plain.decode()
    except (binascii.Error, UnicodeDecodeError):
        pass  # refused like one that is not in canonical form
    raise RpcFault(HEADER_MISMATCH, "A header's base64 value cannot be read.")


def check_modern(headers: Mapping[bytes, bytes], message: Message) -> None:
    """Check what every modern request says of itself, in its body and again in its headers.

    Raises RpcFault: -32602 (missing in `_meta`), -32020 (header missing or different), -32022 (unknown version).
    """
    version = text_of(message.meta.get(f"{META}protocolVersion"))
    if not version:
        raise RpcFault(INVALID_PARAMS, f"params._meta lacks {META}protocolVersion.")
    if not is_object(message.meta.get(f"{META}clientCapabilities")):
        raise RpcFault(INVALID_PARAMS, f"params._meta lacks {META}clientCapabilities.")
    _compare(headers, _VERSION, version)
    if version != MODERN:
        raise unsupported(version)
    _compare(headers, b"mcp-method", message.method)
    named = NAMED_BY.get(message.method)
    if named is not None:
        _compare(headers, b"mcp-name", message.text(named))


def _compare(headers: Mapping[bytes, bytes], name: bytes, expected: str) -> None:
    value = headers.get(name)
    if value is None:
        raise RpcFault(HEADER_MISMATCH, f"The header {name.decode()} is missing.")
    if len(value) > _MAX_HEADER or decoded(value) != expected:
        raise RpcFault(HEADER_MISMATCH, f"The header {name.decode()} is not what the body says.")
