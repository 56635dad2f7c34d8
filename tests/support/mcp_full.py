"""A server that has everything the protocol knows, in either era: what it offers, and how it answers one request.

Without a transport: `tests.support.mcp_full_http` and `tests.support.mcp_full_stdio` carry it. It follows the official
conformance suite's wishes for a server under test, and adds what the era matrix asks for.
"""

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
from collections.abc import Awaitable, Callable
from typing import Any

Json = dict[str, Any]
META = "io.modelcontextprotocol/"
MODERN = "2026-07-28"
HANDSHAKES = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
TASKS = f"{META}tasks"
INFO = {"name": "full", "version": "1.0.0", "title": "Full test server"}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
WAV = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAAAAA=="
LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
_KEY = b"the state of the test server is signed with this"


class RpcError(Exception):
    """An error answer."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.error: Json = {"code": code, "message": message} | ({} if data is None else {"data": data})


class Required(Exception):
    """A modern call that cannot go on before its caller has answered."""

    def __init__(self, requests: Json, state: str | None) -> None:
        super().__init__("input is required")
        self.result: Json = {"resultType": "input_required", "inputRequests": requests}
        if state is not None:
            self.result["requestState"] = state


class Caller:
    """One request: who sent it can be told things and be asked, as its era has it.

    `send(message)` puts a message on the request's own stream; `put(method, params)` asks a client of the old era.
    """

    def __init__(
        self,
        message: Json,
        send: Callable[[Json], None],
        *,
        capabilities: Json,
        level: str = "",
        put: Callable[[str, Json], Awaitable[Json]] | None = None,
    ) -> None:
        self.method: str = message["method"]
        self.params: Json = message.get("params") or {}
        self.meta: Json = self.params.get("_meta") or {}
        self.modern = f"{META}protocolVersion" in self.meta
        self.capabilities: Json = self.meta.get(f"{META}clientCapabilities", {}) if self.modern else capabilities
        self.level = self.meta.get(f"{META}logLevel", "") if self.modern else level
        self._send = send
        self._put = put
        self._answers: Json = {}

    def notify(self, method: str, params: Json) -> None:
        """Send a notification on the request's own stream."""
        self._send({"jsonrpc": "2.0", "method": method, "params": params})

    def progress(self, progress: float, total: float, text: str = "") -> None:
        """Report progress, where the caller wants it."""
        token = self.meta.get("progressToken")
        if token is not None:
            extra = {"message": text} if text else {}
            self.notify(
                "notifications/progress", {"progressToken": token, "progress": progress, "total": total, **extra}
            )

    def log(self, level: str, data: Any) -> None:
        """Write a line of the log, where the caller wants one."""
        wanted = self.level or ("debug" if not self.modern else "")
        if wanted and LEVELS.index(level) >= LEVELS.index(wanted):
            self.notify("notifications/message", {"level": level, "logger": "full", "data": data})

    async def ask(self, state: bool = False, **questions: tuple[str, Json]) -> Json:
        """The answers to these questions, by their names. `state`: a modern round carries a signed state."""
        if not self.modern:
            assert self._put is not None
            answers = await asyncio.gather(*(self._put(method, params) for method, params in questions.values()))
            return dict(zip(questions, answers, strict=True))
        given = self.params.get("inputResponses")
        if given is not None and not isinstance(given, dict):
            raise RpcError(-32602, "inputResponses is an object")
        before = self._restored()
        known = {**before, **{key: value for key, value in (given or {}).items() if isinstance(value, dict)}}
        missing = {key: one for key, one in questions.items() if key not in known}
        if missing:
            kept = {key: known[key] for key in known if key in self._answers or key in before or key in questions}
            wanted = {key: {"method": method, "params": params} for key, (method, params) in missing.items()}
            raise Required(wanted, _signed({**self._answers, **kept}) if state or self._answers or kept else None)
        answers = {key: known[key] for key in questions}
        self._answers |= answers
        return answers

    def _restored(self) -> Json:
        """The answers of earlier rounds. Raises RpcError when somebody changed them."""
        state = self.params.get("requestState")
        if state is None:
            return {}
        try:
            digest, _, body = base64.b64decode(state, validate=True).partition(b".")
        except ValueError:
            raise RpcError(-32602, "requestState cannot be read") from None
        if digest.decode("latin-1") != hmac.new(_KEY, body, hashlib.sha256).hexdigest():
            raise RpcError(-32602, "requestState was changed")
        return json.loads(body)


def _signed(answers: Json) -> str:
    body = json.dumps(answers, sort_keys=True).encode()
    return base64.b64encode(hmac.new(_KEY, body, hashlib.sha256).hexdigest().encode() + b"." + body).decode()


def text(value: str, **fields: Any) -> Json:
    """A tool's result of one text."""
    return {"content": [{"type": "text", "text": value}], **fields}


