"""The profile endpoint over scripted servers, and clients that send it any request they like, without a socket."""

import asyncio
import contextlib
import hashlib
import json
import time
from dataclasses import dataclass, field, replace

import msgspec

from hub.catalogue import Catalogue
from hub.core.entry import Entry
from hub.core.seals import Seals, only
from hub.edge import Dispatch, Guard, InFlight, Proxies
from hub.edge.mcp.api import McpApi
from hub.identity import Identity
from hub.ledger import Ledger
from hub.policy import Policy
from hub.profile import Memory, Results
from hub.resources import KeySecret, compile_snapshot, parse
from hub.resources.model_catalog import ModelCatalog
from hub.tool_modes import ToolModes
from hub.tool_path import ToolPath
from hub.upstream import RpcReply, Sandbox, ServerDefinitions, ServerState
from hub.upstream.mcp.definitions import checked

META = "io.modelcontextprotocol/"
MODERN = "2026-07-28"
KEY, OTHER, NARROW = "key-ci-0123456789", "key-ann-0123456789", "key-narrow-0123456789"
SEAL_KEY = b"k" * 32
ACCEPT = "application/json, text/event-stream"


def tool(name="echo", needed=(), **fields):
    """A definition as a server would give it, raw; `needed` are the arguments that it requires."""
    schema = {"type": "object", "properties": {"text": {"type": "string"}}, **({"required": needed} if needed else {})}
    return msgspec.Raw(
        json.dumps({"name": name, "description": f"The {name}.", "inputSchema": schema, **fields}).encode()
    )


def offers(*tools, **fields):
    """What a server offers; `fields` are those of ServerDefinitions."""
    raws = [one if isinstance(one, bytes | msgspec.Raw) else tool(one) for one in tools]
    return ServerDefinitions(**{"tools": checked(raws).tools, "state": ServerState.READY, "revision": 1, **fields})


@dataclass
class Servers:
    """Servers that offer what they are told and answer what `reply` says. Every request is kept."""

    offered: dict[str, ServerDefinitions] = field(default_factory=dict)
    requests: list = field(default_factory=list)
    cancelled: list = field(default_factory=list)
    told: list = field(default_factory=list)
    personal: frozenset = frozenset()

    async def own_known(self, servers, user):
        return False

    def wake(self, servers, user):
        pass

    def definitions(self, server):
        return self.offered[server]

    def tell(self, principal, session, message):
        self.told.append((principal, session, message))

    async def request(self, server, method, params, *, caller):
        self.requests.append((server, method, params, caller))
        try:
            return await self.reply(server, json.loads(params), caller)
        except asyncio.CancelledError:
            self.cancelled.append(server)
            raise

    async def reply(self, server, params, caller):
        return RpcReply(
            result=json.dumps({"content": [{"type": "text", "text": f"{server}: {params.get('name')}"}]}).encode()
        )

    @property
    def params(self):
        """What the last request carried."""
        return json.loads(self.requests[-1][2])


class Entries:
    """A spool that keeps what the ledger writes."""

    def __init__(self):
        self.opened = []
        self.closed = []

    def check(self):
        pass

    def open(self, identifier, line):
        self.opened.append(identifier)

    def close(self, identifier, line, entry=None):
        self.closed.append(msgspec.json.decode(line, type=Entry))

    async def confirm(self):
        return


PROFILES = {
    "demo": {"title": "Demo", "instructions": "Be brief.", "servers": {"alpha": {}, "beta": {}}},
    "open": {"security": "none", "prefix": "never", "servers": {"alpha": {}}},
    "hidden": {"servers": {"alpha": {}}},
}
KEYS = {
    "ci": {"team": "t"},
    "ann": {"team": "t"},
    "narrow": {"team": "t", "tools": ["alpha/*"], "profiles": ["demo"]},
}
SECRETS = {"ci": KEY, "ann": OTHER, "narrow": NARROW}


