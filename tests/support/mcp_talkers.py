"""MCP clients of both eras that show everything: raw JSON over HTTP, no SDK. Each behaves alike from outside.

::

    async with OldTalker(url, capabilities) as client:      # or NewTalker
        said = await client.request("tools/call", {...}, answer=lambda method, params: {...})
        said.result, said.error, said.notes, said.questions
"""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Self

import httpx2

Json = dict[str, Any]
META = "io.modelcontextprotocol/"
MODERN = "2026-07-28"
Answer = Callable[[str, Json], Json]
_NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri", "tasks/get": "taskId"}


@dataclass
class Said:
    """What came of a request: its end, the notifications before it, and what was asked meanwhile."""

    status: int = 0
    result: Json = field(default_factory=dict)
    error: Json = field(default_factory=dict)
    notes: list[Json] = field(default_factory=list)
    questions: list[tuple[str, Json]] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text of a tool's result."""
        assert not self.error, self.error
        return self.result["content"][0]["text"]

    def noted(self, method: str) -> list[Json]:
        """The params of the notifications of that method."""
        return [note["params"] for note in self.notes if note["method"] == method]


def no_answer(method: str, params: Json) -> Json:
    raise AssertionError(f"nobody expected to be asked {method}: {params}")


class Talker:
    """What both have in common."""

    def __init__(self, url: str, capabilities: Json | None = None, *, key: str = "") -> None:
        self.url = url
        self.capabilities = capabilities or {}
        self.level = ""
        self._numbers = itertools.count(1)
        self._headers = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
        if key:
            self._headers["authorization"] = f"Bearer {key}"
        self.http = httpx2.AsyncClient(timeout=60, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *fault: object) -> None:
        await self.http.aclose()

    async def call(self, tool: str, arguments: Json | None = None, **options: Any) -> Said:
        """Call a tool."""
        return await self.request("tools/call", {"name": tool, "arguments": arguments or {}}, **options)

    async def request(
        self, method: str, params: Json | None = None, *, answer: Answer = no_answer, token: Any = None
    ) -> Said:
        raise NotImplementedError

    async def _messages(self, body: Json, headers: Json, said: Said) -> AsyncIterator[Json]:
        async with self.http.stream("POST", self.url, json=body, headers={**self._headers, **headers}) as response:
            said.status = response.status_code
            async for message in messages_of(response):
                yield message


async def messages_of(response: Any) -> AsyncIterator[Json]:
    """The messages of an answer, whether it is one or a stream."""
    if not response.headers.get("content-type", "").startswith("text/event-stream"):
        body = await response.aread()
        if body:
            yield json.loads(body)
        return
    async for line in response.aiter_lines():
        if line.startswith("data:") and line[5:].strip():
            yield json.loads(line[5:])


class OldTalker(Talker):
    """A client of the old era, with a session."""

    version = "2025-11-25"

    async def __aenter__(self) -> Self:
        info = {"name": "old", "version": "1"}
        params = {"protocolVersion": self.version, "capabilities": self.capabilities, "clientInfo": info}
        body = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
        response = await self.http.post(self.url, json=body, headers=self._headers)
        response.raise_for_status()
        self.greeting = response.json()["result"]
        self._headers |= {
            "mcp-session-id": response.headers["mcp-session-id"],
            "mcp-protocol-version": self.greeting["protocolVersion"],
        }
        await self.notify("notifications/initialized", {})
        return self

    async def notify(self, method: str, params: Json) -> None:
        """Send a notification."""
        await self.send({"jsonrpc": "2.0", "method": method, "params": params})

    async def send(self, message: Json) -> None:
        """Send a message that wants no answer."""
        assert (await self.http.post(self.url, json=message, headers=self._headers)).status_code == 202

    async def set_level(self, level: str) -> None:
        """Say what of the log is wanted."""
        assert not (await self.request("logging/setLevel", {"level": level})).error

    async def request(
        self, method: str, params: Json | None = None, *, answer: Answer = no_answer, token: Any = None
    ) -> Said:
        """Send a request; questions are answered as soon as they come."""
        said = Said()
        params = dict(params or {})
        if token is not None:
            params["_meta"] = {"progressToken": token}
        number = next(self._numbers)
        answering: list[asyncio.Task[None]] = []
        async for message in self._messages(
            {"jsonrpc": "2.0", "id": number, "method": method, "params": params}, {}, said
        ):
            if "method" not in message:
                assert message["id"] == number
                said.result, said.error = message.get("result", {}), message.get("error", {})
            elif "id" in message:
                said.questions.append((message["method"], message["params"]))
                reply = answer(message["method"], message["params"])
                answering.append(
                    asyncio.ensure_future(self.send({"jsonrpc": "2.0", "id": message["id"], "result": reply}))
                )
            else:
                said.notes.append(message)
        await asyncio.gather(*answering)
        return said

    async def cancel(self, method: str, params: Json, begun: Callable[[], Any]) -> None:
        """Send a request, and cancel it once it has begun."""
        number = f"cancel-{next(self._numbers)}"
        body = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        said = Said()

        async def run() -> None:
            async for _ in self._messages(body, {}, said):
                pass

        task = asyncio.ensure_future(run())
        await begun()
        await self.notify("notifications/cancelled", {"requestId": number, "reason": "enough"})
        await task

    @contextlib.asynccontextmanager
    async def listening(self, uris: tuple[str, ...] = ()) -> AsyncIterator["asyncio.Queue[Json]"]:
        """What comes on the session's stream, with updates of these resources."""
        async with _followed(self.http.stream("GET", self.url, headers=self._headers)) as queue:
            for uri in uris:
                assert not (await self.request("resources/subscribe", {"uri": uri})).error
            yield queue