def form(message: str, **properties: Json) -> tuple[str, Json]:
    """A question that a form answers."""
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return "elicitation/create", {"mode": "form", "message": message, "requestedSchema": schema}


def sampling(prompt: str, **fields: Any) -> tuple[str, Json]:
    """A question for the caller's model."""
    messages = [{"role": "user", "content": {"type": "text", "text": prompt}}]
    return "sampling/createMessage", {"messages": messages, "maxTokens": 100, **fields}


class Core:
    """What the server offers now, and its answers. `changed(kind)` and `updated(uri)` are told of changes.

    `tools` maps a name to its definition and what runs it. `calls` are those that began, `cancelled` those that were
    stopped, `log_levels` what `logging/setLevel` asked for.
    """

    def __init__(self, era: str = "both", tools: Any = None) -> None:
        self.era = era
        self.tools: dict[str, tuple[Json, Callable[[Core, Caller, Json], Awaitable[Json]]]] = dict(tools or {})
        self.prompts: list[Json] = list(PROMPTS)
        self.resources: list[Json] = list(RESOURCES)
        self.calls: list[str] = []
        self.cancelled: list[str] = []
        self.log_levels: list[str] = []
        self.subscribed: list[str] = []
        self.initialized: list[Json] = []
        self.changed: Callable[[str], None] = lambda kind: None
        self.updated: Callable[[str], None] = lambda uri: None
        self.task_changed: Callable[[Json], None] = lambda task: None
        self.tasks: dict[str, Any] = {}
        self.numbers = itertools.count(1)

    @property
    def versions(self) -> list[str]:
        """The revisions that it speaks."""
        return {"2025": list(HANDSHAKES), "2026": [MODERN]}.get(self.era, [MODERN, *HANDSHAKES])

    def capabilities(self) -> Json:
        """What it can do."""
        return {
            "tools": {"listChanged": True},
            "prompts": {"listChanged": True},
            "resources": {"subscribe": True, "listChanged": True},
            "completions": {},
            "logging": {},
            "extensions": {TASKS: {}, f"{META}ui": {}} if self.era != "2025" else {f"{META}ui": {}},
        }

    def initialize(self, params: Json) -> Json:
        """The old handshake."""
        self.initialized.append(params)
        asked = params.get("protocolVersion")
        return {
            "protocolVersion": asked if asked in HANDSHAKES else HANDSHAKES[-1],
            "capabilities": self.capabilities(),
            "serverInfo": INFO,
            "instructions": "Everything is here.",
        }

    async def answer(self, caller: Caller) -> Json:
        """The result of a request. Raises RpcError."""
        try:
            result = await self._answer(caller)
        except Required as required:
            result = required.result
        if not caller.modern:
            return result
        meta = {**result.get("_meta", {}), f"{META}serverInfo": INFO}
        return {"resultType": "complete", **result, "_meta": meta}

    async def _answer(self, caller: Caller) -> Json:
        method, params = caller.method, caller.params
        if method == "tools/call":
            return await self._call(caller, params)
        if method in _ANSWERS:
            return await _ANSWERS[method](self, caller, params)
        if method == "server/discover" and caller.modern:
            head = {"supportedVersions": self.versions, "capabilities": self.capabilities()}
            return {**head, "instructions": "Everything is here.", **self.hints()}
        if not caller.modern and method == "logging/setLevel":
            self.log_levels.append(params["level"])
            return {}
        if not caller.modern and method in ("ping", "resources/subscribe", "resources/unsubscribe"):
            if method == "resources/subscribe":
                self.subscribed.append(params["uri"])
            elif method == "resources/unsubscribe" and params["uri"] in self.subscribed:
                self.subscribed.remove(params["uri"])
            return {}
        raise RpcError(-32601, f"Method not found: {method}")

    def hints(self) -> Json:
        """Hints for a cache."""
        return {"ttlMs": 60_000, "cacheScope": "public"}

    async def _call(self, caller: Caller, params: Json) -> Json:
        name = str(params.get("name"))
        if name not in self.tools:
            raise RpcError(-32602, f"Unknown tool: {name}")
        self.calls.append(name)
        try:
            return await self.tools[name][1](self, caller, params.get("arguments") or {})
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise


async def _lists(core: Core, caller: Caller, params: Json) -> Json:
    lists: dict[str, tuple[str, list[Json]]] = {
        "tools/list": ("tools", [definition for definition, _ in core.tools.values()]),
        "prompts/list": ("prompts", core.prompts),
        "resources/list": ("resources", core.resources),
        "resources/templates/list": ("resourceTemplates", TEMPLATES),
    }
    member, items = lists[caller.method]
    return {member: items, **(core.hints() if caller.modern else {})}


