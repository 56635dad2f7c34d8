"""What goes wrong, as an MCP client reads it: refusals and servers' errors as JSON-RPC, with the status of its era."""

from collections.abc import Awaitable
from typing import Any

import msgspec
from msgspec import Struct

from hub.core.logs import get_logger
from hub.core.refusal import Refusal
from hub.edge.mcp.envelope import (
    INTERNAL,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    MISSING_CAPABILITY,
    PARSE_ERROR,
    REFUSED,
    RESOURCE_NOT_FOUND,
    Headers,
    Message,
    RpcFault,
    fault_bytes,
)
from hub.tool_path import ServerFailed
from hub.upstream import Era

log = get_logger(__name__)

# The status that the modern wire gives an error of a server; any other is an answer like each other one.
_STATUS = {
    PARSE_ERROR: 400,
    INVALID_REQUEST: 400,
    INVALID_PARAMS: 400,
    METHOD_NOT_FOUND: 404,
    MISSING_CAPABILITY: 400,
}
_UNKNOWN = frozenset({"tool_not_found", "prompt_not_found", "resource_not_found", "call_expired"})
_code = msgspec.json.Decoder(dict[str, Any])


class Response(Struct, frozen=True):
    """A response message, and the HTTP status and headers that it has when it stands alone."""

    status: int
    body: bytes
    headers: Headers = ()


def refused(refusal: Refusal, request_id: str, era: Era = Era.MODERN) -> RpcFault:
    """A refusal as JSON-RPC has it in its era: the stable code and how to go on in `data`.

    A server that failed is an internal error (-32603) of the answer, never a tool's result; it is named in `data`.
    """
    data: dict[str, Any] = {"code": refusal.code, "request_id": request_id}
    headers: list[tuple[bytes, bytes]] = []
    if refusal.retry_after is not None:
        data["retry_after"] = refusal.retry_after
        headers.append((b"retry-after", b"%d" % refusal.retry_after))
    if isinstance(refusal, ServerFailed):
        data |= {"server": refusal.server, "state": refusal.state}
        return RpcFault(INTERNAL, refusal.message, status=200, data=data)
    if refusal.code == "resource_not_found" and era is Era.LEGACY:
        return RpcFault(RESOURCE_NOT_FOUND, refusal.message, data=data)
    if refusal.code in _UNKNOWN:
        return RpcFault(INVALID_PARAMS, refusal.message, data=data)
    code = INVALID_PARAMS if refusal.status == 400 else REFUSED
    return RpcFault(code, refusal.message, status=refusal.status, data=data, headers=headers)


def relayed_error(error: bytes) -> RpcFault:
    """A server's own error, byte for byte, when it is one: a number as its code, and a message."""
    try:
        found = _code.decode(error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = {}
    code, message = found.get("code"), found.get("message")
    if not isinstance(code, int) or isinstance(code, bool) or not isinstance(message, str):
        return RpcFault(INTERNAL, "The server answered with an error that is not one of JSON-RPC.", status=200)
    return RpcFault(INTERNAL, "", status=_STATUS.get(code, 200), raw=error)


def unknown_method(method: str) -> RpcFault:
    """There is no such method."""
    return RpcFault(METHOD_NOT_FOUND, f"There is no method '{method}' here.", status=404)


async def responded(message: Message, work: Awaitable[bytes], era: Era, request_id: str) -> Response:
    """The response to a message, whatever becomes of `work`.

    Old clients take an HTTP error for one of the connection, so theirs is always 200.
    """
    try:
        return Response(200, await work)
    except RpcFault as error:
        fault = error
    except Refusal as refusal:
        fault = refused(refusal, request_id, era)
    except Exception:
        log.exception("a message failed", method=message.method, request_id=request_id)
        data = {"code": "internal", "request_id": request_id}
        fault = RpcFault(INTERNAL, "The hub failed on this message.", status=200, data=data)
    status = 200 if era is Era.LEGACY else fault.status
    return Response(status, fault_bytes(message.id, fault), fault.headers)