class Desk:
    """Everything behind `/mcp/`, with fakes only where a process, a disk or a network would be."""

    def __init__(self, **resources):
        self.servers = Servers({"alpha": offers("echo", "add"), "beta": offers("echo")})
        self.entries = Entries()
        self.resources = {
            "servers": {name: {"command": [name]} for name in self.servers.offered},
            "teams": {"t": {"profiles": ["demo", "open"]}},
            "profiles": PROFILES,
            "keys": KEYS,
            **resources,
        }
        self.revoked = set()
        self.policy = Policy()
        self.in_flight = InFlight()
        self.generation = 0
        self.apply()
        self.memory = Memory()
        self.catalogue = Catalogue(self.servers.definitions, self.memory.compose, self.memory.revision)
        self.path = ToolPath(
            identity=Identity(),
            policy=self.policy,
            ledger=Ledger(self.entries, None),
            catalogue=self.catalogue,
            servers=self.servers,
            snapshots=lambda: self.snapshot,
            modes=ToolModes(Sandbox(), Results()),
        )
        self.api = McpApi(self.path, self.in_flight, seals=Seals(only(SEAL_KEY)))
        self.app = Dispatch(
            models=self.api,
            tools=self.api,
            pages=self.api,
            guard=Guard(),
            proxies=Proxies(()),
            in_flight=self.in_flight,
        )

    def apply(self, **resources):
        """Change resources, as every door does it."""
        self.resources |= resources
        specs = {kind: {n: parse(kind, n, raw) for n, raw in named.items()} for kind, named in self.resources.items()}
        self.generation += 1
        digests = {key: hashlib.sha256(SECRETS[key].encode()).digest() for key in SECRETS if key not in self.revoked}
        secrets = [KeySecret(key, digest) for key, digest in digests.items() if key in specs["keys"]]
        self.snapshot = compile_snapshot(specs, secrets=secrets, catalogue=ModelCatalog([]), generation=self.generation)
        self.policy.reconfigure(self.snapshot)
        if self.generation > 1:
            self.catalogue.refresh(self.snapshot)

    def offer(self, server, definitions):
        """A server changes what it offers."""
        before = self.servers.offered[server].revision
        self.servers.offered[server] = replace(definitions, revision=before + 1)
        self.catalogue.refresh(self.snapshot)

    # -- requests --------------------------------------------------------------------------------------------------

    def talk(self, body=b"", method="POST", path="/mcp/demo", headers=()):
        """Begin an HTTP request; what comes back is read from the exchange."""
        return Talk(self.app, method, path, headers, body)

    async def ask(self, body=b"", method="POST", path="/mcp/demo", headers=()):
        """One request, whole."""
        async with self.talk(body, method, path, headers) as talk:
            return await talk.answer()

    async def legacy(self, method, params=None, *, session=None, id_=1, path="/mcp/demo", key=KEY, **headers):
        message = {"jsonrpc": "2.0", "id": id_, "method": method} | ({} if params is None else {"params": params})
        return await self.ask(json.dumps(message).encode(), path=path, headers=plain(key, session, headers))

    async def modern(self, method, params=None, *, id_=1, path="/mcp/demo", key=KEY, capabilities=None, **headers):
        if capabilities is not None:
            params = {**(params or {}), "_meta": {f"{META}clientCapabilities": capabilities}}
        return await self.ask(*self.modern_request(method, params, id_, path, key, headers))

    def modern_request(self, method, params=None, id_=1, path="/mcp/demo", key=KEY, headers=None):
        """Body, HTTP method, path and headers of a good modern request; `headers` replaces some (None removes)."""
        params = {**(params or {})}
        params["_meta"] = {f"{META}protocolVersion": MODERN, f"{META}clientCapabilities": {}, **params.get("_meta", {})}
        routing = {"mcp_protocol_version": MODERN, "mcp_method": method}
        name = params.get("name", params.get("uri"))
        if name is not None:
            routing["mcp_name"] = name
        message = {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}
        return json.dumps(message).encode(), "POST", path, plain(key, None, {**routing, **(headers or {})})

    async def open(self, version="2025-11-25", *, key=KEY, path="/mcp/demo", capabilities=None):
        """A legacy session's id."""
        params = {
            "protocolVersion": version,
            "capabilities": capabilities or {},
            "clientInfo": {"name": "t", "version": "1"},
        }
        answer = await self.legacy("initialize", params, key=key, path=path)
        assert answer.status == 200, answer.body
        return answer.headers["mcp-session-id"]


