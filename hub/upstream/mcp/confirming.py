"""Calls that their caller's user has to agree to first: asked by elicitation, in either era."""

from collections.abc import Awaitable, Callable

from msgspec import UNSET, Raw, json
from msgspec.structs import replace

from hub.upstream.mcp.capabilities import lacks
from hub.upstream.mcp.parking import Parking
from hub.upstream.mcp.rounds import required
from hub.upstream.mcp.values import CallerContext, Era, RpcReply
from hub.upstream.mcp.wire import encode_object, parse_object

AGREED = "agreed:"  # the state of a call that its user has agreed to, where its server gave none
ELICIT = "elicitation/create"
_MOST_SHOWN = 1000  # characters of the arguments
_SCHEMA = {"type": "object", "properties": dict[str, object]()}
_DECLINED = "The user did not agree to this call. Do not send it again unless they ask for it."
_UNASKED = (
    "This tool is called only when its user agrees, and this client cannot ask them: it declares no elicitation. "
    "Use a client that does, or another tool."
)

Go = Callable[[CallerContext], Awaitable[RpcReply]]


def question(tool: str, arguments: bytes) -> bytes:
    """What the user is asked, as params of an elicitation; `arguments` are raw JSON."""
    shown = json.format(arguments, indent=0).decode("utf-8", "replace")
    cut = shown if len(shown) <= _MOST_SHOWN else f"{shown[:_MOST_SHOWN]}... ({len(shown)} characters)"
    return json.encode({"message": f"Call {tool} with {cut}?", "requestedSchema": _SCHEMA})


async def confirmed(asked: bytes, parking: Parking, caller: CallerContext, go: Go) -> RpcReply:
    """What `go(caller)` gives once the caller's user has agreed; else the result of a tool that failed.

    A modern caller is asked by an interim result, and the call waits for the next round.
    """
    if lacks(caller.capabilities, ELICIT) or (caller.era is Era.LEGACY and caller.ask is None):
        return RpcReply.failure(_UNASKED)
    if caller.ask is None:
        return await parking.begin(caller, lambda able: _asked(asked, able, replace(caller, notify=able.notify), go))
    return await _asked(asked, caller, caller, go)


async def _asked(asked: bytes, able: CallerContext, caller: CallerContext, go: Go) -> RpcReply:
    assert able.ask is not None
    reply = await able.ask(ELICIT, asked)
    answer = json.decode(reply.result or b"{}", type=dict[str, object])
    return await go(caller) if answer.get("action") == "accept" else RpcReply.failure(_DECLINED)


def agreed(reply: RpcReply) -> RpcReply:
    """The reply to a call that its user has agreed to: with a state where it asks for another round without one.

    By a state the next round is known to be one of that call. Raises UpstreamFailed.
    """
    asked = required(reply)
    if asked is None or asked.request_state is not UNSET:
        return reply
    members = {**parse_object(reply.result or b"{}"), "requestState": Raw(json.encode(AGREED))}
    return RpcReply(result=encode_object(members), era=reply.era, own=True)
