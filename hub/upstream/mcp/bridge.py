"""Answers of a server of one era for a caller of the other: errors and requests that only one of them knows."""

from typing import Any

from msgspec import Raw, json

from hub.upstream.mcp.capabilities import lacks
from hub.upstream.mcp.completions import URL_NEEDED, needed_in
from hub.upstream.mcp.rounds import missing_error
from hub.upstream.mcp.values import CallerContext, Era, RpcReply
from hub.upstream.mcp.wire import INVALID_PARAMS, MISSING_CAPABILITY, parse_error

NOT_FOUND = -32002
INTERNAL = -32603
AGAIN = "again:"  # the state of a request that is to be sent once more, as it was


def bridged(reply: RpcReply, method: str, caller: CallerContext) -> RpcReply:
    """The reply as the caller's era knows it; unchanged where the eras are the same, or agree."""
    if reply.error is None or reply.era is caller.era:
        return reply
    code = parse_error(reply.error).code
    if caller.era is Era.MODERN:
        return _for_modern(reply, code, caller)
    if code == INVALID_PARAMS and method == "resources/read":
        return RpcReply(error=_with_code(reply.error, NOT_FOUND), era=reply.era)
    if code == MISSING_CAPABILITY:
        return RpcReply(error=_with_code(reply.error, INTERNAL), era=reply.era)
    return reply


def _for_modern(reply: RpcReply, code: int, caller: CallerContext) -> RpcReply:
    error = reply.error or b""
    if code == NOT_FOUND:
        return RpcReply(error=_with_code(error, INVALID_PARAMS), era=reply.era)
    if code != URL_NEEDED:
        return reply
    missing = lacks(caller.capabilities, "elicitation/create", "url")
    requests = {} if missing else _url_requests(error)
    if not requests:
        return RpcReply(error=missing_error(missing or "elicitation.url"), era=reply.era)
    head = {"resultType": "input_required", "inputRequests": requests, "requestState": AGAIN}
    return RpcReply(result=json.encode(head), era=Era.MODERN, own=True)


def _url_requests(error: bytes) -> dict[str, Any]:
    """The URL elicitations that an error asks for, as requests of the modern era."""
    requests: dict[str, Any] = {}
    for number, params in enumerate(needed_in(error).elicitations[:16], 1):
        kept = {key: value for key, value in params.items() if key != "elicitationId"}
        requests[f"q{number}"] = {"method": "elicitation/create", "params": kept}
    return requests


def _with_code(error: bytes, code: int) -> bytes:
    """The same error under another code."""
    members = json.decode(error, type=dict[str, Raw])
    members["code"] = Raw(b"%d" % code)
    return json.encode(members)
