"""The profiles as an MCP registry (v0.1) tells of servers: what VS Code's gallery shows, and an allow-list reads."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from hub.core.refusal import Malformed, NotFound
from hub.install import catalogs
from hub.install.listing import Listing
from hub.install.neutral import plain

OFFICIAL = "io.modelcontextprotocol.registry/official"
_PUBLISHER = "io.modelcontextprotocol.registry/publisher-provided"
MOST = 100


def server_name(listing: Listing) -> str:
    """A profile's name in the registry: the host reversed, a slash, the profile (`com.example.hub/engineering`)."""
    host = urlsplit(listing.url).hostname or "localhost"
    try:
        address = ip_address(host)
    except ValueError:
        reversed_host = ".".join(reversed(host.split(".")))
    else:
        reversed_host = "localhost" if address.is_loopback else "ip." + str(address).replace(":", "-").replace(".", "-")
    return f"{reversed_host}/{listing.profile}"


def entry(listing: Listing) -> dict[str, Any]:
    """One server with what the registry knows of it. The tool table is its details page."""
    remote: dict[str, Any] = {"type": "streamable-http", "url": listing.url}
    if listing.needs_key:
        variable = {"description": "Your key of the hub", "isRequired": True, "isSecret": True}
        header = {"name": "Authorization", "description": "Your key of the hub", "isRequired": True, "isSecret": True}
        remote["headers"] = [{**header, "value": "Bearer {hub_token}", "variables": {"hub_token": variable}}]
    server = {
        "name": server_name(listing),
        "title": plain(listing.title, 100),
        "description": plain(catalogs.when(listing), 100),
        "version": listing.version,
        "websiteUrl": f"{listing.hub_url}/install/{listing.profile}",
        "icons": [{"src": f"{listing.hub_url}/static/hub.svg", "mimeType": "image/svg+xml", "sizes": ["any"]}],
        "remotes": [remote],
        "_meta": {_PUBLISHER: {"github": {"readme": catalogs.page(listing)}}},
    }
    times = {"publishedAt": listing.updated, "updatedAt": listing.updated}
    return {"server": server, "_meta": {OFFICIAL: {"status": "active", **times, "isLatest": True}}}


def page(listings: Sequence[Listing], query: Mapping[str, str]) -> dict[str, Any]:
    """`GET /servers`: one page. `query` may hold limit, cursor (the last name), search and version. Raises Malformed."""
    limit = query.get("limit", "30")
    if not limit.isdecimal() or len(limit) > 4 or int(limit) < 1:
        raise Malformed("malformed", f"limit is a number from 1 to {MOST}.")
    words = query.get("search", "")[:200].lower().split()
    cursor = query.get("cursor", "")
    version = query.get("version", "latest")
    meant = [one for one in listings if version in ("", "latest", one.version) and _matches(one, words)]
    named = sorted(((server_name(one), one) for one in meant), key=lambda pair: pair[0])
    rest = [one for name, one in named if name > cursor]
    found = rest[: min(int(limit), MOST)]
    metadata: dict[str, Any] = {"count": len(found)}
    if len(rest) > len(found):
        metadata["nextCursor"] = server_name(found[-1])
    return {"servers": [entry(one) for one in found], "metadata": metadata}


def _matches(listing: Listing, words: Sequence[str]) -> bool:
    tools = " ".join(tool.name for tool in listing.tools)
    text = f"{server_name(listing)} {listing.title} {listing.description} {tools}".lower()
    return all(word in text for word in words)


def one(listings: Sequence[Listing], name: str, version: str) -> dict[str, Any]:
    """`GET /servers/{name}/versions/{version}`: the present one is the only one. Raises NotFound."""
    found = next((listing for listing in listings if server_name(listing) == name), None)
    if found is None or version not in ("latest", found.version):
        raise NotFound("not_found", f"There is no server '{name[:100]}' of that version here.")
    return entry(found)
