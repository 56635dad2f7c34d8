"""Connecting an account at a server: to the provider's page in the browser, and back with a code."""

from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Protocol

import msgspec
from msgspec import Struct

from hub.core.accounts import SHARED, Account, Registration, Tokens, owner_of
from hub.core.principal import Principal
from hub.core.refusal import Forbidden, Malformed, UpstreamFailed
from hub.core.seals import Broken, Seals
from hub.resources.tools import ServerAuthSpec, ServerSpec
from hub.upstream.mcp.accounts import Accounts, AccountStore
from hub.upstream.oauth_client import NAME, Dead, OAuthClient, Site, new_verifier
from hub.upstream.oauth_wire import Issuer

DOCUMENT = "/oauth/client.json"  # where the hub describes itself to authorization servers that look there
_SECONDS = 600.0
_BOUND = b"an account at a server"


class SignInStore(AccountStore, Protocol):
    """Where accounts are kept, and under which names the hub is known."""

    async def registration(self, issuer: str, redirect: str) -> Registration | None:
        """What the hub is called at an authorization server, where it made itself known with this redirect address."""
        ...

    async def register(self, issuer: str, redirect: str, registration: Registration) -> None:
        """Remember it."""
        ...

    async def registrations(self) -> list[tuple[str, str, Registration]]:
        """Every authorization server that knows the hub, the redirect address that it was told, and the hub's name there."""
        ...

    async def everybody(self) -> list[Account]:
        """All accounts of all owners."""
        ...

    async def remove(self, server: str, owner: str) -> bool:
        """Forget an account; whether there was one."""
        ...

    async def of(self, owner: str) -> list[Account]:
        """All accounts of an owner."""
        ...

    async def prune(self, users: Collection[str]) -> list[tuple[str, str]]:
        """Forget the accounts of everybody who is not one of `users`; the server and the owner of each."""
        ...


class _Begun(Struct, frozen=True, array_like=True):
    """What goes with the browser, sealed, and comes back."""

    server: str
    owner: str
    verifier: str
    issuer: str
    token_endpoint: str
    resource: str
    redirect: str
    client_id: str
    method: str
    says_issuer: bool
    scope: str


