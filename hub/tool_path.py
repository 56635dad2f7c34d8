"""A tool call, straight through: who, recorded, admitted, which tool, relayed, settled."""

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Raw

from hub.catalogue import Catalogue
from hub.core.calls import Credentials, ToolCall
from hub.core.entry import AttemptRecord
from hub.core.principal import EVERYTHING, NOTHING, Access, Principal
from hub.core.refusal import Forbidden, Malformed, NotFound, Refusal
from hub.core.usage import Usage
from hub.identity import Identity
from hub.ledger import Ledger, Record
from hub.policy import Policy
from hub.profile import ProfileView, Tool
from hub.resources import Snapshot
from hub.upstream import CallerContext, RpcReply, ServerDefinitions, Servers

ONE_CALL = Usage(tool_calls=1)
# Whoever comes to a profile with `security: none` and shows no key.
OPEN_PROFILE = Principal("anonymous", "anonymous", access=(Access(NOTHING, NOTHING, EVERYTHING),))
MAX_DEPTH = 64
_object = msgspec.json.Decoder(dict[str, Raw])
_flag = msgspec.json.Decoder(dict[str, Raw])


@dataclass(frozen=True, slots=True)
class Visit:
    """A caller at a profile, for one request: who they are, what they see, and the snapshot that says so."""

    principal: Principal
    view: ProfileView
    snapshot: Snapshot
    title: str


class ToolPath:
    """The stages of a tool call, in their order."""

    def __init__(
        self,
        *,
        identity: Identity,
        policy: Policy,
        ledger: Ledger,
        catalogue: Catalogue[ServerDefinitions, ProfileView],
        servers: Servers,
        snapshots: Callable[[], Snapshot],
    ) -> None:
        self._identity = identity
        self._policy = policy
        self._ledger = ledger
        self._catalogue = catalogue
        self._servers = servers
        self._snapshots = snapshots

    def visit(self, profile: str, credentials: Credentials) -> Visit:
        """Let a caller in to a profile.

        Raises NotFound `profile_not_found` (also where they may not know of it), or Unauthenticated.
        """
        snapshot = self._snapshots()
        spec = snapshot.profiles.get(profile)
        principal = OPEN_PROFILE
        if spec is None or spec.security == "key" or credentials.secret:
            principal = self._identity.resolve(snapshot, credentials).principal
        view = self._catalogue.view(snapshot, profile)
        if spec is None or view is None or not (spec.security == "none" or principal.may_use_profile(profile)):
            raise NotFound("profile_not_found", f"There is no profile '{profile[:64]}' that this key may use.")
        return Visit(principal, view, snapshot, spec.title or profile)

    def listen(self, profile: str, listener: Callable[[], None]) -> Callable[[], None]:
        """Be told when the visible list of a profile changes; returns how to stop that."""
        return self._catalogue.listen(profile, listener)

    async def call(self, visit: Visit, call: ToolCall, caller: CallerContext) -> RpcReply:
        """Call one tool. The server's answer comes back as it is, result or error.

        Raises Refusal: `tool_not_found`, `tool_not_allowed`, what the policy says, or how the server failed.
        """
        async with AsyncExitStack() as stack:
            record = await stack.enter_async_context(self._ledger.record(visit.principal, call))
            tool = self._tool(visit, call)
            record.server, record.tool = tool.server, tool.own
            params = _params(call, tool)
            decision = self._policy.admit(visit.principal, call, server=tool.server, tool=tool.own)
            await stack.enter_async_context(decision)
            record.findings = decision.findings
            reply = await self._relay(tool, params, caller, record)
            decision.settle(ONE_CALL, 0)
            return reply

    def _tool(self, visit: Visit, call: ToolCall) -> Tool:
        tool = visit.view.find(call.tool)
        if tool is None:
            raise NotFound("tool_not_found", f"There is no tool '{call.tool[:128]}' in profile '{visit.view.name}'.")
        if not visit.principal.may_use_tool(f"{tool.server}/{tool.own}"):
            raise Forbidden(
                "tool_not_allowed", f"This key may not call '{call.tool}'. Ask for access to {tool.server}/{tool.own}."
            )
        return tool

    async def _relay(self, tool: Tool, params: bytes, caller: CallerContext, record: Record) -> RpcReply:
        try:
            reply = await self._servers.request(tool.server, "tools/call", params, caller=caller)
        except Refusal as refusal:
            record.attempt(AttemptRecord(tool.server, refusal.code, refusal.status, error=refusal.message))
            raise
        record.answered(tool.server)
        record.status = 200
        record.response_bytes = len(reply.result or reply.error or b"")
        record.settle(ONE_CALL, 0, "free")
        if reply.error is not None:
            record.failed("tool_error", _message(reply.error), 200)
        elif is_error(reply.result or b""):
            record.failed("tool_error", "the tool reported an error", 200)
        return reply


def is_error(result: bytes) -> bool:
    """Whether a tool's result says that the tool failed."""
    if b'"isError"' not in result:
        return False
    try:
        return bytes(_flag.decode(result).get("isError", Raw(b"false"))) == b"true"
    except msgspec.DecodeError:
        return False


def _message(error: bytes) -> str:
    try:
        message: Any = msgspec.json.decode(error).get("message", "")
    except (msgspec.DecodeError, AttributeError):
        return ""
    return str(message)[:500]


def _params(call: ToolCall, tool: Tool) -> bytes:
    """The params that the server gets: its own name of the tool, the caller's arguments, and the pinned ones."""
    arguments = call.arguments
    if tool.pinned:
        members: Mapping[str, Raw] = _object.decode(arguments)
        arguments = msgspec.json.encode({**members, **{name: Raw(value) for name, value in tool.pinned.items()}})
    name = msgspec.json.encode(tool.own)
    return b'{"name":' + name + b',"arguments":' + arguments + b',"_meta":' + call.meta + b"}"


def check_arguments(arguments: bytes) -> None:
    """Refuse arguments that are no JSON object, or nested too deep. Raises Malformed."""
    try:
        value = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        raise Malformed("malformed", "arguments is not JSON, or nested too deep.") from None
    if not isinstance(value, dict):
        raise Malformed("malformed", "arguments is a JSON object.")
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise Malformed("malformed", f"arguments are nested deeper than {MAX_DEPTH} levels.")
