"""Accounts that calls to servers go out with: kept, renewed before they end, and asked for where there is none."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol
from weakref import WeakValueDictionary

from msgspec.structs import replace

from hub.core.accounts import ANY, SHARED, Account, SignInNeeded
from hub.core.logs import get_logger
from hub.core.refusal import UpstreamFailed
from hub.upstream.exchange import Endpoint, Exchange, Response
from hub.upstream.oauth_client import Dead, OAuthClient
from hub.upstream.oauth_wire import challenge, same_origin

log = get_logger(__name__)

_EARLY = 0.8  # of a token's life, after which it is renewed
_CLAIM_SECONDS = 30.0  # another replica that renews it is waited for so long
_LOOK_SECONDS = 0.2
_FRESH_SECONDS = 5.0  # what this process has read is taken for true so long


class AccountStore(Protocol):
    """Where accounts are kept, encrypted, for all replicas."""

    async def find(self, server: str, owner: str) -> Account | None:
        """An account; of the owner `*` the one that was connected last and still is."""
        ...

    async def put(self, account: Account) -> Account:
        """Write one, in place of an older one; as it is written."""
        ...

    async def claim(self, server: str, owner: str, version: int, seconds: float) -> bool:
        """Whether this caller alone may renew that version, for so long."""
        ...

    async def unregister(self, issuer: str) -> bool:
        """Forget under which names the hub was known at an authorization server; whether it was."""
        ...


class Accounts:
    """The tokens of all accounts. `now` is in seconds since the epoch."""

    def __init__(self, store: AccountStore, client: OAuthClient, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._client = client
        self._now = now
        self._known: dict[tuple[str, str], tuple[float, Account]] = {}
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    def forget(self, server: str, owner: str) -> None:
        """An account has changed: read it anew."""
        for place in [one for one in self._known if one[0] == server and one[1] in (owner, ANY)]:
            del self._known[place]

    async def token(self, server: str, owner: str, url: str, *, private: bool) -> str:
        """The access token to call `server` with, which is at `url` now: it goes to where it was given for, and nowhere else.

        Raises SignInNeeded, or UpstreamFailed while it cannot be renewed.
        """
        account = await self._account(server, owner)
        if not same_origin(account.resource, url):
            raise _needed(server, owner, "it has moved")
        if self._is_young(account):
            return account.tokens.access
        return await self._renewed(account, private, must=self._has_ended(account))

    async def after(self, server: str, owner: str, used: str, *, private: bool) -> str:
        """A token in place of `used`, which the server refused. Raises SignInNeeded, or UpstreamFailed."""
        self.forget(server, owner)
        account = await self._account(server, owner)
        if account.tokens.access != used:  # somebody has renewed it meanwhile
            return account.tokens.access
        return await self._renewed(account, private, must=True)

    async def refused(self, server: str, owner: str, why: str, wanted: str = "") -> SignInNeeded:
        """The server takes no token of this account any more, or wants more scopes than it has."""
        account = await self._account(server, owner)
        self._keep(await self._store.put(replace(account, error=why, wanted=wanted)))
        return _needed(server, owner, why)

    async def _account(self, server: str, owner: str) -> Account:
        known = self._known.get((server, owner))
        if known is not None and known[0] > self._now():
            account = known[1]
        else:
            found = await self._store.find(server, owner)
            if found is None:
                self._known.pop((server, owner), None)
                raise _needed(server, owner)
            account = found
            self._known[server, owner] = (self._now() + _FRESH_SECONDS, account)
        if account.error:
            raise _needed(server, owner, account.error)
        return account

    def _keep(self, account: Account) -> None:
        self.forget(account.server, account.owner)
        self._known[account.server, account.owner] = (self._now() + _FRESH_SECONDS, account)

    def _is_young(self, account: Account) -> bool:
        tokens = account.tokens
        if not tokens.expires_at:
            return True
        return self._now() < tokens.issued_at + _EARLY * (tokens.expires_at - tokens.issued_at)

    def _has_ended(self, account: Account) -> bool:
        return bool(account.tokens.expires_at) and self._now() >= account.tokens.expires_at

    # -- renewing --------------------------------------------------------------------------------------------------

    async def _renewed(self, account: Account, private: bool, *, must: bool) -> str:
        """A newer token; the one that is there where it still holds and none can be had now. One at a time renews."""
        if not account.tokens.refresh:
            if not must:
                return account.tokens.access
            why = "its sign-in has ended" if account.tokens.expires_at else "it refuses the account"
            refusal = await self.refused(account.server, account.owner, why)
            raise refusal
        try:
            async with self._locks.setdefault((account.server, account.owner), asyncio.Lock()):
                return await self._renewed_alone(account, private)
        except SignInNeeded:
            raise
        except UpstreamFailed as failure:
            if must:
                raise
            log.warning("account_not_renewed", server=account.server, reason=failure.message)
            return account.tokens.access

    async def _renewed_alone(self, seen: Account, private: bool) -> str:
        ends = self._now() + _CLAIM_SECONDS
        while True:
            current = await self._store.find(seen.server, seen.owner)
            if current is None or current.error:
                raise _needed(seen.server, seen.owner, current.error if current else "")
            if current.version != seen.version and current.tokens.access != seen.tokens.access:
                self._keep(current)
                return current.tokens.access
            if await self._store.claim(current.server, current.owner, current.version, _CLAIM_SECONDS):
                return await self._renew(current, private)
            if self._now() > ends:
                raise UpstreamFailed("upstream_error", "its sign-in is being renewed elsewhere, for too long")
            await asyncio.sleep(_LOOK_SECONDS)

    async def _renew(self, account: Account, private: bool) -> str:
        form = {"grant_type": "refresh_token", "refresh_token": account.tokens.refresh, "resource": account.resource}
        if account.tokens.scope:
            form["scope"] = account.tokens.scope
        try:
            tokens = await self._client.redeem(account.token_endpoint, account.registration, form, private=private)
        except Dead as dead:
            await self._store.put(replace(account, error="its sign-in was ended at the provider"))
            if str(dead) == "invalid_client":
                await self._store.unregister(account.issuer)
            self.forget(account.server, account.owner)
            log.info("account_ended", server=account.server, reason=str(dead))
            raise _needed(account.server, account.owner, "its sign-in was ended at the provider") from None
        self._keep(await self._store.put(replace(account, tokens=tokens)))
        return tokens.access


def _needed(server: str, owner: str, why: str = "") -> SignInNeeded:
    told = f" ({why})" if why else ""
    if owner == SHARED:
        return SignInNeeded(
            server, f"Server '{server}' wants an administrator to connect the hub's account there{told}."
        )
    if owner == ANY:
        return SignInNeeded(
            server, f"Server '{server}' shows its tools once somebody has connected an account there{told}."
        )
    return SignInNeeded(server, f"Server '{server}' wants you to connect your account there{told}.")


class AuthorizedEndpoint:
    """An endpoint whose requests go out with an account: its token, renewed once when the server refuses it.

    It stands in `header`, or as a bearer token.
    """

    def __init__(self, endpoint: Endpoint, accounts: Accounts, server: str, owner: str, *, header: str = "") -> None:
        self._endpoint = endpoint
        self._accounts = accounts
        self._server = server
        self._owner = owner
        self._header, self._scheme = (header, "") if header else ("Authorization", "Bearer ")

    async def request(self, exchange: Exchange) -> Response:
        """See `hub.upstream.exchange.Endpoint`. Raises SignInNeeded as well."""
        accounts, place = self._accounts, (self._server, self._owner)
        token = await accounts.token(*place, exchange.url, private=exchange.private)
        response = await self._endpoint.request(self._with(exchange, token))
        if response.status == 401:  # nothing was begun by it: it may be sent again
            response.close()
            token = await accounts.after(*place, token, private=exchange.private)
            response = await self._endpoint.request(self._with(exchange, token))
        if response.status == 401:
            response.close()
            raise await accounts.refused(*place, "it refuses the account")
        if response.status == 403:
            told = challenge(response.headers.get("www-authenticate", ""))
            if told.get("error") == "insufficient_scope":
                response.close()
                raise await accounts.refused(*place, "it wants more rights", told.get("scope", ""))
        return response

    def _with(self, exchange: Exchange, token: str) -> Exchange:
        return replace(exchange, headers=(*exchange.headers, (self._header, self._scheme + token)))
