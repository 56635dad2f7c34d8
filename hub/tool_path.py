"""A tool call, straight through: who, recorded, admitted, which tool, relayed, settled."""

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from hub.catalogue import Catalogue
from hub.core.calls import Credentials, ToolCall
from hub.core.entry import AttemptRecord
from hub.core.ids import new_id
from hub.core.nesting import is_deeper
from hub.core.principal import EVERYTHING, NOTHING, Access, Principal
from hub.core.refusal import Malformed, NotFound, Refusal, UpstreamFailed
from hub.core.telemetry import meta_with
from hub.core.usage import Usage
from hub.identity import Identity
from hub.ledger import Ledger, Record
from hub.policy import Decision, Policy, ToolPrice, stopped
from hub.profile import (
    MODES,
    Address,
    ProfileView,
    Schemas,
    Target,
    address_of,
    named_question,
    named_questions,
    presented,
    target_of,
)
from hub.resources import Snapshot
from hub.tool_modes import ToolModes, inner_call
from hub.upstream import (
    MOST_MESSAGE,
    MOST_RESULT,
    Ask,
    CallerContext,
    Era,
    RpcReply,
    ServerDefinitions,
    Servers,
    agreed,
    question,
)

ONE_CALL = Usage(tool_calls=1)
# Whoever comes to a profile with `security: none` and shows no key.
OPEN_PROFILE = Principal("anonymous", "anonymous", access=(Access(NOTHING, NOTHING, EVERYTHING),))
MAX_DEPTH = 64
_KEPT = "resources/hub-result://"  # what a client reads of a result that was too long
# Errors that are about the hub's own request (its JSON, headers or version), never about the call.
_OF_THE_HUB = frozenset({-32700, -32020, -32022})
_COMPLETE = b'"complete"'
_MODERN_RESULTS = frozenset({_COMPLETE, b'"input_required"', b'"task"'})
_object = msgspec.json.Decoder(dict[str, Raw])


class ServerFailed(UpstreamFailed):
    """A server did not carry out a call; `server` says which, `state` how it fares."""

    def __init__(self, code: str, message: str, server: str, state: str, *, cause: Refusal | None = None) -> None:
        super().__init__(
            code, message, status=cause.status if cause else None, retry_after=cause.retry_after if cause else None
        )
        self.server = server
        self.state = state


class Visit(Struct, frozen=True):
    """A caller at a profile, for one request: who they are, what they see, and the snapshot that says so."""

    principal: Principal
    view: ProfileView
    snapshot: Snapshot
    title: str
    mode: str = ""  # the one that the caller asked for


