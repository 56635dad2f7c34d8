"""What the MCP side of upstream takes and gives: frozen values and the ports that it is handed."""

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct, json

from hub.core.principal import ANONYMOUS, Principal
from hub.upstream.exchange import Endpoint
from hub.upstream.mcp.accounts import Accounts


class Era(StrEnum):
    """The two families of the protocol: a handshake and sessions, or every request for itself."""

    LEGACY = "legacy"
    MODERN = "modern"


class ServerState(StrEnum):
    """How much the definitions of a server can be trusted, and whether it takes calls."""

    STARTING = "starting"  # never seen yet, being connected
    READY = "ready"  # connected, and its definitions were confirmed over this connection
    STALE = "stale"  # definitions from before; it is being connected, or is down
    FAILED = "failed"  # it could not be reached and nothing is known of it, or the hub has stopped trying


class RpcReply(Struct, frozen=True):
    """A server's answer as it came: the raw JSON of `result` or of `error`; the other one is None.

    `own` says that the hub itself put it together, so that the state in it is the hub's.
    """

    result: bytes | None = None
    error: bytes | None = None
    era: Era = Era.LEGACY
    own: bool = False

    @classmethod
    def failure(cls, text: str) -> "RpcReply":
        """The result of a tool that was not called, or failed, for the model that called it."""
        return cls(result=json.encode({"content": [{"type": "text", "text": text}], "isError": True}))


MOST_RESULT = 1 << 20  # bytes of an answer to a call, unless its profile shortens results
MOST_MESSAGE = 16 << 20  # bytes of any other message, and of what is shortened
Ask = Callable[[str, bytes], Awaitable[RpcReply]]


@dataclass(frozen=True, slots=True)
class Resume:
    """A round of a request that began before: the parked call that it goes on with, and the answers, raw JSON.

    Nothing is parked ("") where its user was only asked whether to make the call at all.
    """

    parked: str
    responses: bytes = b"{}"


class CallerContext(Struct, frozen=True):
    """Who asks and how they can be told things, and asked, while they wait.

    `capabilities` is the raw JSON of what their client declared, `era` the one that it speaks. `session` names the
    client's own session, where it has one. `notify(method, params)` is called in the event loop with each
    notification that belongs to the call and must not block. `ask(method, params)` gives the client's answer to a
    question of the server's; None when they cannot be asked while they wait. `log_level` is what they want to read
    of the server's log, "" when they named none. `deadline` is a reading of `time.monotonic()`; None leaves only
    the server's own clock. `resume` is set for a later round of a parked call. `site` is the hub's own address as the
    caller sees it, "" where nobody could go there. `headers` are those of their request, names in lower case.
    `meta` is the `_meta` that the call goes out with. `later(method, params)` tells their client something when the
    call is over, where it listens then. `most` is how many bytes of an answer are read.
    """

    principal: Principal = ANONYMOUS
    capabilities: bytes = b"{}"
    notify: Callable[[str, bytes], None] | None = None
    deadline: float | None = None
    ask: Ask | None = None
    era: Era = Era.LEGACY
    session: str = ""
    log_level: str = ""
    resume: Resume | None = None
    site: str = ""
    headers: Mapping[bytes, bytes] = {}
    meta: bytes = b"{}"
    later: Callable[[str, bytes], None] | None = None
    most: int = MOST_MESSAGE


@dataclass(frozen=True, slots=True)
class ToolDefinition:
    """One tool. `raw` is its definition byte for byte.

    `mirrored` pairs the path of each argument that the modern HTTP wire repeats in a header with the rest of that
    header's name. `idempotent` says that its server declares that it may be called twice.
    """

    name: str
    raw: bytes
    mirrored: tuple[tuple[tuple[str, ...], str], ...] = ()
    idempotent: bool = False


@dataclass(frozen=True, slots=True)
class PromptDefinition:
    """One prompt. `raw` is its definition byte for byte."""

    name: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class ResourceDefinition:
    """One resource, or one template: then `uri` is its URI template. `raw` is its definition byte for byte."""

    uri: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class ServerDefinitions:
    """What a server offers, as last seen. `since` is when it came into its state (seconds since the epoch).

    `listed` is when the server last said so itself. `plain` says that it offers the same to every client, whatever that
    can do; `common` that it is what several accounts have in common. `revision` grows whenever any of it changes.
    `ttl` is for how many seconds it holds by the server's own word. `rejected` pairs the name of each definition that was
    left out with the reason. `server_info` and `capabilities` are raw JSON.
    """

    tools: tuple[ToolDefinition, ...] = ()
    prompts: tuple[PromptDefinition, ...] = ()
    resources: tuple[ResourceDefinition, ...] = ()
    templates: tuple[ResourceDefinition, ...] = ()
    instructions: str = ""
    server_info: bytes = b"{}"
    capabilities: bytes = b"{}"
    era: Era | None = None
    version: str = ""
    state: ServerState = ServerState.STARTING
    since: float = 0.0
    error: str = ""
    revision: int = 0
    rejected: tuple[tuple[str, str], ...] = ()
    plain: bool = False
    common: bool = False
    listed: float = 0.0
    ttl: float = math.inf


