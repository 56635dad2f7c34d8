"""A server inside the hub: its tools are functions, its caller is known to them."""

from collections.abc import Mapping
from typing import Any

from msgspec import DecodeError, Raw, json

from hub import __version__
from hub.core.refusal import Refusal
from hub.upstream.mcp_definitions import Listing, checked
from hub.upstream.mcp_values import Builtin, CallerContext, Era, RpcReply
from hub.upstream.mcp_wire import INVALID_PARAMS, LATEST_MODERN, METHOD_NOT_FOUND

SERVER_INFO = json.encode({"name": "hub", "version": __version__})
VERSION = LATEST_MODERN
_decode = json.Decoder(dict[str, Any]).decode


def listing(builtin: Builtin) -> Listing:
    """What the server offers."""
    return checked([json.decode(json.encode(tool.definition), type=Raw) for tool in builtin.tools.values()])


async def answer(builtin: Builtin, method: str, params: bytes, caller: CallerContext) -> RpcReply:
    """Answer one request."""
    if method != "tools/call":
        return _error(METHOD_NOT_FOUND, f"there is no method '{method}' here")
    try:
        members = _decode(params)
    except (DecodeError, RecursionError):
        return _error(INVALID_PARAMS, "the params are no JSON object")
    tool = builtin.tools.get(str(members.get("name")))
    arguments = members.get("arguments") or {}
    if tool is None or not isinstance(arguments, dict):
        return _error(INVALID_PARAMS, "there is no such tool, or its arguments are no object")
    try:
        result: Mapping[str, Any] = await tool.run(caller.principal, arguments)
    except Refusal as refusal:
        result = {"content": [{"type": "text", "text": refusal.message}], "isError": True}
    return RpcReply(result=json.encode(result), era=Era.MODERN)


def _error(code: int, message: str) -> RpcReply:
    return RpcReply(error=json.encode({"code": code, "message": message}), era=Era.MODERN)
