"""Calls of old servers that wait for a modern caller's answer: parked between one request of the caller and the next."""

import asyncio
import contextlib
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable

from msgspec import Raw, json
from msgspec.structs import replace

from hub.core.refusal import Malformed, NotFound, Throttled
from hub.upstream.mcp.calls import PROGRESS
from hub.upstream.mcp.rounds import mode_of
from hub.upstream.mcp.values import CallerContext, Era, Pace, Resume, RpcReply
from hub.upstream.mcp.wire import NotRpc, encode_object, parse_object

Work = Callable[[CallerContext], Awaitable[RpcReply]]
PARKED = "parked:"
_TOGETHER = 16  # times as many parked calls in all as of one principal


class Parked:
    """One call, in a task of its own, with what its server asks meanwhile."""

    def __init__(self, caller: CallerContext, work: Work) -> None:
        self.id = secrets.token_urlsafe(18)
        self.principal = caller.principal.id
        self.caller = caller
        self.stirred = asyncio.Event()
        self._open: dict[str, tuple[bytes, asyncio.Future[RpcReply]]] = {}
        self._count = 0
        self._token: Raw | None = None
        able = replace(caller, ask=self._ask, notify=self._notify)
        self.task = asyncio.ensure_future(work(able))  # noqa: TID251 - ended by Parking
        self.task.add_done_callback(lambda _: self.stirred.set())
        self.expiry: asyncio.TimerHandle | None = None

    async def _ask(self, method: str, params: bytes) -> RpcReply:
        self._count += 1
        key = f"q{self._count}"
        answer: asyncio.Future[RpcReply] = asyncio.get_running_loop().create_future()
        question = json.encode({"method": method, "params": Raw(_modern(method, params))})
        self._open[key] = (question, answer)
        self.stirred.set()
        try:
            return await answer
        finally:
            self._open.pop(key, None)

    def _notify(self, method: str, params: bytes) -> None:
        if self.caller.notify is None:
            return
        if method == PROGRESS and self._token is not None:
            with contextlib.suppress(NotRpc):
                params = encode_object({**parse_object(params), "progressToken": self._token})
        self.caller.notify(method, params)

    @property
    def asks(self) -> bool:
        """Whether its server waits for an answer."""
        return any(not answer.done() for _, answer in self._open.values())

    def question(self) -> RpcReply:
        """The interim result that asks everything which is open."""
        requests = {key: Raw(question) for key, (question, answer) in self._open.items() if not answer.done()}
        head = {"resultType": "input_required", "inputRequests": requests, "requestState": PARKED + self.id}
        return RpcReply(result=json.encode(head), era=Era.MODERN, own=True)

    def answered(self, caller: CallerContext, token: Raw | None, responses: bytes) -> None:
        """The caller is back, with answers. Raises Malformed."""
        try:
            given = parse_object(responses)
        except NotRpc:
            raise Malformed("malformed", "inputResponses is an object of answers.") from None
        if any(not bytes(value).startswith(b"{") for value in given.values()):
            raise Malformed("malformed", "Each of the inputResponses is an object.")
        self.caller, self._token = caller, token
        self.stirred.clear()
        for key, value in given.items():
            _, answer = self._open.get(key, (b"", None))
            if answer is not None and not answer.done():
                answer.set_result(RpcReply(result=bytes(value)))
        if self.asks:
            self.stirred.set()  # what is still missing is asked again

    def left(self) -> None:
        """The caller waits no longer here; until they are back, nobody is told anything."""
        self.caller = replace(self.caller, notify=None)


def _modern(method: str, params: bytes) -> bytes:
    """A question's params as the modern era has them: without the id of a URL elicitation."""
    if method != "elicitation/create" or not mode_of(params):
        return params
    members = parse_object(params)
    members.pop("elicitationId", None)
    return encode_object(members)


class Parking:
    """All parked calls of the process: so many of one principal, and none for longer than `pace.park` seconds."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._parked: dict[str, Parked] = {}
        self._owned: Counter[str] = Counter()

    def __len__(self) -> int:
        """How many calls are parked."""
        return len(self._parked)

    async def begin(self, caller: CallerContext, work: Work) -> RpcReply:
        """Do `work`, to which the caller is somebody who can be asked; its result, or what it asks first."""
        full = self._owned[caller.principal.id] >= self._pace.parked
        if full or len(self._parked) >= self._pace.parked * _TOGETHER:
            raise Throttled("too_many_parallel", "Too many calls wait for answers. Answer some first.", retry_after=10)
        parked = Parked(caller, work)
        self._owned[parked.principal] += 1
        parked.task.add_done_callback(lambda _: self._forget(parked))
        return await self._next(parked)

    async def resume(self, caller: CallerContext, resume: Resume, token: Raw | None) -> RpcReply:
        """Go on with a call that was parked. Raises NotFound when it has expired, or is another principal's."""
        parked = self._parked.get(resume.parked)
        if parked is None or parked.principal != caller.principal.id or parked.expiry is None:
            gone = (
                "This call does not wait any more: it has expired, or was answered. Send it anew, without requestState."
            )
            raise NotFound("call_expired", gone)
        parked.expiry.cancel()
        parked.expiry = None
        try:
            parked.answered(caller, token, resume.responses)
        except Malformed:
            self._park(parked)
            raise
        return await self._next(parked)

    async def _next(self, parked: Parked) -> RpcReply:
        """Wait until the call is over, or asks something."""
        kept = False
        try:
            while not parked.task.done():
                await parked.stirred.wait()
                parked.stirred.clear()
                if parked.task.done() or not parked.asks:
                    continue
                await asyncio.sleep(self._pace.gather)
                if not parked.task.done() and parked.asks:
                    self._park(parked)
                    kept = True
                    return parked.question()
            return parked.task.result()
        finally:
            parked.left()
            if not kept:
                parked.task.cancel()

    def _park(self, parked: Parked) -> None:
        self._parked[parked.id] = parked
        parked.expiry = asyncio.get_running_loop().call_later(self._pace.park, parked.task.cancel)

    def _forget(self, parked: Parked) -> None:
        self._parked.pop(parked.id, None)
        if parked.expiry is not None:
            parked.expiry.cancel()
        self._owned[parked.principal] -= 1
        if self._owned[parked.principal] <= 0:
            del self._owned[parked.principal]
        if not parked.task.cancelled():
            parked.task.exception()  # seen: nobody may be there to be told

    async def close(self) -> None:
        """End them all."""
        tasks = [parked.task for parked in self._parked.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