class NewTalker(Talker):
    """A client of the modern era: every request for itself, questions in rounds."""

    async def set_level(self, level: str) -> None:
        """Say what of the log is wanted, from the next request on."""
        self.level = level

    def body(self, method: str, params: Json, token: Any = None) -> tuple[Json, Json]:
        """A request, and the headers that go with it."""
        meta: Json = {f"{META}protocolVersion": MODERN, f"{META}clientCapabilities": self.capabilities}
        meta |= {f"{META}clientInfo": {"name": "new", "version": "1"}, **params.get("_meta", {})}
        if token is not None:
            meta["progressToken"] = token
        if self.level:
            meta[f"{META}logLevel"] = self.level
        headers = {"mcp-protocol-version": MODERN, "mcp-method": method}
        if method in _NAMED:
            headers["mcp-name"] = params[_NAMED[method]]
        number = f"n-{next(self._numbers)}"
        return {"jsonrpc": "2.0", "id": number, "method": method, "params": {**params, "_meta": meta}}, headers

    async def request(
        self, method: str, params: Json | None = None, *, answer: Answer = no_answer, token: Any = None
    ) -> Said:
        """Send a request, and again with answers as often as that is wanted."""
        said = Said()
        rounds: Json = {}
        for _ in range(8):
            body, headers = self.body(method, {**(params or {}), **rounds}, token)
            async for message in self._messages(body, headers, said):
                if "method" in message:
                    assert "id" not in message, "a modern server asks nothing on its own"
                    said.notes.append(message)
                else:
                    assert message["id"] == body["id"]
                    said.result, said.error = message.get("result", {}), message.get("error", {})
            if said.result.get("resultType") != "input_required":
                return said
            rounds = self._answered(said, answer)
        raise AssertionError("too many rounds")

    def _answered(self, said: Said, answer: Answer) -> Json:
        responses: Json = {}
        for key, asked in said.result.get("inputRequests", {}).items():
            said.questions.append((asked["method"], asked.get("params", {})))
            responses[key] = answer(asked["method"], asked.get("params", {}))
        state = {"requestState": said.result["requestState"]} if "requestState" in said.result else {}
        return {"inputResponses": responses, **state}

    async def cancel(self, method: str, params: Json, begun: Callable[[], Any]) -> None:
        """Send a request, and leave once it has begun."""
        body, headers = self.body(method, params)

        async def run() -> None:
            async for _ in self._messages(body, headers, Said()):
                pass

        task = asyncio.ensure_future(run())
        await begun()
        task.cancel()
        await asyncio.wait({task})

    @contextlib.asynccontextmanager
    async def listening(self, uris: tuple[str, ...] = ()) -> AsyncIterator["asyncio.Queue[Json]"]:
        """What a subscription to everything brings, with updates of these resources."""
        wanted: Json = {f"{kind}ListChanged": True for kind in ("tools", "prompts", "resources")}
        if uris:
            wanted["resourceSubscriptions"] = list(uris)
        body, headers = self.body("subscriptions/listen", {"notifications": wanted})
        stream = self.http.stream("POST", self.url, json=body, headers={**self._headers, **headers})
        async with _followed(stream) as queue:
            first = await asyncio.wait_for(queue.get(), 10)
            assert first["method"] == "notifications/subscriptions/acknowledged"
            assert first["params"]["notifications"] == wanted
            yield queue


@contextlib.asynccontextmanager
async def _followed(stream: Any) -> AsyncIterator["asyncio.Queue[Json]"]:
    queue: asyncio.Queue[Json] = asyncio.Queue()
    async with stream as response:
        assert response.status_code == 200, await response.aread()

        async def follow() -> None:
            async for message in messages_of(response):
                queue.put_nowait(message)

        task = asyncio.ensure_future(follow())
        try:
            yield queue
        finally:
            task.cancel()
            await asyncio.wait({task})


async def heard(queue: "asyncio.Queue[Json]", method: str, seconds: float = 10.0) -> Json:
    """The params of the next notification of that method."""
    async with asyncio.timeout(seconds):
        while True:
            message = await queue.get()
            if message.get("method") == method:
                return message["params"]