class Answered(Struct, frozen=True):
    """A server's answer, with the server's name; `headers` tell of limits and budgets."""

    server: str
    reply: RpcReply
    headers: Mapping[str, str] = {}


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
        modes: ToolModes,
    ) -> None:
        self._identity = identity
        self._policy = policy
        self._ledger = ledger
        self._catalogue = catalogue
        self._servers = servers
        self._snapshots = snapshots
        self._modes = modes
        self._schemas = Schemas()

    @property
    def servers(self) -> Servers:
        """The servers, for what is no call: subscriptions and notifications."""
        return self._servers

    def visit(self, profile: str, credentials: Credentials, mode: str = "") -> Visit:
        """Let a caller in to a profile, in the mode that they ask for, else in the profile's own.

        Raises NotFound `profile_not_found` (also where they may not know of it), Malformed, or Unauthenticated.
        """
        if mode and mode not in MODES:
            raise Malformed("malformed", f"There is no mode '{mode[:20]}': use {', '.join(MODES)}.")
        snapshot = self._snapshots()
        spec = snapshot.profiles.get(profile)
        principal = OPEN_PROFILE
        if spec is None or spec.security != "none" or credentials.secret:
            principal = self._identity.resolve(snapshot, credentials).principal
        view = self._catalogue.view_of(snapshot, profile, principal.user, self._servers.personal)
        stop = stopped(snapshot.stops, (("org", ""), ("profile", profile)))
        if stop is not None and principal.may_use_profile(profile):
            raise stop
        if spec is None or view is None or not (spec.security == "none" or principal.may_use_profile(profile)):
            raise NotFound("profile_not_found", f"There is no profile '{profile[:64]}' that this key may use.")
        return Visit(principal, presented(view, mode or spec.mode), snapshot, spec.title or profile, mode)

    async def _found(self, visit: Visit, call: ToolCall) -> tuple[Visit, Target]:
        """Where a call leads; what is not there may be the caller's own, at a server that was not asked yet. Raises Refusal."""
        try:
            return visit, target_of(visit.view, call)
        except NotFound as missing:
            principal, snapshot, name = visit.principal, visit.snapshot, visit.view.name
            if not await self._servers.own_known(visit.view.readable, principal.user):
                raise _unclear(visit, call) or missing from None
            view = self._catalogue.view_of(snapshot, name, principal.user, self._servers.personal) or visit.view
            again = replace(visit, view=presented(view, visit.mode or snapshot.profiles[name].mode))
            return again, target_of(again.view, call)

    def look_for_own(self, visit: Visit) -> None:
        """The caller wants to see what there is: what is theirs alone is looked for, and told as a change."""
        self._servers.wake(visit.view.readable, visit.principal.user)

    def declared(self, visit: Visit) -> list[bytes | None]:
        """What each server of a profile says that it can do, raw JSON; None for one that was never seen."""
        known = (self._servers.definitions(server) for server in visit.view.readable)
        return [one.capabilities if one.revision else None for one in known]

    def holds(self, visit: Visit) -> float:
        """For how many seconds the lists of a profile hold, by the word of its servers; without end where none says so."""
        return min((self._servers.definitions(server).ttl for server in visit.view.readable), default=math.inf)

    def address(self, visit: Visit, uri: str) -> Address:
        """Where a resource is. Raises NotFound `resource_not_found`, or Forbidden."""
        address = address_of(visit.view, uri)
        Target(address.server, uri, address.grant).check(visit.principal)
        return address

    def listen(self, profile: str, listener: Callable[[], None]) -> Callable[[], None]:
        """Be told when what a caller sees of a profile may have changed; returns how to stop that."""
        return self._catalogue.listen(profile, listener)

    async def call(self, visit: Visit, call: ToolCall, caller: CallerContext, task: Target | None = None) -> Answered:
        """Call a tool, or ask a server for a prompt, a resource, a completion, or about a task of its own (`task`).

        The server's answer comes back as it is, result or error.

        `call_tool` is the call of the tool that it names, `read_resource` the reading of what it names. Raises Refusal:
        `tool_not_found`, `tool_not_allowed`, `malformed`, what the policy says, or ServerFailed.
        """
        inner = inner_call(visit.view, call)
        answered = await self._called(visit, inner, caller, task)
        reply = answered.reply
        if inner.method == call.method or reply.result is None:
            return answered
        result = self._modes.as_tool(visit.view, visit.principal, answered.server, reply.result)
        return replace(answered, reply=replace(reply, result=result))

    async def _called(self, visit: Visit, call: ToolCall, caller: CallerContext, task: Target | None) -> Answered:
        async with self._ledger.record(visit.principal, call) as record:
            check_arguments(call.arguments)
            target = task or (Target("", call.tool) if call.tool.startswith(_KEPT) else None)
            if target is None:
                visit, target = await self._found(visit, call)
            record.server, record.tool = target.server, target.label
            target.check(visit.principal)
            price = ToolPrice.of(visit.snapshot.servers.get(target.server), target.label)
            decision = self._policy.admit(
                visit.principal,
                call,
                tokens=len(call.arguments) // 4,
                cost_micro_usd=price.expected,
                server=target.server,
                tool=target.label,
            )
            try:
                if target.server:
                    return await self._sent(visit, target, call, caller, record, decision, price)
                async with decision:  # a program's own calls find its place free again
                    decision.settle(ONE_CALL, 0)
                own = await self._own(visit, target, replace(call, arguments=decision.body), caller, record)
                return Answered("", RpcReply(result=own, era=Era.MODERN))
            finally:
                if decision.is_screened:
                    record.findings = decision.findings

    async def _sent(
        self,
        visit: Visit,
        target: Target,
        call: ToolCall,
        caller: CallerContext,
        record: Record,
        decision: Decision,
        price: ToolPrice,
    ) -> Answered:
        """Ask the target's server, within what the policy allows."""
        async with decision:
            call = replace(call, arguments=decision.body)
            unfit = await self._unfit(visit, target, call.arguments)
            if unfit:
                record.settle(ONE_CALL, 0, "free")
                decision.settle(ONE_CALL, 0)
                record.failed("invalid_arguments", unfit, 200)
                return Answered(target.server, RpcReply.failure(unfit), decision.headers)
            await record.reserve(ONE_CALL, price.expected, price.version)
            meta = meta_with(call.meta, record.traceparent(1), call.origin.trace)
            params = target.params(call.arguments, meta)
            several = len(visit.view.readable) > 1
            ask = _named(target.server, caller.ask) if several and caller.ask else caller.ask
            most = MOST_MESSAGE if target.server in visit.view.max_results else MOST_RESULT
            caller = replace(caller, meta=meta, ask=ask, most=most)
            reply = await self._relay(visit, target, call.method, params, caller, record)
            size = len(reply.result or reply.error or b"")
            cost = price.of_result(size)
            record.settle(ONE_CALL, cost, price.version)
            decision.settle(ONE_CALL, cost, tokens=(len(call.arguments) + size) // 4)
            if reply.result is not None:
                screened = visit.view.incoming(target.server, await decision.screened(reply.result))
                if several:
                    screened = named_questions(target.server, screened)
                if target.tool is not None:
                    screened = self._modes.fit(visit.view, visit.principal, target, screened)
                reply = replace(reply, result=screened)
            record.bodies.replied(reply.result or reply.error or b"")
            return Answered(target.server, reply, decision.headers)

    async def _unfit(self, visit: Visit, target: Target, arguments: bytes) -> str:
        """What is wrong with the arguments that a tool would get; "" when nothing is, as far as can be told."""
        spec, tool = visit.snapshot.servers.get(target.server), target.tool
        rule = spec.check_arguments if spec is not None else "schema"
        if tool is None or rule == "off":
            return ""
        filled = tool.filled(arguments)
        if self._schemas.is_large(tool, filled):
            return await asyncio.to_thread(self._schemas.fault, tool, filled, rule)
        return self._schemas.fault(tool, filled, rule)

    async def _own(self, visit: Visit, target: Target, call: ToolCall, caller: CallerContext, record: Record) -> bytes:
        """Answer what is the hub's own. A program's calls are calls like any other, each with its entry."""

        async def inner(name: str, arguments: bytes) -> RpcReply:
            made = replace(call, id=new_id(), tool=name, arguments=arguments)
            return (await self.call(visit, made, replace(caller, notify=None))).reply

        if target.tool is None:
            result = self._modes.kept(visit.view, visit.principal, call.tool.removeprefix(_KEPT))
        elif unfit := await self._unfit(visit, target, call.arguments):
            record.failed("invalid_arguments", unfit, 200)
            result = RpcReply.failure(unfit).result or b""
        else:
            try:
                result = await self._modes.answer(visit.view, visit.principal, target.tool, call.arguments, inner)
            except (Malformed, NotFound) as refusal:  # for the model, which can do better the next time
                record.failed(refusal.code, refusal.message, 200)
                result = RpcReply.failure(refusal.message).result or b""
        record.status = 200
        record.response_bytes = len(result)
        record.settle(ONE_CALL, 0, "free")
        return result

    async def _relay(
        self, visit: Visit, target: Target, method: str, params: bytes, caller: CallerContext, record: Record
    ) -> RpcReply:
        began = record.elapsed_ms
        try:
            reply = await self._asked(visit, target, method, params, caller)
        except Refusal as refusal:
            took = record.elapsed_ms - began
            record.attempt(AttemptRecord(target.server, refusal.code, refusal.status, took, refusal.message))
            if not isinstance(refusal, UpstreamFailed) and refusal.status < 500:
                raise
            raise self._failed(target.server, refusal.code, refusal.message, refusal) from None
        except asyncio.CancelledError:
            record.attempt(AttemptRecord(target.server, "cancelled", 0, record.elapsed_ms - began))
            raise
        outcome = "ok" if reply.error is None else "error"
        record.attempt(AttemptRecord(target.server, outcome, 200, record.elapsed_ms - began))
        record.answered(target.server)
        record.status = 200
        record.response_bytes = len(reply.result or reply.error or b"")
        if reply.error is not None:
            self._check_error(target.server, reply.error, record)
        else:
            self._check_result(target.server, reply.result or b"", caller.era, record)
        return reply

    async def _asked(self, visit: Visit, target: Target, method: str, params: bytes, caller: CallerContext) -> RpcReply:
        """The server's answer; of a tool that asks first, once the caller's user has agreed to this call."""
        tool = target.tool
        if tool is None or not visit.snapshot.asks_first(visit.view.name, target.server, tool.own):
            return await self._servers.request(target.server, method, params, caller=caller)
        if _goes_on(params, caller):
            return agreed(await self._servers.request(target.server, method, params, caller=caller))
        asked = question(tool.own, bytes(_object.decode(params).get("arguments", b"{}")))
        return agreed(await self._servers.confirmed(target.server, params, asked, caller=caller))

    def _check_error(self, server: str, error: bytes, record: Record) -> None:
        """A server's error is passed on, unless it would have the caller doubt its own request."""
        code, message = _error(error)
        if code in _OF_THE_HUB:
            raise self._failed(server, "upstream_protocol", f"Server '{server}' refuses the hub's request: {message}")
        record.failed("tool_error", message, 200)

    def _check_result(self, server: str, result: bytes, era: Era, record: Record) -> None:
        """A result is passed on when it is one that the caller's era knows; a tool that failed is noted."""
        if b'"resultType"' not in result and b'"isError"' not in result:
            return
        members = _object.decode(result)
        kind = bytes(members.get("resultType", _COMPLETE))
        if kind != _COMPLETE and (era is Era.LEGACY or kind not in _MODERN_RESULTS):
            kind_name = kind.decode("utf-8", "replace")[:40]
            message = f"Server '{server}' answers with {kind_name}, which cannot be relayed here."
            raise self._failed(server, "upstream_protocol", message)
        if bytes(members.get("isError", b"false")) == b"true":
            record.failed("tool_error", "the tool reported an error", 200)

    def _failed(self, server: str, code: str, message: str, cause: Refusal | None = None) -> ServerFailed:
        state = self._servers.definitions(server).state
        return ServerFailed(code, message, server, str(state), cause=cause)


def _unclear(visit: Visit, call: ToolCall) -> NotFound | None:
    """What to say where a tool is called by its own name, which others have too: by which names they are told apart."""
    tools = (visit.view.whole or visit.view).visible(visit.principal) if call.method == "tools/call" else []
    names = [tool.name for tool in tools if tool.own == call.tool]
    said = f"The name '{call.tool[:128]}' is not of one tool alone. Call it by its whole name: {', '.join(names[:10])}."
    return NotFound("tool_not_found", said) if names else None


def _error(error: bytes) -> tuple[int, str]:
    """Code and message of a server's error, as far as it has them."""
    try:
        members: Any = msgspec.json.decode(error)
        return int(members["code"]), str(members.get("message", ""))[:500]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, LookupError, TypeError, ValueError):
        return 0, "an error that is not one of JSON-RPC"


def _named(server: str, ask: Ask) -> Ask:
    """Asks the caller in the name of a server."""

    async def named(method: str, params: bytes) -> RpcReply:
        return await ask(method, named_question(server, method, params))

    return named


def _goes_on(params: bytes, caller: CallerContext) -> bool:
    """Whether this is a later round of a call. Only a modern caller's state gets here, and only as it was given to them."""
    return caller.resume is not None or (caller.era is Era.MODERN and "requestState" in _object.decode(params))


def check_arguments(arguments: bytes) -> None:
    """Refuse arguments that are no JSON object, or nested too deep. Raises Malformed."""
    if not arguments.startswith(b"{"):
        raise Malformed("malformed", "arguments is a JSON object.")
    if is_deeper(arguments, MAX_DEPTH):
        raise Malformed("malformed", f"arguments are nested deeper than {MAX_DEPTH} levels.")
