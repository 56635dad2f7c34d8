"""Connections with one caller's own account: made when they call, and ended when they have not for a while."""

import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace

from msgspec import json

from hub.core.accounts import ANY, SHARED, SignInNeeded, owner_of
from hub.core.ids import new_id
from hub.core.refusal import Unavailable
from hub.resources.tools import ServerSpec
from hub.upstream.mcp_accounts import AuthorizedEndpoint
from hub.upstream.mcp_bridge import URL_NEEDED, bridged
from hub.upstream.mcp_capabilities import lacks
from hub.upstream.mcp_connection import ServerConnection
from hub.upstream.mcp_opening import Means
from hub.upstream.mcp_values import CallerContext, RpcReply, ServerDefinitions
from hub.upstream.mcp_watched import Watched

MOST = 1000
CONNECTIONS = "/console/connections"


def signs_in(spec: ServerSpec) -> bool:
    """Whether calls of a server go out with an account that somebody has connected."""
    return spec.auth is not None and spec.auth.is_connected


def is_personal(spec: ServerSpec) -> bool:
    """Whether they go out with each caller's own."""
    return spec.auth is not None and spec.auth.is_personal


def means_of(means: Means, name: str, spec: ServerSpec) -> Means:
    """What the server's own connection works with, which sees what the server offers."""
    return _signed(means, name, spec, ANY if is_personal(spec) else SHARED) if signs_in(spec) else means


def _signed(means: Means, name: str, spec: ServerSpec, owner: str) -> Means:
    ports = means.ports
    if ports.accounts is None:
        return means
    own = spec.auth.header if spec.auth is not None else None
    endpoint = AuthorizedEndpoint(ports.transport, ports.accounts, name, owner, header=own or "")
    return replace(means, ports=replace(ports, transport=endpoint))


@dataclass(slots=True)
class _Own:
    connection: ServerConnection
    used: float = field(default_factory=time.monotonic)


class Personal:
    """At most `MOST` of them: the one that rested longest makes room. `own` runs a connection's task."""

    def __init__(self, means: Means, own: Callable[[str, Coroutine[None, None, None]], None]) -> None:
        self._means = means
        self._own = own
        self._found: dict[tuple[str, str], _Own] = {}

    async def request(self, shared: ServerConnection, method: str, params: bytes, caller: CallerContext) -> RpcReply:
        """The answer to a caller of a server whose own connection is `shared`.

        Raises SignInNeeded, UpstreamFailed or Unavailable.
        """
        name, spec, user = shared.name, shared.spec, caller.principal.user
        accounts = self._means.ports.accounts
        if not user:
            nobody = f"Server '{name}' wants a person's account, and this key belongs to nobody: use one of a person."
            raise SignInNeeded(name, nobody)
        if accounts is None:
            raise Unavailable("upstream_error", f"Server '{name}' wants an account, and none are kept here.")
        owner = owner_of(user)
        await accounts.token(name, owner, spec.url or "", private=spec.allow_private)
        connection = self._connection(name, spec, owner, shared.definitions)
        try:
            return await connection.request(method, params, caller)
        except Unavailable:
            await accounts.token(
                name, owner, spec.url or "", private=spec.allow_private
            )  # the account may be why it cannot be connected
            raise

    def _connection(self, name: str, spec: ServerSpec, owner: str, known: ServerDefinitions) -> ServerConnection:
        self._sweep()
        place = (name, owner)
        if place not in self._found:
            means = _signed(self._means, name, spec, owner)
            # What it offers is told by the server's own connection; nobody listens to this one.
            made = ServerConnection(name, spec, means, _nothing, Watched())
            made.recall(known)
            self._found[place] = _Own(made)
            self._own(name, made.run())
        own = self._found[place]
        own.used = time.monotonic()
        return own.connection

    def connections(self) -> list[ServerConnection]:
        """All of them."""
        return [own.connection for own in self._found.values()]

    def drop(self, name: str, owner: str = "") -> None:
        """End those of a server, or one of them, once their calls have their answers."""
        for place in [one for one in self._found if one[0] == name and owner in ("", one[1])]:
            self._found.pop(place).connection.retire()

    def _sweep(self) -> None:
        horizon = time.monotonic() - self._means.pace.resting
        resting = sorted(self._found, key=lambda place: self._found[place].used)
        for number, place in enumerate(resting):
            if self._found[place].used < horizon or number < len(resting) - MOST + 1:
                self._found.pop(place).connection.retire()


def _nothing(name: str) -> None:
    pass


def asked_to_sign_in(needed: SignInNeeded, method: str, caller: CallerContext) -> RpcReply:
    """What a caller is told who has to sign in first: a page to open, or words for their model. Raises SignInNeeded."""
    page = f"{caller.site}{CONNECTIONS}?server={needed.server}" if caller.site else ""
    if page and not lacks(caller.capabilities, "elicitation/create", "url"):
        asked = {"mode": "url", "elicitationId": new_id(), "url": page, "message": needed.message}
        error = {"code": URL_NEEDED, "message": needed.message, "data": {"elicitations": [asked]}}
        return bridged(RpcReply(error=json.encode(error)), method, caller)
    told = f"{needed.message.rstrip('.')}: open {page} in a browser, then call again." if page else needed.message
    if method != "tools/call":
        raise SignInNeeded(needed.server, told)
    return RpcReply(result=json.encode({"content": [{"type": "text", "text": told}], "isError": True}))
