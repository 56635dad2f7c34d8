"""MCP upstreams that do what a test tells them to: over HTTP in the test's loop, over stdio as a small process.

HTTP (raw, both eras, no SDK)::

    from tests.support.mcp_upstreams import McpUpstream, stdio_command

    async with McpUpstream("2025", **options) as server:    # "2025": only `initialize` (2025-11-25 and older);
                                                            # "2026": only 2026-07-28; "both": as the client speaks
        server.url                      # "http://127.0.0.1:PORT/mcp"
        server.calls                    # list[(tool, arguments)] of the tools/call that arrived, in order
        server.messages                 # every JSON-RPC message received (dict), in order
        server.requests                 # list[Received] (tests.support.upstream): headers, body, `await .closed()`
        await server.received("tools/call", n=1)    # waits (5 s) for the nth message of that method; returns it
        await server.change_tools(3)    # so many extra tools from now on, and list_changed to those who listen
        server.forget_sessions()        # the next legacy request gets 404, as after a restart
        server.set(hang={"tools/call"}) # any option may be changed while it runs
        server.sessions                 # ids of the open legacy sessions
        server.listeners                # how many streams are open for notifications
        server.upstream.enqueue(...)    # any script of tests.support.upstream instead of the next answers

Options::

    answers="json" | "sse"     how a POST is answered
    tools=0                    so many extra tools `tool_000`... besides the standard ones
    standard=True              the standard tools below
    hang={method, ...}         these are read and never answered. "*": all; "connect": initialize and server/discover
    die={method, ...}          the connection is reset in the middle of the answer to these
    delay={method: seconds}    silence before these answers
    errors={method: (code, message)}    JSON-RPC errors, for example {"tools/list": (-32601, "Method not found")};
                                        prompts/list and resources/list answer -32601 anyway
    status={method: 503}       an HTTP error with an HTML body instead
    unknown_fields=True        `x-custom` and unknown `_meta` keys in tools, results and content
    ttl=60_000                 for how many ms lists hold (2026)     announces=True    whether changes of tools are told
    page=0                     so many tools per page of tools/list (0: all on one)
    instructions="..."  name="scripted"  supported=(...)    what initialize and server/discover say
    token=""                   when set, requests need `Authorization: Bearer TOKEN`; others get 401 with a challenge

Tools of both (results are deterministic)::

    echo(text) -> text                   add(a, b) -> {"sum": a+b} structured, with an outputSchema using $defs
    fail() -> isError: true              big(n) -> n bytes of text
    sleep(ms)                            env(name) -> the value of the variable, or ""
    progress(n) -> n notifications/progress when the call carries a progressToken, then text (over HTTP as SSE)
    headers() -> the request's HTTP headers as JSON text (over stdio: {})
    ask(question) -> asks back by elicitation: 2025 by `elicitation/create` on the same stream, 2026 by input_required;
                     the text is the client's answer as JSON. A caller without elicitation: isError, or -32021

`echo` has a title, annotations, `_meta` and `x-custom`; `add` has `$defs`, `x-nested: {"deep": [1, null, 1.50]}` and
`x-big: 12345678901234567890`. The result of `echo` has `_meta: {"example.com/trace": "t-1"}`, `x-custom` with a 1.50,
and `x-part` in its content.

stdio (starts in about 40 ms)::

    stdio_command("2025", "--hang", "tools/call", "--crash-after", "2") -> list[str]    # works in any directory

    --hang METHOD              as above; repeatable       --error METHOD       answers -32601; repeatable
    --crash-after N            exits 1 in place of answering the Nth tools/call
    --crash-at-start           exits 3 at once            --slow-start SECONDS
    --ignore-sigterm           --ignore-eof: stays after stdin has ended
    --fork                     a child of it that only waits, in the same process group, with the same pipes
    --stray                    such a child, in a session of its own
    --pid-file PATH            writes its pid, and the child's, one a line
    --noise N                  lines on stderr at start   --noise-per-call N
    --garbage                  a line on stdout that is no JSON, before the first answer
    --tools N                  extra tools                --plain              no unknown fields
    --list-changed-after N     after the Nth call: one more tool, and notifications/tools/list_changed
    --delay SECONDS            before each answer of tools/call                --name NAME
"""

import itertools
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from tests.support.connection import Received
from tests.support.mcp_protocol import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    NO_METHOD,
    PARSE,
    UNSUPPORTED_VERSION,
    Core,
    Era,
    Options,
    Out,
    encode,
    is_modern,
    named_in,
)
from tests.support.script import RESET, Made, Pause, Script, Step, Wait, Wire, hang, json_reply, live_stream, raw_reply
from tests.support.upstream import Upstream, until

__all__ = ["McpUpstream", "stdio_command"]

_STATUS = {
    PARSE: 400,
    INVALID_REQUEST: 400,
    INVALID_PARAMS: 400,
    NO_METHOD: 404,
    HEADER_MISMATCH: 400,
    -32021: 400,
    UNSUPPORTED_VERSION: 400,
}


