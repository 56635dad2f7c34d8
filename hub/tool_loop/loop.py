"""The loop: ask the model, make the calls that it wants, tell it what came of them, until it has answered."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any

import msgspec
from msgspec.structs import replace

from hub.core.calls import Credentials, Dialect, ModelRequest, Reply, ToolCall
from hub.core.ids import new_id
from hub.core.refusal import Refusal, UpstreamFailed
from hub.core.seals import Seals
from hub.core.unwinding import Unwinding
from hub.core.values import a_dict, a_text
from hub.dialect import keep_alive
from hub.dialect.members import UNREADABLE
from hub.dialect.sse import Cutter, events
from hub.identity import Identity
from hub.model_path import ModelPath
from hub.resources import Snapshot
from hub.tool_loop.approvals import Approvals
from hub.tool_loop.dialogue import Dialogue, Use
from hub.tool_loop.kept import Threads
from hub.tool_loop.messages import messages_dialogue
from hub.tool_loop.own import authorities_of
from hub.tool_loop.responses import responses_dialogue
from hub.tool_loop.results import Outcome, outcome_of, refused
from hub.tool_loop.toolbox import Toolbox, Wish
from hub.tool_path import ToolPath
from hub.upstream import CallerContext

MOST_TURNS = 16  # of the model in one call
MOST_AT_ONCE = 8  # calls of tools
SILENCE = 10.0  # seconds, after which the caller is sent something that means nothing
# What stands in every body that may name a profile: looking for it is all that any other call pays.
_MARKS: Mapping[Dialect, bytes] = {
    Dialect.ANTHROPIC_MESSAGES: b'"mcp_servers"',
    Dialect.OPENAI_RESPONSES: b'"mcp"',
}
_ONCE = frozenset({b"idempotency-key"})  # is about the whole call, of which each turn is but a part
_COST = "x-hub-cost-usd"


class ToolLoop:
    """Stands before the model path, and carries each turn and each call of a tool on the way of all such calls."""

    def __init__(
        self,
        models: ModelPath,
        tools: ToolPath,
        *,
        identity: Identity,
        snapshots: Callable[[], Snapshot],
        seals: Seals,
        public_url: str = "",
    ) -> None:
        self._models = models
        self._tools = tools
        self._identity = identity
        self._snapshots = snapshots
        self._seals = seals
        self._public_url = public_url
        self._threads = Threads()

    async def run(self, request: ModelRequest) -> Reply:
        """Carry a call through, with the tools of the profiles that it names. Raises Refusal."""
        mark = _MARKS.get(request.dialect)
        if mark is None or request.body.find(mark) < 0:
            return await self._models.run(request)
        body = _object_in(request.body)  # where it is none, the model path says what is wrong
        dialogue = self._dialogue(request, body) if body else None
        if dialogue is None:
            return await self._models.run(request)
        turn = Turns(self._models, self._tools, dialogue, _for_turns(request))
        return await (turn.streamed() if request.stream or body.get("stream") is True else turn.whole())

    def _dialogue(self, request: ModelRequest, body: dict[str, Any]) -> Dialogue | None:
        """The call as a dialogue; None when it is of no concern here. Raises Refusal."""
        authorities = authorities_of(request, self._public_url)

        def open_box(wishes: list[Wish], taken: list[str]) -> Toolbox:
            visits = [self._tools.visit(wish.profile, request.credentials, wish.mode) for wish in wishes]
            return Toolbox(list(zip(wishes, visits, strict=True)), taken)

        if request.dialect is Dialect.ANTHROPIC_MESSAGES:
            return messages_dialogue(body, authorities, open_box)
        principal = self._identity.resolve(self._snapshots(), request.credentials).principal
        return responses_dialogue(body, authorities, open_box, Approvals(self._seals, principal.id), self._threads)


class Turns:
    """One call, turn by turn."""

    def __init__(self, models: ModelPath, tools: ToolPath, dialogue: Dialogue, request: ModelRequest) -> None:
        self._models = models
        self._tools = tools
        self._dialogue = dialogue
        self._request = request
        self._turns = 0
        self._cost = 0.0
        self._reply: Reply | None = None  # of the turn that is being read

    # -- whole -----------------------------------------------------------------------------------------------------

    async def whole(self) -> Reply:
        """The whole reply, once all is done. An error of a provider is passed on as it came."""
        dialogue = self._dialogue
        await self._make_due()
        while True:
            reply = await self._asked()
            reply.unwind()
            told = _read(reply)
            if told is None:
                return reply
            dialogue.whole(told)
            self._cost += _cost_of(reply)
            await self._make_due()
            if not self._may_go_on():
                headers = {**reply.headers, _COST: f"{self._cost:.6f}"} if _COST in reply.headers else reply.headers
                return Reply(reply.status, headers, msgspec.json.encode(dialogue.final()))

    async def _make_due(self) -> None:
        async for _ in self._made():
            pass

    # -- streamed --------------------------------------------------------------------------------------------------

    async def streamed(self) -> Reply:
        """A stream of all turns. What goes wrong before the first one begins is told as a plain error."""
        early = [told async for told in self._made()]
        self._reply = reply = await self._asked()
        if reply.chunks is None:
            return reply
        return Reply(reply.status, reply.headers, chunks=self._chunks(early)).owning(Unwinding(self._leave))

    async def _chunks(self, early: list[bytes]) -> AsyncIterator[bytes]:
        dialogue = self._dialogue
        for told in early:
            yield told
        while True:
            async with aclosing(self._turn()) as turn:
                async for told in turn:
                    yield told
            if dialogue.broken:
                return
            async with aclosing(self._made()) as made:
                async for told in made:
                    yield told
            if not self._may_go_on():
                break
            self._reply = reply = await self._asked()
            if reply.chunks is None:
                raise UpstreamFailed("upstream_error", _message(reply))
        for told in dialogue.end():
            yield told

    async def _turn(self) -> AsyncGenerator[bytes]:
        """One turn of the model, as the caller is told of it."""
        reply, cutter = self._reply, Cutter()
        assert reply is not None
        assert reply.chunks is not None
        try:
            async for chunk in reply.chunks:
                for event in events(cutter.feed(chunk)):
                    for told in self._dialogue.event(event):
                        yield told
        except BaseException as error:
            self._leave(error)
            raise
        finally:
            aclose = getattr(reply.chunks, "aclose", None)
            if aclose is not None:
                await aclose()
        self._leave(None)

    def _leave(self, error: BaseException | None) -> None:
        """Let go of the turn that is being read."""
        reply, self._reply = self._reply, None
        if reply is not None:
            reply.unwind(error)

    # -- both ------------------------------------------------------------------------------------------------------

    def _asked(self) -> Awaitable[Reply]:
        self._turns += 1
        return self._models.run(replace(self._request, body=self._dialogue.body()))

    def _may_go_on(self) -> bool:
        if not self._dialogue.goes_on:
            return False
        if self._turns >= MOST_TURNS:
            self._dialogue.exhausted()
            return False
        return True

    async def _made(self) -> AsyncGenerator[bytes]:
        """Make the calls that are due, several at once; what the caller is told of each, in order."""
        due = self._dialogue.due
        if not due:
            return
        places = asyncio.Semaphore(MOST_AT_ONCE)
        tasks = [asyncio.ensure_future(self._one(use, places)) for use in due]  # noqa: TID251 - ended below
        try:
            for use, task in zip(due, tasks, strict=True):
                while not task.done():
                    await asyncio.wait((task,), timeout=SILENCE)
                    if not task.done() and self._turns:
                        yield keep_alive(self._request.dialect)
                for told in self._dialogue.made(use, task.result()):
                    yield told
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(self, use: Use, places: asyncio.Semaphore) -> Outcome:
        """One call of a tool: whatever goes wrong with it is told to the model."""
        function = use.function
        call = ToolCall(new_id(), function.visit.view.name, function.tool, use.arguments.encode(), self._request.origin)
        async with places:
            try:
                answered = await self._tools.call(function.visit, call, CallerContext(function.visit.principal))
            except Refusal as refusal:
                return refused(refusal)
        return outcome_of(answered.reply)


def _for_turns(request: ModelRequest) -> ModelRequest:
    """The request that each turn is made from: one session for all that belongs together."""
    given: Credentials = request.credentials
    headers = [header for header in given.arrival.headers if header[0] not in _ONCE]
    origin = request.origin
    return replace(
        request,
        origin=origin if origin.session else replace(origin, session=f"loop-{new_id()}"),
        credentials=replace(given, arrival=replace(given.arrival, headers=headers)),
        receipt=False,
    )


def _object_in(data: bytes) -> dict[str, Any]:
    """The JSON object in `data`; {} where there is none."""
    try:
        return a_dict(msgspec.json.decode(data))
    except UNREADABLE:
        return {}


def _read(reply: Reply) -> dict[str, Any] | None:
    """The model's answer; None for an error."""
    if reply.status >= 400 or reply.chunks is not None:
        return None
    return _object_in(reply.body) or None


def _cost_of(reply: Reply) -> float:
    try:
        return float(reply.headers.get(_COST, "0"))
    except ValueError:
        return 0.0


def _message(reply: Reply) -> str:
    """Why a turn in the middle failed, in the provider's words."""
    return (
        a_text(a_dict(_object_in(reply.body).get("error")).get("message"))[:500]
        or f"The provider answered with status {reply.status}."
    )
