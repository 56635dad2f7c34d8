"""What the hub itself says to MCP clients, in either era."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from hub import __version__
from hub.edge.mcp.capabilities import capabilities
from hub.edge.mcp.envelope import INTERNAL, Object, RpcFault, is_object, object_of
from hub.edge.mcp.era import META, SUPPORTED
from hub.profile import Kind
from hub.tool_path import ToolPath, Visit
from hub.upstream import Era

_encode = msgspec.json.encode
_members = msgspec.json.Decoder(dict[str, Raw])
# How long a modern client may keep a list at most. Changes are announced, so this is only a backstop.
TTL_MS = 5000
GAPS = "hub/gaps"
REVISION = "hub/revision"
_SERVER_INFO = f"{META}serverInfo"


def server_info(visit: Visit) -> dict[str, str]:
    """Who the client talks to. The name is short and unique, since some clients put it before each tool's name."""
    return {"name": visit.view.name, "title": visit.title, "version": __version__}


def _gaps(visit: Visit) -> list[dict[str, Any]]:
    return [
        {"server": gap.server, "state": gap.state, "since": gap.since, "message": gap.message}
        for gap in visit.view.gaps
    ]


def initialized(path: ToolPath, visit: Visit, version: str) -> bytes:
    """The result of `initialize`."""
    result: dict[str, Any] = {
        "protocolVersion": version,
        "capabilities": capabilities(path.declared(visit), Era.LEGACY),
        "serverInfo": server_info(visit),
    }
    if visit.view.instructions:
        result["instructions"] = visit.view.instructions
    return _encode(result)


def discovered(path: ToolPath, visit: Visit) -> bytes:
    """The result of `server/discover`."""
    result: dict[str, Any] = {
        "supportedVersions": list(SUPPORTED),
        "capabilities": capabilities(path.declared(visit), Era.MODERN),
        "ttlMs": TTL_MS,
        "cacheScope": "private",
        "resultType": "complete",
        "_meta": {_SERVER_INFO: server_info(visit)},
    }
    if visit.view.instructions:
        result["instructions"] = visit.view.instructions
    return _encode(result)


def item_list(visit: Visit, kind: Kind, era: Era, page: bytes, cursor: str, ttl: float) -> bytes:
    """The result of a list that holds for `ttl` seconds: a page of it, from which a `cursor` leads on, or "".

    What is missing is named in `_meta`. Where everything is, that is an error: an empty list would be taken for
    a profile without tools. Raises RpcFault -32603.
    """
    gaps = _gaps(visit)
    if visit.view.is_lost:
        reasons = "; ".join(f"{gap['server']}: {gap['message']}" for gap in gaps)
        data = {"code": "upstream_error", "gaps": gaps}
        raise RpcFault(INTERNAL, f"No server of this profile can be reached. {reasons}"[:2000], status=200, data=data)
    meta: dict[str, Any] = {REVISION: visit.view.listed(visit.principal, kind).revision}
    if gaps:
        meta[GAPS] = gaps
    head = b'{"' + kind.encode() + b'":' + page
    if cursor:
        head += b',"nextCursor":' + _encode(cursor)
    if era is Era.MODERN:
        meta[_SERVER_INFO] = server_info(visit)
        head += b',"ttlMs":%d,"cacheScope":"private","resultType":"complete"' % (1000 * min(ttl, TTL_MS / 1000))
    return head + b',"_meta":' + _encode(meta) + b"}"


def relayed(
    result: bytes, visit: Visit, era: Era, *, cached: bool = False, edit: Callable[[Object], None] | None = None
) -> bytes:
    """A server's result for a client of `era`: only what belongs to the era and to the hub is touched.

    `resultType`, the server's identity and hints for a cache (which a `cached` result must have) exist in the
    modern era alone; everything else passes as it came. `edit` may change members of a modern result.
    """
    members: Object = _members.decode(result)
    if era is Era.LEGACY:
        return _legacy(result, members, cached=cached)
    members.setdefault("resultType", Raw(b'"complete"'))
    if edit is not None:
        edit(members)
    if cached and bytes(members["resultType"]) == b'"complete"':
        members["ttlMs"] = Raw(_ttl(members.get("ttlMs")))
        members["cacheScope"] = Raw(b'"private"')
    meta = members.get("_meta")
    own = object_of(meta) if is_object(meta) else {}
    own[_SERVER_INFO] = Raw(_encode(server_info(visit)))
    members["_meta"] = Raw(_encode(own))
    return _encode(members)


def _legacy(result: bytes, members: Object, *, cached: bool) -> bytes:
    inner = object_of(members.get("_meta"))
    hints = ("ttlMs", "cacheScope") if cached else ()
    if _SERVER_INFO not in inner and not any(name in members for name in ("resultType", *hints)):
        return result
    for name in ("resultType", *hints):
        members.pop(name, None)
    if inner.pop(_SERVER_INFO, None) is not None:
        members["_meta"] = Raw(_encode(inner))
        if not inner:
            del members["_meta"]
    return _encode(members)


def _ttl(given: Raw | None) -> bytes:
    """How long a client may keep what was read: what the server says, within reason; not at all when it says nothing."""
    digits = bytes(given or b"")
    return b"%d" % min(int(digits), TTL_MS) if digits.isdigit() and len(digits) < 16 else b"0"
