"""Definitions as they are kept on disk between two runs of the hub."""

import hashlib

from msgspec import DecodeError, Raw, Struct, json

from hub.resources.tools import ServerSpec
from hub.upstream.mcp_definitions import checked
from hub.upstream.mcp_values import Era, ServerDefinitions


class _Kept(Struct):
    tools: list[Raw]
    instructions: str = ""
    server_info: Raw = Raw(b"{}")
    capabilities: Raw = Raw(b"{}")
    era: str = ""
    version: str = ""
    of: str = ""


def identity(spec: ServerSpec) -> str:
    """What tells one server from another of the same name: its command or its address."""
    return hashlib.sha256(json.encode([spec.command, spec.url])).hexdigest()[:16]


def saved(definitions: ServerDefinitions, spec: ServerSpec) -> bytes:
    """What is kept."""
    return json.encode(
        _Kept(
            [Raw(tool.raw) for tool in definitions.tools],
            definitions.instructions,
            Raw(definitions.server_info),
            Raw(definitions.capabilities),
            str(definitions.era or ""),
            definitions.version,
            identity(spec),
        )
    )


def restored(content: bytes, spec: ServerSpec) -> ServerDefinitions | None:
    """What was kept; None when it cannot be read any more, or was another server's."""
    try:
        kept = json.decode(content, type=_Kept)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if kept.of != identity(spec):
        return None
    listing = checked(kept.tools)
    return ServerDefinitions(
        tools=listing.tools,
        instructions=kept.instructions,
        server_info=bytes(kept.server_info),
        capabilities=bytes(kept.capabilities),
        era=Era(kept.era) if kept.era in set(Era) else None,
        version=kept.version,
        revision=1,
        rejected=listing.rejected,
    )
