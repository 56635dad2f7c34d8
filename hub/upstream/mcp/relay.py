"""The way that a call takes to a server: which link, how many at a time, how often, and in whose name."""

import time
from typing import Protocol

from hub.core.accounts import SignInNeeded
from hub.core.principal import Globs
from hub.core.refusal import Malformed, Unavailable, UpstreamFailed
from hub.resources.tools import ServerSpec
from hub.upstream.failures import BrokenOff
from hub.upstream.mcp.breaker import Breaker
from hub.upstream.mcp.bridge import bridged
from hub.upstream.mcp.callers import CallerSessions, kind_of
from hub.upstream.mcp.capabilities import can_be_asked
from hub.upstream.mcp.http import HttpLink
from hub.upstream.mcp.link import Failing, Link, Rejected, Undelivered
from hub.upstream.mcp.parking import Parking
from hub.upstream.mcp.pending import Limits
from hub.upstream.mcp.rounds import askable, driven
from hub.upstream.mcp.slots import Slots
from hub.upstream.mcp.values import CallerContext, Era, Pace, RpcReply, ServerDefinitions
from hub.upstream.mcp.wire import HEADER_MISMATCH, NotRpc, parse_error, parse_object, parse_text

_WITH_ROUNDS = frozenset({"tools/call", "prompts/get", "resources/read"})
_READS = frozenset({"prompts/get", "resources/read", "completion/complete", "tasks/get"})


class Line(Protocol):
    """What is asked of the connection."""

    @property
    def name(self) -> str: ...  # noqa: D102 - the server's
    @property
    def spec(self) -> ServerSpec: ...  # noqa: D102 - how it is reached
    @property
    def definitions(self) -> ServerDefinitions: ...  # noqa: D102 - what it offers

    async def linked(self, end: float) -> Link:
        """The main link. Raises Unavailable."""
        ...

    async def look_again(self) -> None:
        """Have the lists looked at, and wait for it."""
        ...

    def doubt_link(self) -> None:
        """It may be gone."""
        ...

    def mask(self, text: str) -> str:
        """Text without secrets."""
        ...


