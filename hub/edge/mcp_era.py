"""Which era a request belongs to, by its header and its body, and what the modern one demands of its headers."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from enum import Enum

from hub.edge.mcp_envelope import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    UNSUPPORTED_VERSION,
    Message,
    RpcFault,
    text_of,
)

MODERN = "2026-07-28"
LEGACY = ("2025-11-25", "2025-06-18", "2025-03-26")
SUPPORTED = (MODERN, *LEGACY)
BATCHING = "2025-03-26"
META = "io.modelcontextprotocol/"

_VERSION = b"mcp-protocol-version"
_ROUTING = (_VERSION, b"mcp-method", b"mcp-name")
_NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_MAX_HEADER = 4096


class Era(Enum):
    """The two families of the protocol."""

    LEGACY = "legacy"
    MODERN = "modern"


def check_single(headers: Sequence[tuple[bytes, bytes]]) -> None:
    """Refuse a routing header that comes twice. Raises RpcFault -32020."""
    names = [name for name, _ in headers if name in _ROUTING]
    for name in names:
        if names.count(name) > 1:
            raise RpcFault(HEADER_MISMATCH, f"The header {name.decode()} comes more than once.")


def era_of(headers: Mapping[bytes, bytes], message: Message) -> Era:
    """The era of one message.

    A body that names its protocol version in `_meta` is modern whatever the headers say; `initialize` and
    whatever belongs to a session are legacy; else the header decides, and without one it is legacy.
    Raises RpcFault -32022 for a version that nobody speaks.
    """
    if f"{META}protocolVersion" in message.meta:
        return Era.MODERN
    if message.method == "initialize" or b"mcp-session-id" in headers:
        return Era.LEGACY
    version = headers.get(_VERSION, b"").decode("latin-1")
    if not version or version in LEGACY or version == "2024-11-05":
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
    try:
        return base64.b64decode(text[9:-2], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise RpcFault(HEADER_MISMATCH, "A header's base64 value cannot be read.") from None


def check_modern(headers: Mapping[bytes, bytes], message: Message) -> None:
    """Check what every modern request says of itself, in its body and again in its headers.

    Raises RpcFault: -32602 (missing in `_meta`), -32022 (unknown version), -32020 (header missing or different).
    """
    meta = message.meta
    version = text_of(meta.get(f"{META}protocolVersion"))
    if not version:
        raise RpcFault(INVALID_PARAMS, f"params._meta lacks {META}protocolVersion.")
    if version != MODERN:
        raise unsupported(version)
    if not bytes(meta.get(f"{META}clientCapabilities", b"")).startswith(b"{"):
        raise RpcFault(INVALID_PARAMS, f"params._meta lacks {META}clientCapabilities.")
    _compare(headers, _VERSION, version)
    _compare(headers, b"mcp-method", message.method)
    named = _NAMED.get(message.method)
    if named is not None:
        _compare(headers, b"mcp-name", message.text(named))


def _compare(headers: Mapping[bytes, bytes], name: bytes, expected: str) -> None:
    value = headers.get(name)
    if value is None:
        raise RpcFault(HEADER_MISMATCH, f"The header {name.decode()} is missing.")
    if len(value) > _MAX_HEADER or decoded(value) != expected:
        raise RpcFault(HEADER_MISMATCH, f"The header {name.decode()} is not what the body says.")
