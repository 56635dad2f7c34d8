"""Definitions as they are kept on disk between two runs of the hub."""

import hashlib

from msgspec import DecodeError, Raw, Struct, json

from hub.resources.tools import ServerSpec
from hub.upstream.mcp.definitions import checked
from hub.upstream.mcp.values import Era, ServerDefinitions


class _Kept(Struct):
    tools: list[Raw]
    prompts: list[Raw] = []
    resources: list[Raw] = []
    templates: list[Raw] = []
    instructions: str = ""
    server_info: Raw = Raw(b"{}")
    capabilities: Raw = Raw(b"{}")
    era: str = ""
    version: str = ""
    of: str = ""
    plain: bool = False
    common: bool = False


def identity(spec: ServerSpec) -> str:
    """What tells one server from another of the same name: its command or its address."""
    return hashlib.sha256(json.encode([spec.command, spec.url])).hexdigest()[:16]


def saved(definitions: ServerDefinitions, spec: ServerSpec) -> bytes:
    """What is kept."""
    return json.encode(
        _Kept(
            tools=[Raw(tool.raw) for tool in definitions.tools],
            prompts=[Raw(prompt.raw) for prompt in definitions.prompts],
            resources=[Raw(resource.raw) for resource in definitions.resources],
            templates=[Raw(template.raw) for template in definitions.templates],
            instructions=definitions.instructions,
            server_info=Raw(definitions.server_info),
            capabilities=Raw(definitions.capabilities),
            era=str(definitions.era or ""),
            version=definitions.version,
            of=identity(spec),
            plain=definitions.plain,
            common=definitions.common,
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
    listing = checked(kept.tools, kept.prompts, kept.resources, kept.templates)
    return ServerDefinitions(
        tools=listing.tools,
        prompts=listing.prompts,
        resources=listing.resources,
        templates=listing.templates,
        instructions=kept.instructions,
        server_info=bytes(kept.server_info),
        capabilities=bytes(kept.capabilities),
        era=Era(kept.era) if kept.era in set(Era) else None,
        version=kept.version,
        revision=1,
        rejected=listing.rejected,
        plain=kept.plain,
        common=kept.common,
    )