def stdio_command(era: Era = "2025", *options: str) -> list[str]:
    """A command line of the stdio server that works in any working directory."""
    return [sys.executable, "-I", "-S", str(Path(__file__).with_name("mcp_stdio.py")), "--era", era, *options]


@dataclass(slots=True)
class HttpOptions(Options):
    """What can be said of the HTTP server besides; see the module's docstring."""

    answers: str = "json"
    hang: set[str] = field(default_factory=set)
    die: set[str] = field(default_factory=set)
    delay: dict[str, float] = field(default_factory=dict)
    status: dict[str, int] = field(default_factory=dict)
    token: str = ""


class _Listener:
    """A stream that stays open: what is put comes out of `pieces`, as long as somebody reads it."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._wait = Wait()

    def put(self, message: dict[str, Any]) -> None:
        self._waiting.append(_event(message))
        self._wait.event.set()

    def pieces(self) -> Iterator[Step]:
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            self._wait = Wait()
            yield self._wait


def _event(message: dict[str, Any]) -> bytes:
    return b"event: message\ndata: " + encode(message) + b"\n\n"


class McpUpstream:
    """The HTTP server. See the module's docstring for how it is used."""

    def __init__(self, era: Era = "2025", **options: Any) -> None:
        self.options = HttpOptions(era=era, **options)
        self.core = Core(self.options)
        self.sessions: list[str] = []
        self._listeners: dict[_Listener, Any] = {}  # -> the subscription's id, None for a legacy GET stream
        self._asked: dict[str, tuple[Wait, list[dict[str, Any]]]] = {}
        self._numbers = itertools.count(1)
        self.upstream = Upstream()
        self.upstream.default = lambda received: Script(lambda _: self._made(received))

    @property
    def url(self) -> str:
        return f"{self.upstream.url}/mcp"

    @property
    def calls(self) -> list[tuple[str, dict[str, Any]]]:
        return self.core.calls

    @property
    def messages(self) -> list[dict[str, Any]]:
        return self.core.messages

    @property
    def requests(self) -> list[Received]:
        return self.upstream.requests

    @property
    def listeners(self) -> int:
        """How many streams are open for notifications."""
        return len(self._listeners)

    async def __aenter__(self) -> Self:
        await self.upstream.__aenter__()
        return self

    async def __aexit__(self, *fault: object) -> None:
        await self.upstream.__aexit__(*fault)

    def set(self, **options: Any) -> None:
        """Change options while it runs."""
        known = {one.name for one in fields(self.options)}
        for name, value in options.items():
            if name not in known:
                raise TypeError(f"no option {name!r}; there are {', '.join(sorted(known))}")
            setattr(self.options, name, value)

    async def received(self, method: str, n: int = 1, seconds: float = 5.0) -> dict[str, Any]:
        """The nth message of `method`, as soon as it has arrived."""
        await until(lambda: len(self._of(method)) >= n, seconds)
        return self._of(method)[n - 1]

    def _of(self, method: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message.get("method") == method]

    async def change_tools(self, count: int) -> None:
        """Have `count` extra tools from now on, and say so to everyone who listens."""
        self.options.tools = count
        for listener, subscription in self._listeners.items():
            meta = (
                {"_meta": {"io.modelcontextprotocol/subscriptionId": subscription}}
                if subscription is not None
                else None
            )
            listener.put(self.core.notification("notifications/tools/list_changed", meta))

    def forget_sessions(self) -> None:
        """As after a restart: nobody's session is known."""
        self.sessions.clear()

    def _made(self, received: Received) -> Made:
        """What answers one HTTP request."""
        if self.options.token and received.headers.get("authorization") != f"Bearer {self.options.token}":
            metadata = f"{self.upstream.url}/.well-known/oauth-protected-resource"
            challenge = {"www-authenticate": f'Bearer resource_metadata="{metadata}"'}
            return json_reply({"error": "invalid_token"}, 401, challenge).make(received)
        session = received.headers.get("mcp-session-id", "")
        if received.method == "POST":
            return self._post(received, session)
        if self.options.era == "2026" or not session:
            return json_reply({"error": "method not allowed"}, 405, {"allow": "POST"}).make(received)
        if session not in self.sessions:
            return self._error(None, INVALID_REQUEST, "Session not found", 404)
        if received.method == "DELETE":
            self.sessions.remove(session)
            return raw_reply(b"").make(received)
        return self._listen(None, [])

    def _post(self, received: Received, session: str) -> Made:
        message = received.json
        if not isinstance(message, dict):
            return self._error(None, PARSE, "Parse error", 400)
        method = message.get("method", "")
        if named_in(method, self.options.hang):
            self.core.messages.append(message)
            return hang().make(received)
        refused = self._modern_fault(received, message) if is_modern(message) else self._legacy_fault(message, session)
        if refused is not None:
            self.core.messages.append(message)
            return refused
        if method in self.options.status:
            self.core.messages.append(message)
            return raw_reply(b"<html><h1>Unavailable</h1></html>", self.options.status[method], "text/html").make(
                received
            )
        if not method:
            return self._settle(message)
        outs = self.core.answer(message, received.headers)
        if "id" not in message:
            return raw_reply(b"", 202).make(received)
        if method == "subscriptions/listen" and self.options.era != "2025":
            return self._subscribe(message)
        return self._answer(received, message, outs)

    def _legacy_fault(self, message: dict[str, Any], session: str) -> Made | None:
        if self.options.era == "2026":
            unsupported = (UNSUPPORTED_VERSION, "Unsupported protocol version", 400)
            return self._error(message.get("id"), *unsupported) if session else None
        if message.get("method") == "initialize":
            return None
        if not session:
            return self._error(message.get("id"), INVALID_REQUEST, "Bad Request: Missing session ID", 400)
        if session not in self.sessions:
            return self._error(message.get("id"), INVALID_REQUEST, "Session not found", 404)
        return None

    def _modern_fault(self, received: Received, message: dict[str, Any]) -> Made | None:
        if self.options.era == "2025":
            return self._error(message.get("id"), INVALID_REQUEST, "Bad Request: Missing session ID", 400)
        if "id" not in message:
            return None
        params = message["params"]
        wanted = {
            "mcp-protocol-version": params["_meta"]["io.modelcontextprotocol/protocolVersion"],
            "mcp-method": message.get("method"),
        }
        if message.get("method") == "tools/call":
            wanted["mcp-name"] = params.get("name")
        for header, value in wanted.items():
            if received.headers.get(header) != value:
                return self._error(message["id"], HEADER_MISMATCH, f"{header} does not match the body", 400)
        return None

    def _error(self, request_id: Any, code: int, text: str, status: int) -> Made:
        error = {"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": text}}
        return json_reply(error, status).make(None)

    def _settle(self, message: dict[str, Any]) -> Made:
        """A client's answer to a question: the call that asked goes on."""
        settled = self.core.answered(message)
        if settled and settled[0] in self._asked:
            wait, results = self._asked.pop(settled[0])
            results.append(settled[1])
            wait.event.set()
        return raw_reply(b"", 202).make(None)

    def _subscribe(self, message: dict[str, Any]) -> Made:
        asked = message["params"].get("notifications") or {}
        honoured = {"toolsListChanged": True} if asked.get("toolsListChanged") else {}
        meta = {"io.modelcontextprotocol/subscriptionId": message["id"]}
        acknowledged = {"notifications": honoured, "_meta": meta}
        first = self.core.notification("notifications/subscriptions/acknowledged", acknowledged)
        return self._listen(message["id"], [first])

    def _listen(self, subscription: Any, first: list[dict[str, Any]]) -> Made:
        listener = _Listener()
        for message in first:
            listener.put(message)

        def pieces() -> Iterator[Step]:
            self._listeners[listener] = subscription
            try:
                yield from listener.pieces()
            finally:
                self._listeners.pop(listener, None)

        return live_stream(pieces())

    def _answer(self, received: Received, message: dict[str, Any], outs: list[Out]) -> Made:
        method = message["method"]
        headers: list[tuple[str, str]] = []
        if method == "initialize" and "result" in outs[-1].message:
            session = f"session-{next(self._numbers)}-{id(received)}"
            self.sessions.append(session)
            headers.append(("mcp-session-id", session))
        if self.options.answers == "sse" or len(outs) > 1:
            wire = live_stream(self._events(method, outs), headers)
        else:
            wire = self._whole(message, outs[0], headers)
        silence = self.options.delay.get(method, 0.0) + outs[0].delay
        return Wire(b"", itertools.chain((Pause(silence), wire.head), wire.body))

    def _whole(self, message: dict[str, Any], out: Out, headers: list[tuple[str, str]]) -> Wire:
        error = out.message.get("error")
        modern = is_modern(message) or self.options.era == "2026"
        status = _STATUS.get(error["code"], 200) if error and modern else 200
        script = raw_reply(encode(out.message), status, "application/json", headers)
        if named_in(message["method"], self.options.die):
            script = script.cut(10, RESET)
        return script.wire(None)

    def _events(self, method: str, outs: list[Out]) -> Iterator[Step]:
        """The events of an answer, with the questions that it waits for and the death that was asked for."""
        for number, out in enumerate(outs):
            yield Pause(out.delay if number else 0.0)
            messages = [out.message]
            if out.asked:
                wait, messages = Wait(), []
                self._asked[out.asked] = (wait, messages)
                yield wait
            for event in map(_event, messages):
                if named_in(method, self.options.die):
                    yield event[: len(event) // 2]
                    yield RESET
                yield event
