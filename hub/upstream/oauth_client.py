"""Signing in at another service, as an OAuth client: who grants access, under which name the hub asks, code and tokens.

Secrets go only to the token endpoint of the issuer that was found when the sign-in began.
"""

import base64
import secrets
import time
from collections.abc import Callable
from urllib.parse import quote, urlencode

from msgspec import Struct, json

from hub.core.accounts import Registration, Tokens
from hub.core.pkce import code_challenge
from hub.core.plan import Timeouts
from hub.core.refusal import UpstreamFailed
from hub.upstream.exchange import Endpoint, Exchange, read_whole
from hub.upstream.oauth_wire import (
    Denied,
    Granted,
    Issuer,
    Registered,
    Resource,
    challenge,
    check_endpoint,
    covers,
    document,
    issuer_urls,
    resource_urls,
)

NAME = "Agent Tool Hub"
_CLOCKS = Timeouts(connect=5, first_byte=10, idle=10, total=15)
_MOST = 256 << 10
_JSON = (("Accept", "application/json"),)
_FORM = (*_JSON, ("Content-Type", "application/x-www-form-urlencoded"))
_ASK = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
_FOR_GOOD = frozenset({"invalid_grant", "invalid_client", "unauthorized_client"})


class Dead(Exception):
    """What was granted is no longer good, and only a new sign-in gives something new."""


class Site(Struct, frozen=True):
    """Where a server's accounts are: its own name (`resource`), who grants access to it, and the scopes that it asks for."""

    resource: str
    issuer: Issuer
    scopes: tuple[str, ...] = ()