class Relay:
    """Relays requests over the links of one server."""

    def __init__(self, line: Line, callers: CallerSessions, parking: Parking, pace: Pace) -> None:
        self._line = line
        self._callers = callers
        self._parking = parking
        self._slots = Slots(line.name, line.spec.parallel)
        self._breaker = Breaker(pace.trips, pace.trip)

    @property
    def in_flight(self) -> int:
        """How many calls run."""
        return self._slots.in_flight

    async def request(self, method: str, params: bytes, caller: CallerContext) -> RpcReply:
        """The server's answer, or what it asks of a modern caller first.

        Raises UpstreamFailed or Unavailable, each naming the server, and Malformed.
        """
        try:
            link = await self._line.linked(self._end(caller))
            reply = await self._for_era(link.greeting.speech.era, method, params, caller)
            return bridged(reply, method, caller)
        except SignInNeeded:
            raise
        except UpstreamFailed as failure:
            raise self._named(failure) from None
        except NotRpc:
            raise Malformed("malformed", "The params of the request are no JSON object.") from None

    async def _for_era(self, era: Era, method: str, params: bytes, caller: CallerContext) -> RpcReply:
        """As the eras of both sides want it: straight on, in rounds that the hub drives, or parked."""
        asked = method in _WITH_ROUNDS and can_be_asked(caller.capabilities)
        if era is Era.MODERN and caller.era is Era.LEGACY and method in _WITH_ROUNDS:
            return await driven(lambda again: self._once(method, again, caller), params, caller)
        if era is Era.LEGACY and caller.era is Era.MODERN and asked:
            return await self._parking.begin(caller, lambda able: self._parked(method, params, able))
        reply = await self._once(method, params, caller)
        return askable(reply, caller) if caller.era is Era.MODERN else reply

    async def _parked(self, method: str, params: bytes, caller: CallerContext) -> RpcReply:
        try:
            return await self._once(method, params, caller)
        except SignInNeeded:
            raise
        except UpstreamFailed as failure:
            raise self._named(failure) from None

    async def _once(self, method: str, params: bytes, caller: CallerContext) -> RpcReply:
        """One request to the server, sent again where that is certainly the first time that it is begun."""
        wait = self._breaker.admit()
        if wait:
            resting = f"Server '{self._line.name}' failed several calls in a row and is left alone for a moment."
            raise Unavailable("upstream_error", resting, retry_after=max(1, round(wait)))
        known = False
        try:
            reply = await self._placed(method, params, caller, self._end(caller))
            known = True
            self._breaker.succeeded()
            return reply
        except Failing:
            known = True
            self._breaker.failed()
            raise
        except (Rejected, SignInNeeded, Unavailable):
            known = True
            self._breaker.succeeded()
            raise
        except UpstreamFailed as failure:
            known = True
            self._breaker.failed()
            if failure.code == "upstream_timeout":
                self._line.doubt_link()
            raise
        finally:
            if not known:
                self._breaker.left()

    async def _placed(self, method: str, params: bytes, caller: CallerContext, end: float) -> RpcReply:
        slot = await self._slots.take(end)
        try:
            able = slot.for_caller(caller)
            reply = await self._repeated(method, params, able, end)
            if reply.era is Era.MODERN and await self._is_mismatch(method, reply, end):
                await self._line.look_again()  # the tool's schema has changed, and with it what headers repeat
                reply = await self._repeated(method, params, able, end)
            return reply
        finally:
            self._slots.give_back(slot)

    async def _repeated(self, method: str, params: bytes, caller: CallerContext, end: float) -> RpcReply:
        """The answer; a second try when the first was not begun, or may be made twice and broke off."""
        try:
            return await self._sent(method, params, caller, end)
        except Undelivered:
            return await self._sent(method, params, caller, end)
        except (Rejected, SignInNeeded):
            raise
        except UpstreamFailed as failure:
            broke_off = failure.code == "upstream_error" or isinstance(failure, BrokenOff)
            if not broke_off or not self._may_repeat(method, params):
                raise
            return await self._sent(method, params, caller, end)

    async def _sent(self, method: str, params: bytes, caller: CallerContext, end: float) -> RpcReply:
        link = await self._line.linked(end)
        if link.greeting.speech.era is Era.LEGACY:
            kind = kind_of(caller)
            if kind is not None:
                link = await self._callers.link(kind, end)
        if caller.log_level:
            await link.logged(caller, Limits(self._line.spec.timeouts.list))
        clocks = self._line.spec.timeouts
        limits = Limits(max(0.001, end - time.monotonic()), clocks.first_byte, clocks.idle)
        return await link.request(method, params, caller, limits)

    def _may_repeat(self, method: str, params: bytes) -> bool:
        """Whether this may be done twice: it only reads, or its tool is declared to be idempotent, and the operator agrees."""
        if method in _READS:
            return True
        name = parse_text(bytes(parse_object(params).get("name", b""))) if method == "tools/call" else ""
        if not name or not Globs(tuple(self._line.spec.repeat)).allows(name):
            return False
        return any(tool.name == name and tool.idempotent for tool in self._line.definitions.tools)

    async def _is_mismatch(self, method: str, reply: RpcReply, end: float) -> bool:
        if reply.error is None or method != "tools/call" or parse_error(reply.error).code != HEADER_MISMATCH:
            return False
        return isinstance(await self._line.linked(end), HttpLink)

    def _end(self, caller: CallerContext) -> float:
        end = time.monotonic() + self._line.spec.timeouts.call
        return end if caller.deadline is None else min(end, caller.deadline)

    def _named(self, failure: UpstreamFailed) -> UpstreamFailed:
        prefix = f"Server '{self._line.name}': "
        if failure.message.startswith(prefix):
            return failure
        text = f"{prefix}{self._line.mask(failure.message).rstrip('.')}."
        return UpstreamFailed(failure.code, text, status=failure.status, retry_after=failure.retry_after)
