"""What a scriptable MCP server says, without a transport: one message in, messages out.

Standard library only, so that a process of it starts at once.
"""

import itertools
import json
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from tests.support.mcp_tools import Json, definitions, result_of

LEGACY = "2025-11-25"
HANDSHAKES = ("2024-11-05", "2025-03-26", "2025-06-18", LEGACY)
MODERN = "2026-07-28"
_META = "io.modelcontextprotocol/"
PARSE, INVALID_REQUEST, NO_METHOD, INVALID_PARAMS = -32700, -32600, -32601, -32602
HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION = -32020, -32021, -32022

Era = Literal["2025", "2026", "both"]


@dataclass(slots=True)
class Options:
    """What the server is told to be; see tests/support/mcp_upstreams.py."""

    era: Era = "2025"
    tools: int = 0
    standard: bool = True
    unknown_fields: bool = True
    page: int = 0
    name: str = "scripted"
    instructions: str = "Scripted tools for tests."
    errors: dict[str, tuple[int, str]] = field(default_factory=dict)
    supported: tuple[str, ...] = ()
    ttl: int = 60_000
    announces: bool = True

    @property
    def versions(self) -> tuple[str, ...]:
        """The revisions that it admits to."""
        if self.supported:
            return self.supported
        return {"2025": HANDSHAKES, "2026": (MODERN,), "both": (MODERN, *HANDSHAKES)}[self.era]


@dataclass(frozen=True, slots=True)
class Out:
    """A message to send after `delay` more seconds. `asked`: only once that question is answered."""

    message: Json
    delay: float = 0.0
    asked: str = ""


class RpcError(Exception):
    """An error answer."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(message)
        self.error: Json = {"code": code, "message": message} | ({} if data is None else {"data": data})


def encode(message: Json) -> bytes:
    """The message on one line; `"@1.50"` becomes the number 1.50."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).replace('"@1.50"', "1.50").encode()


def is_modern(message: Json) -> bool:
    """Whether the request says by itself which revision it speaks."""
    return f"{_META}protocolVersion" in _meta(message)


def named_in(method: str, methods: Collection[str]) -> bool:
    """Whether a set of methods means this one: by name, by "*", or by "connect"."""
    connecting = method in ("initialize", "server/discover") and "connect" in methods
    return method in methods or "*" in methods or connecting


def _meta(message: Json) -> Json:
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    return meta if isinstance(meta, dict) else {}