def plain(key=KEY, session=None, headers=None):
    """Headers as pairs; underscores in names stand for dashes."""
    given = {"accept": ACCEPT, "content_type": "application/json", **(headers or {})}
    if key:
        given.setdefault("authorization", f"Bearer {key}")
    if session:
        given["mcp_session_id"] = session
    return [(name.replace("_", "-"), value) for name, value in given.items() if value is not None]


@dataclass
class Answer:
    """A whole response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def result(self):
        assert "result" in self.json, self.body
        return self.json["result"]

    @property
    def error(self):
        assert "error" in self.json, self.body
        return self.json["error"]

    @property
    def fault(self):
        """HTTP status, JSON-RPC code, id."""
        return self.status, self.error["code"], self.json["id"]

    @property
    def events(self):
        """The messages of a stream."""
        assert self.headers["content-type"] == "text/event-stream", self.headers
        return events_in(self.body)


def events_in(data):
    found = []
    for block in data.replace(b"\r\n", b"\n").split(b"\n\n"):
        lines = [line[5:].strip() for line in block.split(b"\n") if line.startswith(b"data:")]
        if lines:
            found.append(json.loads(b"\n".join(lines)))
    return found


class Talk:
    """One HTTP exchange in progress: `head`, `read_event`, `answer`; leaving it is the client hanging up."""

    def __init__(self, app, method, path, headers, body):
        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in [("host", "localhost"), *headers]]
        self.scope = {
            "type": "http", "method": method, "path": path.partition("?")[0], "raw_path": path.encode(), "query_string": path.partition("?")[2].encode(),
            "headers": raw, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "scheme": "http", "state": {},
        }  # fmt: skip
        self._app = app
        self._incoming = asyncio.Queue()
        self._incoming.put_nowait({"type": "http.request", "body": body, "more_body": False})
        self._outgoing = asyncio.Queue()
        self._buffer = b""
        self.ended = False

    async def __aenter__(self):
        self._task = asyncio.get_running_loop().create_task(
            self._app(self.scope, self._incoming.get, self._outgoing.put)
        )
        return self

    async def __aexit__(self, *exc_info):
        await self.leave()

    async def leave(self):
        """Hang up, and wait for the hub to be done with it."""
        self._incoming.put_nowait({"type": "http.disconnect"})
        async with asyncio.timeout(30):
            await self._task

    async def _next(self):
        async with asyncio.timeout(30):
            getting = asyncio.get_running_loop().create_task(self._outgoing.get())
            await asyncio.wait({getting, self._task}, return_when=asyncio.FIRST_COMPLETED)
            if not getting.done() and self._outgoing.empty():
                getting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await getting
                self._task.result()
                raise AssertionError("the application ended without an answer")
            return await getting

    async def head(self):
        start = await self._next()
        assert start["type"] == "http.response.start"
        names = [name for name, _ in start["headers"]]
        assert len(names) == len(set(names)), f"a header twice: {names}"
        return start["status"], {name.decode(): value.decode("latin-1") for name, value in start["headers"]}

    async def chunk(self):
        message = await self._next()
        self.ended = not message.get("more_body", False)
        return message.get("body", b"")

    async def read_event(self):
        """The next message of a stream."""
        while True:
            block, found, rest = self._buffer.partition(b"\n\n")
            if found:
                self._buffer = rest
                if events := events_in(block):
                    return events[0]
                continue
            assert not self.ended, "the stream has ended"
            self._buffer += await self.chunk()

    async def rest(self):
        """What comes until the end of the response."""
        body = self._buffer
        while not self.ended:
            body += await self.chunk()
        return body

    async def answer(self):
        status, headers = await self.head()
        return Answer(status, headers, await self.rest())


async def until(condition, seconds=5.0):
    """Poll until `condition()` is true."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not happen in time"
        await asyncio.sleep(0.005)