async def _read(core: Core, caller: Caller, params: Json) -> Json:
    uri = str(params.get("uri"))
    hints = core.hints() if caller.modern else {}
    if uri == "test://who-asks":
        answer = await caller.ask(who=form("Who reads?", name={"type": "string"}))
        return {"contents": [{"uri": uri, "mimeType": "text/plain", "text": json.dumps(answer["who"], sort_keys=True)}]}
    if uri.startswith("test://template/") and uri.endswith("/data"):
        number = uri.removeprefix("test://template/").removesuffix("/data")
        body = json.dumps({"id": number, "templateTest": True, "data": f"Data for ID: {number}"})
        return {"contents": [{"uri": uri, "mimeType": "application/json", "text": body}], **hints}
    known = {one["uri"]: one for one in core.resources}
    if uri not in known:
        raise RpcError(-32602 if caller.modern else -32002, "Resource not found", {"uri": uri})
    if uri == "test://static-binary":
        return {"contents": [{"uri": uri, "mimeType": "image/png", "blob": PNG}], **hints}
    body = {"ui://full/app": "<p>app</p>", "test://static-text": "This is the content of the static text resource."}
    content = {"uri": uri, "mimeType": known[uri]["mimeType"], "text": body.get(uri, f"Content of {uri}."), "x-kept": 1}
    return {"contents": [content], **hints}


async def _prompt(core: Core, caller: Caller, params: Json) -> Json:
    name, given = str(params.get("name")), params.get("arguments") or {}
    if name not in {one["name"] for one in core.prompts}:
        raise RpcError(-32602, f"Unknown prompt: {name}")
    if name == "test_input_required_result_prompt":
        asked = await caller.ask(user_context=form("What context should the prompt use?", context={"type": "string"}))
        return _said(f"Context: {json.dumps(asked['user_context'], sort_keys=True)}")
    if name == "test_prompt_with_arguments":
        return _said(f"Prompt with arguments: arg1='{given.get('arg1')}', arg2='{given.get('arg2')}'")
    if name == "test_prompt_with_embedded_resource":
        inner = {"uri": given.get("resourceUri"), "mimeType": "text/plain"}
        resource = {**inner, "text": "Embedded resource content for testing."}
        return _said("Please process the embedded resource above.", {"type": "resource", "resource": resource})
    if name == "test_prompt_with_image":
        return _said("Please analyze the image above.", {"type": "image", "data": PNG, "mimeType": "image/png"})
    return _said("This is a simple prompt for testing.")


def _said(words: str, before: Json | None = None) -> Json:
    contents = [*([before] if before else []), {"type": "text", "text": words}]
    return {"messages": [{"role": "user", "content": content} for content in contents]}


async def _complete(core: Core, caller: Caller, params: Json) -> Json:
    """Completes with the name that was asked about, so that a test sees which one arrived."""
    ref = params.get("ref") or {}
    start = str((params.get("argument") or {}).get("value", ""))
    name = str(ref.get("name") or ref.get("uri"))
    return {"completion": {"values": [f"{start}ris", f"{start}rk", name], "total": 3, "hasMore": False}}


_ANSWERS: dict[str, Callable[[Core, Caller, Json], Awaitable[Json]]] = {
    "tools/list": _lists,
    "prompts/list": _lists,
    "resources/list": _lists,
    "resources/templates/list": _lists,
    "resources/read": _read,
    "prompts/get": _prompt,
    "completion/complete": _complete,
}


def _needs(*names: str) -> list[Json]:
    return [{"name": name, "description": f"The {name}.", "required": True} for name in names]


PROMPTS: tuple[Json, ...] = (
    {"name": "test_simple_prompt", "description": "A simple prompt."},
    {"name": "test_prompt_with_arguments", "description": "With arguments.", "arguments": _needs("arg1", "arg2")},
    {"name": "test_prompt_with_embedded_resource", "description": "Embeds.", "arguments": _needs("resourceUri")},
    {"name": "test_prompt_with_image", "description": "With an image."},
    {"name": "test_input_required_result_prompt", "description": "Asks for its context."},
)
RESOURCES: tuple[Json, ...] = (
    {"uri": "test://static-text", "name": "static-text", "description": "Text.", "mimeType": "text/plain", "size": 48},
    {"uri": "test://static-binary", "name": "static-binary", "description": "An image.", "mimeType": "image/png"},
    {"uri": "test://watched-resource", "name": "watched", "description": "Changes.", "mimeType": "text/plain"},
    {"uri": "test://who-asks", "name": "asks", "description": "Asks who reads.", "mimeType": "text/plain"},
    {"uri": "ui://full/app", "name": "app", "description": "An app.", "mimeType": "text/html;profile=mcp-app"},
)
TEMPLATES: list[Json] = [
    {
        "uriTemplate": "test://template/{id}/data",
        "name": "data",
        "description": "Data by id.",
        "mimeType": "application/json",
    }
]
