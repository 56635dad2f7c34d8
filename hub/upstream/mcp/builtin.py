"""A server inside the hub: its tools are functions, its caller is known to them."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, cast

from msgspec import DecodeError, Raw, json

from hub import __version__
from hub.core.logs import get_logger
from hub.core.refusal import Refusal
from hub.upstream.mcp.definitions import checked
from hub.upstream.mcp.values import (
    Builtin,
    BuiltinTool,
    CallerContext,
    Era,
    RpcReply,
    ServerDefinitions,
    ServerState,
    ServerStatus,
)
from hub.upstream.mcp.wire import INVALID_PARAMS, LATEST_MODERN, METHOD_NOT_FOUND

log = get_logger(__name__)

_INFO = json.encode({"name": "hub", "version": __version__})
_members = json.Decoder(dict[str, Any])


class BuiltinServer:
    """One of the hub's own servers, under the name that its resource gives it. Always there."""

    def __init__(self, name: str, builtin: Builtin, seconds: float) -> None:
        self._name = name
        self._builtin = builtin
        self._seconds = seconds
        self._in_flight = 0
        listing = checked([Raw(json.encode(tool.definition)) for tool in builtin.tools.values()])
        self.definitions = ServerDefinitions(
            tools=listing.tools,
            instructions=builtin.instructions,
            server_info=_INFO,
            era=Era.MODERN,
            version=LATEST_MODERN,
            state=ServerState.READY,
            since=time.time(),
            revision=1,
            rejected=listing.rejected,
        )

    def status(self) -> ServerStatus:
        """How it does: well."""
        known = self.definitions
        return ServerStatus(
            name=self._name,
            transport="builtin",
            state=known.state,
            since=known.since,
            era=known.era,
            version=known.version,
            server_info=known.server_info,
            in_flight=self._in_flight,
            tools=len(known.tools),
            rejected=known.rejected,
        )

    async def request(self, method: str, params: bytes, caller: CallerContext) -> RpcReply:
        """Answer one request."""
        if method != "tools/call":
            return _error(METHOD_NOT_FOUND, f"there is no method '{method}' here")
        try:
            members = _members.decode(params)
        except (DecodeError, UnicodeDecodeError, RecursionError):
            return _error(INVALID_PARAMS, "the params are no JSON object")
        tool = self._builtin.tools.get(str(members.get("name")))
        arguments = members.get("arguments") or {}
        if tool is None or not isinstance(arguments, dict):
            return _error(INVALID_PARAMS, "there is no such tool, or its arguments are no object")
        self._in_flight += 1
        try:
            result = await self._run(tool, caller, cast("dict[str, Any]", arguments))
        finally:
            self._in_flight -= 1
        return RpcReply(result=json.encode(result), era=Era.MODERN)

    async def _run(self, tool: BuiltinTool, caller: CallerContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the tool answers; what goes wrong in it is an answer too, as with any other server."""
        try:
            async with asyncio.timeout(self._seconds):
                return await tool.run(caller.principal, arguments)
        except Refusal as refusal:
            return _failure(refusal.message)
        except TimeoutError:
            return _failure(f"the tool did not answer within {self._seconds:.3g} s")
        except Exception:
            log.exception("builtin_tool_failed", server=self._name, tool=tool.definition.get("name"))
            return _failure("the tool failed inside the hub; its log says why")


def _failure(text: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}], "isError": True}


def _error(code: int, message: str) -> RpcReply:
    return RpcReply(error=json.encode({"code": code, "message": message}), era=Era.MODERN)