@dataclass(frozen=True, slots=True)
class Lately:
    """How the last hundred calls of a server went: how many there were, and how many it did not answer.

    `p50_ms` is the median of what they took, `at` when the last one ended (seconds since the epoch).
    """

    calls: int = 0
    failed: int = 0
    p50_ms: float = 0.0
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """How a server does, for people. No secret stands in any of it."""

    name: str
    transport: str  # stdio, http or builtin
    state: ServerState
    since: float
    era: Era | None = None
    version: str = ""
    server_info: bytes = b"{}"
    pid: int | None = None
    last_error: str = ""
    stderr: tuple[str, ...] = ()
    restarts: int = 0
    in_flight: int = 0
    tools: int = 0
    prompts: int = 0
    resources: int = 0  # with templates
    rejected: tuple[tuple[str, str], ...] = ()
    noise: int = 0  # lines and messages that were no JSON-RPC
    late: int = 0  # answers that nobody waited for any more
    listed: float = 0.0  # seconds since the epoch
    lately: Lately = Lately()


class ServerSnapshots(Protocol):
    """Where definitions outlive the process."""

    async def load(self) -> Mapping[str, bytes]:
        """What was saved, by server."""
        ...

    async def save(self, server: str, data: bytes) -> None:
        """Keep `data` for `server`, in place of what was there."""
        ...


Handle = Callable[[Principal, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class BuiltinTool:
    """A tool that the hub itself brings: its MCP definition and the function that runs it.

    The function takes the caller and the arguments and gives a tool result; it may raise Refusal.
    """

    definition: Mapping[str, Any]
    run: Handle


@dataclass(frozen=True, slots=True)
class Builtin:
    """A server in process: its tools by name, and what it says about itself."""

    tools: Mapping[str, BuiltinTool]
    instructions: str = ""


@dataclass(frozen=True, slots=True)
class Ports:
    """What the servers need from outside.

    `resolve` turns a secret reference into its value. `folder` is where process ids are kept while the processes run.
    `accounts` are those that calls go out with, at servers that want a sign-in. `environment` is the hub's own; few of
    it reach a server. `redact` masks what looks like a secret in text. `builtins` maps the name in `builtin:` to the
    server.
    """

    transport: Endpoint
    resolve: Callable[[str], Awaitable[str]]
    snapshots: ServerSnapshots
    folder: Path
    accounts: Accounts | None = None
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    redact: Callable[[str], str] = str
    builtins: Mapping[str, Builtin] = field(default_factory=dict[str, Builtin])


@dataclass(frozen=True, slots=True)
class Pace:
    """The clocks and numbers that do not stand in a resource; seconds unless named otherwise."""

    first_delay: float = 1.0  # before the second attempt to connect; doubled each time
    ceiling: float = 60.0  # the longest such delay
    restarts: int = 5  # of one process within `window`, then it is left alone
    window: float = 300.0
    steady: float = 30.0  # a connection that lived so long was a good one: delays begin anew
    patience: float = 2.0  # how long a call waits for a server that failed last time
    refresh: float = 300.0  # between two looks at an unchanged list
    fresh: float = 10.0  # at least, between two looks at a list that its server says to hold for less
    settle: float = 0.05  # a burst of `list_changed` is answered by one look
    relook: float = 0.5  # at least, between two looks at a list, whatever the server says
    hush: float = 5.0  # a probe without an answer for so long is joined by the old handshake
    stop: float = 1.5  # each step of stopping a process: end of input, SIGTERM, SIGKILL
    resting: float = 300.0  # a caller's own session without calls is closed after so long
    sessions: int = 256  # of one server over HTTP, each for another kind of caller
    copies: int = 8  # the same for processes
    park: float = 600.0  # a call that waits for its caller's answer is kept so long
    parked: int = 64  # calls of one principal that wait so; together at most sixteen times as many
    gather: float = 0.03  # questions that come within so long of each other are asked together
    trips: int = 5  # failed calls in a row, after which a server is left alone for `trip`
    trip: float = 1.0
    inspect: float = 5.0  # between two looks at what processes use