class OAuthClient:
    """One for all services. `private` of its methods allows addresses that are not public."""

    def __init__(self, endpoint: Endpoint, now: Callable[[], float] = time.time) -> None:
        self._endpoint = endpoint
        self._now = now

    # -- who grants access -----------------------------------------------------------------------------------------

    async def site(self, url: str, *, private: bool) -> Site:
        """Find out who grants access to the MCP server at `url`. Raises UpstreamFailed."""
        told = await self._challenged(url, private)
        described = await self._resource(url, told.get("resource_metadata", ""), private)
        issuers = described.authorization_servers if described is not None else []
        root = "/".join(url.split("/")[:3])
        issuer = await self._issuer(issuers[0] if issuers else root, private)
        scopes = told["scope"].split() if told.get("scope") else list(described.scopes_supported if described else ())
        return Site((described and described.resource) or url, issuer, tuple(scopes))

    async def _challenged(self, url: str, private: bool) -> dict[str, str]:
        headers = (*_JSON, ("Content-Type", "application/json"))
        response = await self._endpoint.request(Exchange("POST", url, headers, _ASK, _CLOCKS, private))
        try:
            return dict(challenge(response.headers.get("www-authenticate", ""))) if response.status == 401 else {}
        finally:
            response.close()

    async def _resource(self, url: str, named: str, private: bool) -> Resource | None:
        for place in [named] if named else resource_urls(url):
            body = await self._document(place, private)
            if body is not None:
                found = document(body, Resource)
                if not covers(found.resource, url):
                    raise UpstreamFailed("upstream_protocol", "its sign-in is for another resource than its url")
                return found
        return None

    async def _issuer(self, name: str, private: bool) -> Issuer:
        check_endpoint(name, "issuer", private=private)
        for place in issuer_urls(name):
            body = await self._document(place, private)
            if body is None:
                continue
            found = document(body, Issuer)
            if found.issuer.rstrip("/") != name.rstrip("/"):
                raise UpstreamFailed(
                    "upstream_protocol", "its authorization server goes by another name than it is known by"
                )
            for endpoint in ("authorization_endpoint", "token_endpoint"):
                check_endpoint(getattr(found, endpoint), endpoint, private=private)
            if "S256" not in found.code_challenge_methods_supported:
                raise UpstreamFailed(
                    "upstream_protocol", "its authorization server does not say that it takes PKCE (S256)"
                )
            return found
        raise UpstreamFailed("upstream_protocol", "it says nowhere who grants access to it: it may want a key instead")

    async def _document(self, url: str, private: bool) -> bytes | None:
        """A document; None where there is none. Raises UpstreamFailed."""
        check_endpoint(url, "a document", private=private)
        response = await self._endpoint.request(Exchange("GET", url, _JSON, b"", _CLOCKS, private))
        try:
            return await read_whole(response, _MOST) if response.status == 200 else None
        finally:
            response.close()

    # -- under which name ------------------------------------------------------------------------------------------

    async def register(self, issuer: Issuer, redirect: str, *, private: bool) -> Registration:
        """Make the hub known to an authorization server (RFC 7591). Raises UpstreamFailed."""
        if not issuer.registration_endpoint:
            raise UpstreamFailed(
                "upstream_error",
                "its authorization server takes no programs that it does not know: register the hub there, with the redirect "
                f"address {redirect}, and set auth.client_id (and client_secret) of the server",
            )
        body = json.encode(
            {
                "client_name": NAME,
                "redirect_uris": [redirect],
                "grant_types": ["authorization_code", "refresh_token"],
                "response_types": ["code"],
                "token_endpoint_auth_method": "none",
                "application_type": "web",
            }
        )
        url = check_endpoint(issuer.registration_endpoint, "registration_endpoint", private=private)
        headers = (*_JSON, ("Content-Type", "application/json"))
        status, answer = await self._posted(Exchange("POST", url, headers, body, _CLOCKS, private))
        if status not in (200, 201):
            raise UpstreamFailed(
                "upstream_error", f"its authorization server refused to register the hub (HTTP {status})"
            )
        found = document(answer, Registered)
        method = found.token_endpoint_auth_method or ("client_secret_basic" if found.client_secret else "none")
        return Registration(found.client_id, found.client_secret, method)

    # -- code and tokens -------------------------------------------------------------------------------------------

    def doorway(
        self, site: Site, registration: Registration, redirect: str, state: str, scope: str, verifier: str
    ) -> str:
        """The address that a browser is sent to."""
        query = {
            "response_type": "code",
            "client_id": registration.client_id,
            "redirect_uri": redirect,
            "state": state,
            "code_challenge": code_challenge(verifier),
            "code_challenge_method": "S256",
            "resource": site.resource,
            **({"scope": scope} if scope else {}),
        }
        place = site.issuer.authorization_endpoint
        return f"{place}{'&' if '?' in place else '?'}{urlencode(query)}"

    async def redeem(
        self, token_endpoint: str, registration: Registration, form: dict[str, str], *, private: bool
    ) -> Tokens:
        """Tokens for a code, or for a refresh token. Raises Dead, or UpstreamFailed where it may work later."""
        headers, fields = _FORM, dict(form)
        if registration.method == "client_secret_basic" and registration.client_secret:
            pair = f"{quote(registration.client_id, safe='')}:{quote(registration.client_secret, safe='')}"
            headers = (*_FORM, ("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}"))
        else:
            fields["client_id"] = registration.client_id
            if registration.client_secret:
                fields["client_secret"] = registration.client_secret
        url = check_endpoint(token_endpoint, "token_endpoint", private=private)
        status, answer = await self._posted(
            Exchange("POST", url, headers, urlencode(fields).encode(), _CLOCKS, private, resend=False)
        )
        if status == 200:
            return self._granted(document(answer, Granted), form)
        code = _refusal_in(answer)
        if code in _FOR_GOOD:
            raise Dead(code)
        raise UpstreamFailed(
            "upstream_error", f"its authorization server gives no token (HTTP {status} {code})".rstrip(" )") + ")"
        )

    def _granted(self, found: Granted, form: dict[str, str]) -> Tokens:
        if (
            found.token_type.lower() != "bearer"
            or not found.access_token.isprintable()
            or not found.access_token.isascii()
        ):
            raise UpstreamFailed("upstream_protocol", "its authorization server gives a token that is no bearer token")
        now = self._now()
        expires = now + min(max(found.expires_in, 1.0), 3.2e8) if found.expires_in is not None else 0.0
        scope = form.get("scope", "") if found.scope is None else found.scope
        return Tokens(found.access_token, found.refresh_token or form.get("refresh_token", ""), expires, now, scope)

    async def _posted(self, exchange: Exchange) -> tuple[int, bytes]:
        response = await self._endpoint.request(exchange)
        try:
            return response.status, await read_whole(response, _MOST)
        finally:
            response.close()


def new_verifier() -> str:
    """A secret of 43 characters, of which only a digest goes through the browser (RFC 7636)."""
    return secrets.token_urlsafe(32)


def _refusal_in(answer: bytes) -> str:
    try:
        return document(answer, Denied).error[:64]
    except UpstreamFailed:
        return ""
