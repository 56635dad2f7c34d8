"""Connections with one caller's own account: made when they call, and ended when they have not for a while."""

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from itertools import count

from msgspec import json

from hub.core.accounts import ANY, SHARED, SignInNeeded, owner_of
from hub.core.logs import get_logger
from hub.core.principal import Principal
from hub.core.refusal import Refusal, Unavailable, UpstreamFailed
from hub.resources.tools import ServerSpec
from hub.upstream.mcp.accounts import AuthorizedEndpoint
from hub.upstream.mcp.bridge import bridged
from hub.upstream.mcp.capabilities import lacks
from hub.upstream.mcp.completions import URL_NEEDED, Completions
from hub.upstream.mcp.connection import ServerConnection
from hub.upstream.mcp.everybody import Common
from hub.upstream.mcp.keeping import saved
from hub.upstream.mcp.opening import Means
from hub.upstream.mcp.values import CallerContext, RpcReply, ServerDefinitions, ServerState
from hub.upstream.mcp.waiters import Waiters
from hub.upstream.mcp.watched import Listener, Watched

log = get_logger(__name__)
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
    if is_personal(spec):
        return _unkept(_signed(means, name, spec, ANY))
    return _signed(means, name, spec, SHARED) if signs_in(spec) else means


class _Unkept:
    """What one account sees outlives no process: what all have in common does, in its place."""

    async def load(self) -> dict[str, bytes]:
        return {}

    async def save(self, server: str, data: bytes) -> None:
        pass


def _unkept(means: Means) -> Means:
    return replace(means, ports=replace(means.ports, snapshots=_Unkept()))


def _signed(means: Means, name: str, spec: ServerSpec, owner: str) -> Means:
    ports = means.ports
    if ports.accounts is None:
        return means
    own = spec.auth.header if spec.auth is not None else None
    endpoint = AuthorizedEndpoint(ports.transport, ports.accounts, name, owner, header=own or "")
    return replace(means, ports=replace(ports, transport=endpoint))


@dataclass(slots=True)
class _Own:
    """One caller's connection; `shown` is what they see of the server, made of the two definitions beside it.

    `confirmed` says that the server has told what it offers to them.
    """

    connection: ServerConnection
    used: float = field(default_factory=time.monotonic)
    shown: tuple[ServerDefinitions, ServerDefinitions, ServerDefinitions] | None = None
    confirmed: bool = False


Place = tuple[str, str]  # server and owner