class ServerSignIns:
    """Begins and ends sign-ins. `signed_in(server, owner)` is told of each account that came, `signed_out` of each that went."""

    def __init__(
        self,
        client: OAuthClient,
        store: SignInStore,
        accounts: Accounts,
        seals: Seals,
        resolve: Callable[[str], Awaitable[str]],
        signed_in: Callable[[str, str], None],
        signed_out: Callable[[str, str], None],
    ) -> None:
        self._client = client
        self._store = store
        self._accounts = accounts
        self._seals = seals
        self._resolve = resolve
        self._signed_in = signed_in
        self._signed_out = signed_out

    async def begin(self, name: str, spec: ServerSpec, owner: str, redirect: str) -> str:
        """The address to which the browser goes. Raises UpstreamFailed: nobody says how to sign in there."""
        auth = spec.auth or ServerAuthSpec(type="oauth")
        try:
            site = await self._client.site(spec.url or "", private=spec.allow_private)
            registration = await self._registration(auth, site.issuer, redirect, private=spec.allow_private)
        except UpstreamFailed as failure:
            raise UpstreamFailed(failure.code, f"Server '{name}': {failure.message}", status=failure.status) from None
        scope = await self._scope(name, auth, site, owner)
        verifier = new_verifier()
        begun = _Begun(
            name, owner, verifier, site.issuer.issuer, site.issuer.token_endpoint, site.resource, redirect,
            registration.client_id, registration.method,
            site.issuer.authorization_response_iss_parameter_supported, scope,
        )  # fmt: skip
        state = self._seals.seal(_BOUND, msgspec.json.encode(begun).decode(), _SECONDS)
        return self._client.doorway(site, registration, redirect, state, scope, verifier)

    async def _scope(self, name: str, auth: ServerAuthSpec, site: Site, owner: str) -> str:
        """What is asked for: what the server wants, what it wanted since, and to stay signed in where that has a name."""
        wanted = list(auth.scopes or site.scopes)
        held = await self._store.find(name, owner)
        if held is not None and held.wanted:
            wanted += [*held.tokens.scope.split(), *held.wanted.split()]
        if "offline_access" in site.issuer.scopes_supported:
            wanted.append("offline_access")
        return " ".join(dict.fromkeys(wanted))

    async def _registration(
        self, auth: ServerAuthSpec, issuer: Issuer, redirect: str, *, private: bool
    ) -> Registration:
        """The name under which the hub asks: the one it was given, its own address, or one that it registers."""
        if auth.client_id is not None:
            secret = await self._resolve(auth.client_secret) if auth.client_secret else ""
            taken = issuer.token_endpoint_auth_methods_supported
            method = "client_secret_post" if "client_secret_basic" not in taken else "client_secret_basic"
            return Registration(auth.client_id, secret, method if secret else "none")
        if issuer.client_id_metadata_document_supported and redirect.startswith("https://"):
            return Registration("/".join(redirect.split("/")[:3]) + DOCUMENT)
        known = await self._store.registration(issuer.issuer, redirect)
        if known is None:
            known = await self._client.register(issuer, redirect, private=private)
            await self._store.register(issuer.issuer, redirect, known)
        return known

    def begun_for(self, state: str) -> tuple[str, str]:
        """Server and owner of the sign-in that comes back with `state`. Raises Malformed."""
        begun = self._opened(state)
        return begun.server, begun.owner

    async def finish(self, name: str, spec: ServerSpec, given: dict[str, str]) -> Account:
        """The account that a browser came back with. `given` is the query that it brought.

        Raises Malformed where it is not what was begun, Forbidden where the provider said no, or UpstreamFailed.
        """
        begun = self._opened(given.get("state", ""))
        issuer = given.get("iss", "")
        if begun.server != name or ((issuer or begun.says_issuer) and issuer != begun.issuer):
            raise Malformed("malformed", "This answer is not from where you were sent. Begin again.")
        if given.get("error"):
            raise Forbidden("forbidden", f"The provider did not grant access: {_word(given['error'])}.")
        registration = await self._known(spec, begun)
        form = {
            "grant_type": "authorization_code",
            "code": given.get("code", "")[:4096],
            "redirect_uri": begun.redirect,
            "code_verifier": begun.verifier,
            "resource": begun.resource,
        }
        try:
            tokens = await self._client.redeem(begun.token_endpoint, registration, form, private=spec.allow_private)
        except Dead as dead:
            if str(dead) == "invalid_client":
                await self._store.unregister(begun.issuer)
            raise UpstreamFailed("upstream_error", "its provider does not take the code: connect again") from None
        if not tokens.scope:
            tokens = msgspec.structs.replace(tokens, scope=begun.scope)
        account = Account(name, begun.owner, begun.issuer, begun.resource, begun.token_endpoint, registration, tokens)
        written = await self._store.put(account)
        self._accounts.forget(name, begun.owner)
        self._signed_in(name, begun.owner)
        return written

    async def _known(self, spec: ServerSpec, begun: _Begun) -> Registration:
        """The name under which the sign-in was begun, with its secret."""
        auth = spec.auth
        if auth is not None and auth.client_id == begun.client_id and auth.client_secret is not None:
            return Registration(begun.client_id, await self._resolve(auth.client_secret), begun.method)
        stored = await self._store.registration(begun.issuer, begun.redirect)
        return stored if stored is not None and stored.client_id == begun.client_id else Registration(begun.client_id)

    async def held(self, owner: str) -> dict[str, Account]:
        """The accounts of an owner, by server."""
        return {account.server: account for account in await self._store.of(owner)}

    async def everybody(self) -> list[Account]:
        """All accounts of all owners."""
        return await self._store.everybody()

    async def registrations(self) -> list[tuple[str, str, Registration]]:
        """Every authorization server that knows the hub, the redirect address that it was told, and the hub's name there."""
        return await self._store.registrations()

    async def unregister(self, issuer: str) -> bool:
        """Forget the hub's names at an authorization server, so that the next sign-in there makes it known anew."""
        return await self._store.unregister(issuer)

    async def keep(self, name: str, spec: ServerSpec, owner: str, key: str) -> Account:
        """An account that is nothing but a key of its owner's."""
        tokens = Tokens(key)
        written = await self._store.put(Account(name, owner, "", spec.url or "", "", Registration(""), tokens))
        self._accounts.forget(name, owner)
        self._signed_in(name, owner)
        return written

    async def forget(self, server: str, owner: str) -> bool:
        """Take an account back; whether there was one."""
        there = await self._store.remove(server, owner)
        self._accounts.forget(server, owner)
        self._signed_out(server, owner)
        return there

    async def keep_only(self, users: Collection[str]) -> None:
        """Forget the accounts of everybody else: nobody inherits them with the name."""
        for server, owner in await self._store.prune(users):
            self._accounts.forget(server, owner)
            self._signed_out(server, owner)

    def _opened(self, state: str) -> _Begun:
        try:
            return msgspec.json.decode(self._seals.open(_BOUND, state[:8192]), type=_Begun)
        except (Broken, msgspec.MsgspecError):
            raise Malformed("malformed", "This sign-in was not begun here, or took too long. Begin again.") from None


def owner_for(principal: Principal, spec: ServerSpec) -> str:
    """Whose account calls of a principal go out with at a server. Raises Forbidden for a key of nobody."""
    if spec.auth is not None and not spec.auth.is_personal:
        return SHARED
    if not principal.user:
        raise Forbidden("forbidden", "Accounts belong to people, and this key belongs to nobody. Sign in.")
    return owner_of(principal.user)


def client_document(base: str, redirects: Iterable[str]) -> dict[str, object]:
    """How the hub describes itself to authorization servers (OAuth Client ID Metadata Document)."""
    return {
        "client_id": base + DOCUMENT,
        "client_name": NAME,
        "client_uri": base,
        "redirect_uris": list(redirects),
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    }


def _word(text: str) -> str:
    return "".join(one for one in text[:64] if one.isascii() and (one.isalnum() or one in "_-")) or "no reason given"
