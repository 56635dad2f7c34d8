"""Specs of what serves tools: upstream MCP servers and the profiles composed of them."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from hub.resources.serving import HttpUrl, Money, Seconds
from hub.resources.shaping import Bytes, Choice, HintsSpec, ProfileServerSpec, ToolName
from hub.resources.spec import Glob, Header, HeaderValue, Name, SecretRef, Spec, Text, Title

Word = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[^\x00]*$")]
# A server's name is joined to its tools' names, so it is shorter and has no dots.
ServerName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9_-]{0,30}[a-z0-9])?$")]


# Headers of a client that are not for servers: who it is, how it speaks, and what belongs to one connection.
_STAY = frozenset(
    {"authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "host", "connection", "keep-alive", "te", "trailer",
     "transfer-encoding", "upgrade", "expect", "accept", "accept-encoding", "origin", "referer", "forwarded", "last-event-id",
     "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"}
)  # fmt: skip
Scope = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[\x21\x23-\x5b\x5d-\x7e]+$")]


class ServerAuthSpec(Spec):
    """How the hub signs in to a server: a bearer token, a header or a query parameter of its own, or by OAuth.

    With `oauth` somebody signs in at the server's own provider, and the hub keeps and renews what that gives. `account`
    says whose account calls go out with: each caller's own (`user`, as is usual with `oauth`), or one for all that an
    administrator connects (`hub`). A bearer token or a header with `account: user` is each caller's own key. The hub makes
    itself known to the provider unless `client_id` says under which name it was registered there. `scopes` replace
    those that the server asks for.
    """

    type: Literal["none", "bearer", "header", "query", "oauth"]
    secret: SecretRef | None = None
    header: Header | None = None
    parameter: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._~-]{1,64}$")] | None = None
    account: Literal["user", "hub"] | None = None
    scopes: list[Scope] = Field(default_factory=list, max_length=100)
    client_id: Annotated[str, StringConstraints(min_length=1, max_length=2048, pattern=r"^[\x20-\x7e]+$")] | None = None
    client_secret: SecretRef | None = None

    @model_validator(mode="after")
    def _complete(self) -> "ServerAuthSpec":
        own_keys = self.account == "user" and self.type in ("bearer", "header")
        if (self.type in ("bearer", "header", "query") and not own_keys) != (self.secret is not None):
            kind = f"auth of type '{self.type}'" + (" with account: user" if own_keys else "")
            raise ValueError(f"{kind} {'needs' if self.secret is None else 'has no'} secret")
        if self.account is not None and self.type not in ("oauth", "bearer", "header"):
            raise ValueError("account goes with type oauth, bearer or header")
        for kind, name in (("header", "header"), ("query", "parameter")):
            if (self.type == kind) != (getattr(self, name) is not None):
                raise ValueError(f"{name} goes with type: {kind}")
        for name in ("scopes", "client_id", "client_secret"):
            if self.type != "oauth" and name in self.model_fields_set:
                raise ValueError(f"{name} goes with type: oauth")
        if self.client_secret is not None and self.client_id is None:
            raise ValueError("client_secret goes with client_id")
        return self

    @property
    def is_personal(self) -> bool:
        """Whether calls go out with each caller's own account."""
        return self.account == "user" or (self.type == "oauth" and self.account is None)

    @property
    def is_connected(self) -> bool:
        """Whether calls go out with an account that somebody connects."""
        return self.type == "oauth" or self.is_personal


class ServerTimeoutsSpec(Spec):
    """Clocks of a server, in seconds: connecting (for stdio: starting), one list, one call in all.

    A call also ends when the server gives no first sign of life for `first_byte`, or none after it for `idle`:
    progress, a line of the log or any byte of the answer counts. No clock runs while the caller is asked something.
    """

    connect: Seconds = 15.0
    list: Seconds = 15.0
    first_byte: Seconds = 60.0
    idle: Seconds = 60.0
    call: Seconds = 300.0


class ToolPriceSpec(Spec):
    """What calls cost, as decimal strings in USD: each call, some tools by their own names, a million tokens of results."""

    call: Money = "0"
    tools: dict[ToolName, Money] = Field(default_factory=dict, max_length=500)
    result_tokens: Money | None = None