class Personal:
    """At most `MOST` of them: the one that rested longest makes room. `own` runs a connection's task.

    `changed` is called with the server's name when what one caller sees of it has changed.
    """

    def __init__(
        self, means: Means, own: Callable[[str, Coroutine[None, None, None]], None], changed: Callable[[str], None]
    ) -> None:
        self._means = means
        self._own = own
        self._changed = changed
        self._found: OrderedDict[Place, _Own] = OrderedDict()
        self._watched: dict[Place, Watched] = {}
        self._asked: OrderedDict[Place, Completions] = OrderedDict()
        self._waking: set[Place] = set()
        self._revisions = count(1)
        self._common: dict[str, Common] = {}
        self._confirmed: Waiters[Place] = Waiters()

    # -- calls -----------------------------------------------------------------------------------------------------

    async def request(self, shared: ServerConnection, method: str, params: bytes, caller: CallerContext) -> RpcReply:
        """The answer to a caller of a server whose own connection is `shared`.

        Raises SignInNeeded, UpstreamFailed or Unavailable.
        """
        owner = self._owner(shared, caller.principal)
        known = self._found.get((shared.name, owner))
        if known is None or not known.connection.is_connected:  # else the request finds out by itself
            await self._check(shared, owner)
        try:
            return await self._connection(shared, owner).request(method, params, caller)
        except Unavailable:
            await self._check(shared, owner)  # the account may be why it cannot be connected
            raise

    def _owner(self, shared: ServerConnection, principal: Principal) -> str:
        """Whose account a call goes out with. Raises SignInNeeded for a key of nobody, Unavailable."""
        name = shared.name
        if not principal.user:
            nobody = f"Server '{name}' wants a person's account, and this key belongs to nobody: use one of a person."
            raise SignInNeeded(name, nobody)
        if self._means.ports.accounts is None:
            raise Unavailable("upstream_error", f"Server '{name}' wants an account, and none are kept here.")
        return owner_of(principal.user)

    async def _check(self, shared: ServerConnection, owner: str) -> None:
        """See that there is an account. Raises SignInNeeded, or UpstreamFailed while it cannot be renewed."""
        accounts, spec = self._means.ports.accounts, shared.spec
        if accounts is not None:
            await accounts.token(shared.name, owner, spec.url or "", private=spec.allow_private)

    def _connection(self, shared: ServerConnection, owner: str) -> ServerConnection:
        place = (shared.name, owner)
        own = self._found.get(place)
        if own is None:
            self._make_room()
            means = _unkept(_signed(self._means, shared.name, shared.spec, owner))
            watched = self._watched.setdefault(place, Watched())
            connection = ServerConnection(shared.name, shared.spec, means, lambda _: self._heard(place), watched)
            connection.recall(self.shown_to_all(shared))
            own = self._found[place] = _Own(connection)
            self._own(shared.name, connection.run())
        own.used = time.monotonic()
        self._found.move_to_end(place)
        return own.connection

    def connections(self) -> list[ServerConnection]:
        """All of them."""
        return [own.connection for own in self._found.values()]

    # -- what each caller sees and hears ---------------------------------------------------------------------------

    def shown_to_all(self, shared: ServerConnection) -> ServerDefinitions:
        """What everybody sees of a server: what all accounts that are known here have in common, and no resources."""
        kept = self._common.setdefault(shared.name, Common(self._revisions))
        if kept.is_due(shared.definitions):
            lists = {
                place[1]: own.connection.definitions
                for place, own in self._found.items()
                if place[0] == shared.name and own.confirmed
            }
            if kept.narrow(shared.definitions, lists) and shared.definitions.state is ServerState.READY:
                self._own(shared.name, self._save(shared, kept.shown))
        return kept.shown

    async def _save(self, shared: ServerConnection, shown: ServerDefinitions) -> None:
        try:
            await self._means.ports.snapshots.save(shared.name, saved(shown, shared.spec))
        except Exception as error:  # noqa: BLE001 - a list that is not kept is only asked for again
            log.warning("server_snapshot_not_saved", server=shared.name, error=type(error).__name__)

    def shown(self, shared: ServerConnection, user: str) -> ServerDefinitions | None:
        """What a person sees of a server once their own connection is there: what is theirs, and nobody else's."""
        own = self._found.get((shared.name, owner_of(user)))
        if own is None:
            return None
        both = (self.shown_to_all(shared), own.connection.definitions)
        if own.shown is None or own.shown[0] is not both[0] or own.shown[1] is not both[1]:
            theirs = both[1]
            held = theirs if own.confirmed else both[0]
            state, since, error = theirs.state, theirs.since, theirs.error
            merged = replace(held, state=state, since=since, error=error, revision=next(self._revisions))
            own.shown = (*both, merged)
        return own.shown[2]

    def _heard(self, place: Place) -> None:
        """What one caller sees of a server, or how their connection does, has changed."""
        own = self._found.get(place)
        if own is not None and own.connection.definitions.state is ServerState.READY:
            own.confirmed = True
            self._confirmed.give(place)
            if place[0] in self._common:
                self._common[place[0]].due = True
        self._changed(place[0])

    async def known(self, shared: ServerConnection, user: str) -> bool:
        """Wait for what a server offers to a person, where they have an account and it was not looked at yet.

        Whether it was looked at now.
        """
        place = (shared.name, owner_of(user))
        if place in self._found and self._found[place].confirmed:
            return False
        self.wake(shared, user)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(shared.spec.timeouts.list):
                while await self._confirmed.wait(shared.spec.timeouts.list) != place:
                    continue
        return place in self._found and self._found[place].confirmed

    def wake(self, shared: ServerConnection, user: str) -> None:
        """Somebody wants to see what is theirs: connect with their account, if they have one."""
        place = (shared.name, owner_of(user))
        if place not in self._found and place not in self._waking:
            self._waking.add(place)
            self._own(shared.name, self._woken(shared, place))

    async def _woken(self, shared: ServerConnection, place: Place) -> None:
        try:
            await self._check(shared, place[1])
            self._connection(shared, place[1])
        except UpstreamFailed as failure:
            log.info("server_not_connected_for_caller", server=place[0], reason=failure.code)
            self._confirmed.give(place)  # nobody has to wait for it
        finally:
            self._waking.discard(place)

    async def watch(
        self, shared: ServerConnection, what: str, listener: Listener, principal: Principal
    ) -> Callable[[], None]:
        """Tell `listener` what the server says to this person; returns how to stop that. Raises as `request` does."""
        owner = self._owner(shared, principal)
        await self._check(shared, owner)
        place = (shared.name, owner)
        stop = self._watched.setdefault(place, Watched()).add(shared.name, what, listener)
        connection = self._connection(shared, owner)
        with contextlib.suppress(Refusal):  # as soon as it is connected, it watches by itself
            await connection.linked(time.monotonic() + self._means.pace.patience)
            await connection.rewatch()

        def stopped() -> None:
            stop()
            own = self._found.get(place)
            if own is not None:
                own.connection.rewatch_soon()
            else:
                self._forget_watched(place)

        return stopped

    def _is_watched(self, place: Place) -> bool:
        return place in self._watched and bool(self._watched[place].of(place[0]))

    def _forget_watched(self, place: Place) -> None:
        if place in self._watched and not self._is_watched(place):
            del self._watched[place]

    # -- accounts that come and go ---------------------------------------------------------------------------------

    def sent_to_sign_in(self, server: str, owner: str, identifier: str, caller: CallerContext) -> None:
        """A client was sent to the page where an account is connected."""
        if caller.later is None:
            return
        place = (server, owner)
        self._asked.setdefault(place, Completions()).expect(identifier, caller.later)
        self._asked.move_to_end(place)
        while len(self._asked) > MOST:
            self._asked.popitem(last=False)

    def signed_in(self, server: str, owner: str) -> None:
        """Whoever was sent to connect this account has done so."""
        asked = self._asked.pop((server, owner), None)
        if asked is not None:
            asked.end_all()

    def drop(self, name: str, owner: str = "") -> None:
        """End those of a server, or one of them, once their calls have their answers."""
        for place in [one for one in self._found if one[0] == name and owner in ("", one[1])]:
            self._retire(place)

    def forget(self, name: str) -> None:
        """What bears this name now is another server."""
        self._common.pop(name, None)

    def again(self, shared: ServerConnection, owner: str = "") -> None:
        """Connect anew, with the account that is there now, those who still watch something."""
        for place in [one for one in self._watched if one[0] == shared.name and owner in ("", one[1])]:
            if self._is_watched(place):
                self.wake(shared, place[1].removeprefix(owner_of("")))

    def _retire(self, place: Place) -> None:
        self._found.pop(place).connection.retire()
        self._forget_watched(place)

    def _make_room(self) -> None:
        """End those that rested for long and watch nothing, and the one that rested longest where there are too many."""
        horizon = time.monotonic() - self._means.pace.resting
        while self._found:
            place, own = next(iter(self._found.items()))
            if len(self._found) < MOST and own.used >= horizon:
                return
            if len(self._found) < MOST and self._is_watched(place):
                own.used = time.monotonic()
                self._found.move_to_end(place)
            else:
                self._retire(place)


def asked_to_sign_in(needed: SignInNeeded, method: str, caller: CallerContext, identifier: str) -> RpcReply:
    """What a caller is told who has to sign in first: a page to open, or words for their model. Raises SignInNeeded.

    `identifier` is the page's, for clients that want one.
    """
    page = f"{caller.site}{CONNECTIONS}?server={needed.server}" if caller.site else ""
    if page and not lacks(caller.capabilities, "elicitation/create", "url"):
        asked = {"mode": "url", "elicitationId": identifier, "url": page, "message": needed.message}
        error = {"code": URL_NEEDED, "message": needed.message, "data": {"elicitations": [asked]}}
        return bridged(RpcReply(error=json.encode(error)), method, caller)
    told = f"{needed.message.rstrip('.')}: open {page} in a browser, then call again." if page else needed.message
    if method != "tools/call":
        raise SignInNeeded(needed.server, told)
    return RpcReply(result=json.encode({"content": [{"type": "text", "text": told}], "isError": True}))