class Core:
    """The server's knowledge. Legacy clients' capabilities are those of the last `initialize`."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.calls: list[tuple[str, Json]] = []
        self.messages: list[Json] = []
        self.capabilities: Json = {}
        self._asked: dict[str, Json] = {}
        self._numbers = itertools.count(1)

    def answer(self, message: Json, headers: Mapping[str, str] | None = None) -> list[Out]:
        """What follows from a request; nothing from a notification. `headers` are the request's, over HTTP."""
        self.messages.append(message)
        if "id" not in message:
            return []
        try:
            return list(self._answers(message, headers or {}))
        except RpcError as refused:
            return [Out({"jsonrpc": "2.0", "id": message["id"], "error": refused.error})]

    def answered(self, message: Json) -> tuple[str, Json] | None:
        """The question that this response settles, and the tool result that was waiting for it."""
        self.messages.append(message)
        call = self._asked.pop(str(message.get("id")), None)
        if call is None:
            return None
        text = json.dumps(message.get("result", message.get("error")), sort_keys=True)
        return str(message["id"]), self._complete(call, {"content": [{"type": "text", "text": text}]})

    def notification(self, method: str, params: Json | None = None) -> Json:
        """A notification."""
        return {"jsonrpc": "2.0", "method": method} | ({"params": params} if params else {})

    def definitions(self) -> list[Json]:
        """The tools as they are now."""
        given = self.options
        return definitions(standard=given.standard, extra=given.tools, unknown_fields=given.unknown_fields)

    def _answers(self, message: Json, headers: Mapping[str, str]) -> Iterator[Out]:
        method = message.get("method", "")
        self._check_era(message)
        if method in self.options.errors:
            raise RpcError(*self.options.errors[method])
        if method == "tools/call":
            yield from self._call(message, headers)
        elif method == "initialize":
            yield Out(self._complete(message, self._initialize(message["params"])))
        elif method == "server/discover":
            yield Out(self._complete(message, self._discover()))
        elif method == "tools/list":
            yield Out(self._complete(message, self._page(message.get("params") or {}, is_modern(message))))
        elif method in ("ping", "logging/setLevel") and not is_modern(message):
            yield Out(self._complete(message, {}))
        else:
            raise RpcError(NO_METHOD, f"Method not found: {method}")

    def _check_era(self, message: Json) -> None:
        method = message.get("method")
        modern = is_modern(message)
        if self.options.era == "2025" and (modern or method == "server/discover"):
            raise RpcError(NO_METHOD, f"Method not found: {method}")
        if self.options.era == "2026" and not modern:
            if method == "initialize":
                asked = (message.get("params") or {}).get("protocolVersion")
                raise RpcError(UNSUPPORTED_VERSION, "Unsupported protocol version", self._versions(asked))
            raise RpcError(INVALID_PARAMS, "params._meta lacks the protocol version and the client's capabilities")
        if modern:
            asked = _meta(message)[f"{_META}protocolVersion"]
            if asked not in self.options.versions:
                raise RpcError(UNSUPPORTED_VERSION, "Unsupported protocol version", self._versions(asked))
            if f"{_META}clientCapabilities" not in _meta(message):
                raise RpcError(INVALID_PARAMS, "params._meta lacks the client's capabilities")

    def _versions(self, asked: object) -> Json:
        return {"supported": list(self.options.versions), "requested": asked}

    def _info(self) -> Json:
        return {"name": self.options.name, "version": "1.0.0", "title": "Scripted server"}

    def _initialize(self, params: Json) -> Json:
        self.capabilities = params.get("capabilities") or {}
        asked = params.get("protocolVersion")
        version = asked if asked in HANDSHAKES and asked in self.options.versions else LEGACY
        head = {
            "protocolVersion": version,
            "capabilities": {"tools": {"listChanged": self.options.announces}},
            "serverInfo": self._info(),
        }
        return head | ({"instructions": self.options.instructions} if self.options.instructions else {})

    def _discover(self) -> Json:
        tools = {"listChanged": self.options.announces}
        head = {"supportedVersions": list(self.options.versions), "capabilities": {"tools": tools}}
        hints = {"ttlMs": 60_000, "cacheScope": "public"}
        return head | hints | ({"instructions": self.options.instructions} if self.options.instructions else {})

    def _page(self, params: Json, modern: bool) -> Json:
        tools = self.definitions()
        hints = {"ttlMs": self.options.ttl, "cacheScope": "public"} if modern else {}
        start = int(params.get("cursor") or 0)
        end = start + self.options.page if self.options.page else len(tools)
        more = {"nextCursor": str(end)} if end < len(tools) else {}
        return {"tools": tools[start:end], **more, **hints}

    def _complete(self, message: Json, result: Json) -> Json:
        if is_modern(message):
            meta = {**result.get("_meta", {}), f"{_META}serverInfo": self._info()}
            result = {"resultType": "complete", **result, "_meta": meta}
        return {"jsonrpc": "2.0", "id": message["id"], "result": result}

    def _call(self, message: Json, headers: Mapping[str, str]) -> Iterator[Out]:
        params = message.get("params") or {}
        name, arguments = str(params.get("name")), params.get("arguments") or {}
        self.calls.append((name, arguments))
        known = any(tool["name"] == name for tool in self.definitions())
        if not known:
            raise RpcError(INVALID_PARAMS, f"Unknown tool: {name}")
        if name == "ask":
            yield from self._ask(message, str(arguments.get("question", "")))
            return
        if name in ("env", "headers"):
            text = os.environ.get(str(arguments.get("name")), "") if name == "env" else json.dumps(dict(headers))
            yield Out(self._complete(message, {"content": [{"type": "text", "text": text}]}))
            return
        if name == "progress":
            yield from self._progress(message, int(arguments.get("n", 0)))
        delay = float(arguments.get("ms", 0)) / 1000 if name == "sleep" else 0.0
        result = result_of(name, arguments, unknown_fields=self.options.unknown_fields)
        yield Out(self._complete(message, result or {"content": []}), delay)

    def _progress(self, message: Json, steps: int) -> Iterator[Out]:
        token = _meta(message).get("progressToken")
        for step in range(steps if token is not None else 0):
            params = {"progressToken": token, "progress": step + 1, "total": steps, "message": f"step {step + 1}"}
            yield Out(self.notification("notifications/progress", params))

    def _ask(self, message: Json, question: str) -> Iterator[Out]:
        params = message["params"]
        modern = is_modern(message)
        capabilities = _meta(message).get(f"{_META}clientCapabilities") if modern else self.capabilities
        schema = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
        request = {
            "method": "elicitation/create",
            "params": {"mode": "form", "message": question, "requestedSchema": schema},
        }
        if "elicitation" not in (capabilities or {}):
            if modern:
                raise RpcError(
                    MISSING_CAPABILITY, "elicitation is needed", {"requiredCapabilities": {"elicitation": {}}}
                )
            text = "the client cannot be asked"
            yield Out(self._complete(message, {"content": [{"type": "text", "text": text}], "isError": True}))
        elif not modern:
            key = f"ask-{next(self._numbers)}"
            self._asked[key] = message
            yield Out({"jsonrpc": "2.0", "id": key, **request})
            yield Out({}, asked=key)
        elif "inputResponses" in params:
            if params.get("requestState") != f"state of {question} = ü":
                raise RpcError(INVALID_PARAMS, "requestState was not given back as it was")
            text = json.dumps(params["inputResponses"].get("answer"), sort_keys=True)
            yield Out(self._complete(message, {"content": [{"type": "text", "text": text}]}))
        else:
            asked = {"inputRequests": {"answer": request}, "requestState": f"state of {question} = ü"}
            yield Out(self._complete(message, {"resultType": "input_required", **asked}))