class ServerSpec(Spec):
    """An upstream server: a command (stdio), a url (streamable HTTP or HTTP+SSE), an OpenAPI document, or the hub's own.

    `openapi` is the path or address of a document whose operations become tools; it is read again now and then, and
    nothing that it refers to elsewhere is fetched. `base_url` is where its API is, when it does not say so itself;
    `operations` are globs over operation ids, or over `METHOD /path`. `forward` names headers of the client's request that
    go on to this server, each under another name where one is given. `parallel` calls of it run at a time; further
    ones wait. `repeat` are globs over the tools that may be called once more when an answer breaks off, of those of which
    the server says that this does no harm (`idempotentHint`). Calls of tools in `confirm`, globs too, wait in every profile
    until their caller's user has agreed. The arguments of a call are checked before it goes out:
    against the tool's own `schema`; with `strict` they may only be those that it names, also where it leaves that open; or
    not at all (`off`). A process is stopped after `idle_stop` seconds without a
    call, and started again by the next one; it is ended when it and what it started have more than `memory_mib` of memory
    or more than so many `processes`.
    """

    command: Annotated[list[Word], Field(min_length=1, max_length=256)] | None = None
    url: HttpUrl | None = None
    openapi: Word | None = None
    base_url: HttpUrl | None = None
    operations: Choice = Field(default_factory=lambda: ["*"])
    builtin: Literal["hub"] | None = None
    env: dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")], Word] = Field(
        default_factory=dict, max_length=100
    )
    cwd: Word | None = None
    headers: dict[Header, HeaderValue] = Field(default_factory=dict)
    forward: dict[Header, Header | Literal[""]] = Field(default_factory=dict, max_length=50)
    auth: ServerAuthSpec | None = None
    allow_private: bool = False
    timeouts: ServerTimeoutsSpec = ServerTimeoutsSpec()
    parallel: Annotated[int, Field(ge=1, le=1000)] = 64
    repeat: Choice = Field(default_factory=lambda: ["*"])
    confirm: Choice = Field(default_factory=list)
    check_arguments: Literal["schema", "strict", "off"] = "schema"
    idle_stop: Seconds = 900.0
    memory_mib: Annotated[int, Field(ge=16, le=1 << 20)] = 2048
    processes: Annotated[int, Field(ge=1, le=4096)] = 64
    title: Title = ""
    description: Text = ""
    icon: Annotated[str, StringConstraints(max_length=2048, pattern=r"^https?://")] | None = None
    categories: list[Name] = Field(default_factory=list, max_length=20)
    note: Text = ""
    price: ToolPriceSpec | None = None
    enabled: bool = True

    @field_validator("forward")
    @classmethod
    def _may_go_on(cls, forward: dict[str, str]) -> dict[str, str]:
        for name in (*forward, *forward.values()):
            if name.lower() in _STAY or name.lower().startswith(("mcp-", "x-hub-", "proxy-", "sec-", "content-")):
                raise ValueError(
                    f"'{name}' does not go on: it is the hub's own, a credential, or of one connection only"
                )
        return forward

    @model_validator(mode="after")
    def _one_transport(self) -> "ServerSpec":
        given = [name for name in ("command", "url", "openapi", "builtin") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("a server has exactly one of command, url, openapi and builtin")
        wrong = {
            "command": ("headers", "forward", "auth", "base_url"),
            "url": ("env", "cwd", "base_url"),
            "openapi": ("env", "cwd"),
            "builtin": ("env", "cwd", "headers", "forward", "auth", "base_url"),
        }
        for name in wrong[given[0]]:
            if getattr(self, name):
                raise ValueError(f"{name} has no effect on a server with {given[0]}")
        if self.auth is not None and (self.auth.is_connected or self.auth.type == "query") and self.url is None:
            raise ValueError(f"auth of type '{self.auth.type}' goes with url")
        if self.openapi is None and "operations" in self.model_fields_set:
            raise ValueError("operations goes with openapi")
        return self


class ProfileSpec(Spec):
    """A named set of servers and chosen tools at one URL, `/mcp/{profile}`.

    `include` takes over the servers and instructions of other profiles, as these present them; a server that stands
    here too is as it stands here. `prefix` says whether a tool is `server__tool`: always, only where two have the
    same name, or never (of one server: a profile that shows it unchanged). `only` keeps the tools whose annotations
    say so, of every server. `lock` pins the tools' definitions as they are when it is set: `warn` tells what has
    changed since, `enforce` also keeps new and changed tools back until somebody approves them. `mode` is how the
    tools are presented: all of them (`full`), as three that find, describe and call them (`search`), or as one that
    runs programs over them (`code`). `max_result` is how many bytes of a tool's result are shown; the rest is kept
    for an hour, to be read on, and a result of more than 1 MiB is not refused. `resources_as_tools` adds tools that
    list and read resources, for clients and models that know tools alone. `team` says whose it is: the owners and
    developers of that team change it, too.
    `guardrails` are rules that look at calls through it, beside those whose scope it falls under. `models` are those that
    `hub install --models` sets up together with it, as globs over names; without any, all that the key may call.
    """

    title: Title = ""
    description: Text = ""
    team: Name | None = None
    instructions: Text = ""
    security: Literal["key", "oauth", "none"] = "key"
    mode: Literal["full", "search", "code"] = "full"
    prefix: Literal["always", "on-conflict", "never"] = "always"
    lock: Literal["warn", "enforce"] | None = None
    max_result: Bytes | None = None
    resources_as_tools: bool = False
    only: HintsSpec | None = None
    guardrails: list[Name] = Field(default_factory=list, max_length=100)
    models: list[Glob] = Field(default_factory=list, max_length=1000)
    include: list[Name] = Field(default_factory=list, max_length=50)
    servers: dict[ServerName, ProfileServerSpec] = Field(default_factory=dict, max_length=200)
    enabled: bool = True
