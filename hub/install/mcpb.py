"""A profile as an MCP bundle (`.mcpb`): what Claude Desktop installs by a double click, asking for the key itself.

The bundle's program carries the messages to the hub; it needs nothing but the Node.js that comes with Claude Desktop.
"""

import io
import json
import zipfile
from typing import Any

from hub.install import catalogs
from hub.install.bundle import entry_name
from hub.install.clients import folder
from hub.install.listing import Listing
from hub.install.marketplace import LICENSE
from hub.install.neutral import plain

_TIME = (2026, 1, 1, 0, 0, 0)  # the same profile is the same bytes
_PROGRAM = "server/index.js"


def manifest(listing: Listing) -> dict[str, Any]:
    """The bundle's `manifest.json`, version 0.3."""
    config: dict[str, Any] = {"command": "node", "args": [f"${{__dirname}}/{_PROGRAM}", listing.url]}
    asked: dict[str, Any] = {}
    if listing.needs_key:
        config["env"] = {"HUB_KEY": "${user_config.hub_key}"}
        about = "Your key of the hub. Make one on its install page."
        key = {"type": "string", "title": "Hub key", "description": about, "sensitive": True, "required": True}
        asked = {"user_config": {"hub_key": key}}
    return {
        "manifest_version": "0.3",
        "name": f"hub-{entry_name(listing.profile)}",
        "display_name": plain(listing.title, 100),
        "version": listing.version,
        "description": plain(catalogs.when(listing), 300),
        "author": {"name": "hub"},
        "license": "MIT-0",
        "homepage": f"{listing.hub_url}/install/{listing.profile}",
        "server": {"type": "node", "entry_point": _PROGRAM, "mcp_config": config},
        "tools": [{"name": tool.name, "description": plain(tool.about, 200)} for tool in listing.tools],
        "tools_generated": True,
        "compatibility": {"platforms": ["darwin", "win32", "linux"], "runtimes": {"node": ">=18.0.0"}},
        **asked,
    }


def bundle(listing: Listing) -> bytes:
    """The whole file."""
    program = folder() / "claude-desktop" / "bundle" / "index.js"
    files = {
        "manifest.json": json.dumps(manifest(listing), indent=2, ensure_ascii=False).encode() + b"\n",
        _PROGRAM: program.read_bytes(),
        "LICENSE": LICENSE,
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, _TIME), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()
