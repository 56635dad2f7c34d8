"""The OAuth server: programs are signed in by their user in the browser, and get tokens for models and tools.

OAuth 2.1 for public clients: authorization code with PKCE (S256), the device grant (RFC 8628), refresh with rotation,
revocation (RFC 7009), registration (RFC 7591), metadata (RFC 8414, RFC 9728), `iss` in responses (RFC 9207).
"""

import hmac
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from hub.core.pkce import code_challenge
from hub.core.principal import Principal
from hub.core.refusal import Malformed
from hub.core.seals import Broken, Seals
from hub.edge.guards import page_policy
from hub.edge.oauth_clients import Client, Clients
from hub.edge.visitors import check_same_site
from hub.identity import ACCESS_SECONDS, AccessTokens, Claims, Refresh
from hub.resources import Snapshot
from hub.store import Actor, Approved, OAuthStore, Poll, Resources, Wanted
from hub.store.oauth import DEVICE_INTERVAL, DEVICE_SECONDS

SCOPE = "hub"
_DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_PROFILE = re.compile(r"/mcp/([A-Za-z0-9._-]{1,64})")
_ASKING_SECONDS = 600.0
_NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}
_OPEN_TO_ALL = {"access-control-allow-origin": "*", "cache-control": "public, max-age=300"}

Address = Callable[[Request], str]


@dataclass(frozen=True, slots=True)
class Faces:
    """Renders the pages: of `consent` and of `device`, each with what it shows."""

    consent: Callable[..., Response]
    device: Callable[..., Response]


class OAuthFault(Exception):
    """An error as OAuth words it (RFC 6749, 5.2)."""

    def __init__(self, error: str, description: str = "", status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status


class _Asked(Struct, frozen=True):
    """What a program asks for, as it is kept in the consent page, sealed."""

    client: str
    title: str
    redirect: str
    challenge: str
    state: str
    resource: str


@dataclass(frozen=True, slots=True)
class OAuthApi:
    """`/oauth/*` and the metadata. `visitor` says who sits at the browser."""

    store: OAuthStore
    tokens: AccessTokens
    clients: Clients
    seals: Seals
    resources: Resources
    visitor: Callable[[Request], Awaitable[Principal]]
    address: Address
    faces: Faces

    # -- metadata --------------------------------------------------------------------------------------------------

    async def _server(self, request: Request) -> Response:
        base = self.address(request)
        return JSONResponse(
            {
                "issuer": base,
                "authorization_endpoint": f"{base}/oauth/authorize",
                "token_endpoint": f"{base}/oauth/token",
                "device_authorization_endpoint": f"{base}/oauth/device",
                "registration_endpoint": f"{base}/oauth/register",
                "revocation_endpoint": f"{base}/oauth/revoke",
                "response_types_supported": ["code"],
                "response_modes_supported": ["query"],
                "grant_types_supported": ["authorization_code", "refresh_token", _DEVICE],
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["none"],
                "revocation_endpoint_auth_methods_supported": ["none"],
                "scopes_supported": [SCOPE],
                "authorization_response_iss_parameter_supported": True,
                "client_id_metadata_document_supported": False,
            },
            headers=_OPEN_TO_ALL,
        )

    async def _resource(self, request: Request) -> Response:
        """The metadata of a profile (RFC 9728): where to sign in for it. It does not tell whether there is one."""
        name = request.path_params["profile"]
        spec = self._snapshot.profiles.get(name)
        if not _PROFILE.fullmatch(f"/mcp/{name}") or (spec is not None and spec.security == "none"):
            return await _nothing(request)
        base = self.address(request)
        return JSONResponse(
            {
                "resource": f"{base}/mcp/{name}",
                "authorization_servers": [base],
                "scopes_supported": [SCOPE],
                "bearer_methods_supported": ["header"],
            },
            headers=_OPEN_TO_ALL,
        )

    # -- the browser -----------------------------------------------------------------------------------------------

    async def _authorize(self, request: Request) -> Response:
        """Show who asks, or say what is wrong: to the program where its address is known to be its own."""
        given = request.query_params
        client = self.clients.find(given.get("client_id", ""))
        redirect = given.get("redirect_uri", "")
        if client is None:
            raise Malformed("malformed", "The program that sent you here is not known. Let it register itself anew.")
        if not client.takes(redirect):
            raise Malformed("malformed", "The program that sent you here gave an address that it did not register.")
        state = given.get("state", "")[:2048]
        try:
            asked = self._asked(request, client, redirect, state)
        except OAuthFault as fault:
            return self._back(request, redirect, state, error=fault.error, error_description=fault.description)
        user = await self._user(request)
        if user is None:
            return self._to_sign_in(request)
        sealed = self.seals.seal(_bound(user), msgspec.json.encode(asked).decode(), _ASKING_SECONDS)
        origin = _origin_of(redirect)
        page = self.faces.consent(request, asked=asked, user=user, sealed=sealed, origin=origin)
        page.headers["content-security-policy"] = page_policy(origin)  # browsers apply it to where a form leads on to
        return page

    def _asked(self, request: Request, client: Client, redirect: str, state: str) -> _Asked:
        given = request.query_params
        if given.get("response_type") != "code":
            raise OAuthFault("unsupported_response_type", "response_type is code")
        challenge = given.get("code_challenge", "")
        if given.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(challenge):
            raise OAuthFault("invalid_request", "PKCE is needed: a code_challenge by the method S256")
        resource = self._resource_of(given.get("resource", ""), self.address(request))
        return _Asked(client.id, client.title, redirect, challenge, state, resource)

    def _resource_of(self, given: str, base: str) -> str:
        """The path that the tokens shall be good for, "" for all of the hub. Raises OAuthFault `invalid_target`."""
        if given.rstrip("/") in ("", base, f"{base}/v1"):
            return ""
        found = _PROFILE.fullmatch(given.removeprefix(base).rstrip("/")) if given.startswith(f"{base}/") else None
        if found is None or found[1] not in self.resources.snapshot().profiles:
            raise OAuthFault("invalid_target", f"resource is {base} or the address of one of its profiles")
        return f"/mcp/{found[1]}"

    async def _decide(self, request: Request) -> Response:
        """The user's word: back to the program with a code, or with a refusal."""
        check_same_site(request)
        user = await self._user(request)
        if user is None:
            return self._to_sign_in(request)
        form = await request.form(max_files=0, max_fields=4, max_part_size=16_384)
        try:
            text = self.seals.open(_bound(user), str(form.get("request", "")))
            asked = msgspec.json.decode(text, type=_Asked)
        except (Broken, msgspec.MsgspecError):
            raise Malformed("malformed", "This page is too old. Go back to the program and let it ask again.") from None
        if form.get("do") != "allow":
            return self._back(request, asked.redirect, asked.state, error="access_denied")
        wanted = Wanted(asked.client, asked.title, asked.resource, asked.redirect, asked.challenge)
        code = await self.store.code(user, wanted)
        return self._back(request, asked.redirect, asked.state, code=code)

    def _back(self, request: Request, redirect: str, state: str, **told: str) -> Response:
        """Send the browser back to the program."""
        said = {**told, **({"state": state} if state else {}), "iss": self.address(request)}
        return RedirectResponse(f"{redirect}{'&' if '?' in redirect else '?'}{urlencode(said)}", 302, _NO_STORE)

    async def _user(self, request: Request) -> str | None:
        """The user who sits at the browser; a key is nobody who could approve."""
        principal = await self.visitor(request)
        return principal.user if principal.kind == "user" else None

    def _to_sign_in(self, request: Request) -> Response:
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?{urlencode({'next': here[:6000]})}", 303, _NO_STORE)

    async def _device_page(self, request: Request) -> Response:
        """Where a user types the code that a device shows."""
        user = await self._user(request)
        if user is None:
            return self._to_sign_in(request)
        typed = _code(request.query_params.get("user_code", ""))
        asked = await self.store.asked(typed) if typed else None
        return self.faces.device(request, user=user, code=typed, asked=asked, said="")

    async def _device_decide(self, request: Request) -> Response:
        check_same_site(request)
        user = await self._user(request)
        if user is None:
            return self._to_sign_in(request)
        form = await request.form(max_files=0, max_fields=4, max_part_size=1024)
        typed, allow = _code(str(form.get("user_code", ""))), form.get("do") == "allow"
        done = await self.store.decide(typed, user, allow=allow)
        said = ("allowed" if allow else "denied") if done else "unknown"
        return self.faces.device(request, user=user, code=typed, asked=None, said=said)

    # -- programs --------------------------------------------------------------------------------------------------

    async def _register(self, request: Request) -> Response:
        try:
            said: Any = msgspec.json.decode(await request.body())
            client = self.clients.register(said if isinstance(said, dict) else {})
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise OAuthFault("invalid_client_metadata", "the body is a JSON object") from None
        except ValueError as error:
            wrong = "invalid_redirect_uri" if "redirect" in str(error) else "invalid_client_metadata"
            raise OAuthFault(wrong, str(error)) from None
        told = {
            "client_id": client.id,
            "client_name": client.title,
            "redirect_uris": list(client.redirects),
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "scope": SCOPE,
        }
        return JSONResponse(told, 201, _NO_STORE)

    async def _device(self, request: Request) -> Response:
        form = await _form(request)
        base = self.address(request)
        client = self.clients.find(form.get("client_id", ""))
        title = client.title if client else "Claude Code" if form.get("surface") == "claude_code" else ""
        if not title:
            raise OAuthFault("invalid_client", "client_id is not known", 401)
        resource = self._resource_of(form.get("resource", ""), base)
        identifier = client.id if client else "claude-code"
        code, user_code = await self.store.device(Wanted(identifier, title, resource))
        page = f"{base}/oauth/verify"
        told = {
            "device_code": code,
            "user_code": user_code,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?user_code={user_code}",
            "expires_in": DEVICE_SECONDS,
            "interval": DEVICE_INTERVAL,
        }
        return JSONResponse(told, headers=_NO_STORE)

    async def _token(self, request: Request) -> Response:
        form = await _form(request)
        match form.get("grant_type"):
            case "authorization_code":
                return await self._first(await self._of_code(form))
            case "refresh_token":
                return await self._again(form)
            case grant if grant == _DEVICE:
                found = await self.store.poll(form.get("device_code", ""))
                if isinstance(found, Poll):
                    raise OAuthFault(found)
                return await self._first(found)
            case _:
                raise OAuthFault(
                    "unsupported_grant_type", f"grant_type is authorization_code, refresh_token or {_DEVICE}"
                )

    async def _of_code(self, form: dict[str, str]) -> Approved:
        approved = await self.store.redeem(form.get("code", ""))
        verifier = form.get("code_verifier", "")
        if approved is None or not _VERIFIER.fullmatch(verifier):
            raise OAuthFault("invalid_grant", "the code is unknown, used or over, or its code_verifier is missing")
        wanted = approved.wanted
        digest = code_challenge(verifier)
        same = form.get("redirect_uri", wanted.redirect) == wanted.redirect
        if not hmac.compare_digest(digest, wanted.challenge) or form.get("client_id") != wanted.client or not same:
            raise OAuthFault("invalid_grant", "the code was given to another program")
        return approved

    async def _first(self, approved: Approved) -> Response:
        """Tokens for what was just approved."""
        if approved.user not in self._snapshot.users:
            raise OAuthFault("invalid_grant", "the user is gone")
        grant = await self.store.grant(approved)
        actor = Actor(f"user:{approved.user}", source="oauth")
        await self.resources.note(actor, "program-sign-in", detail=approved.wanted.title[:100])
        return self._tokens(approved, Refresh(grant, 0))

    async def _again(self, form: dict[str, str]) -> Response:
        """New tokens for a refresh token, which is then used up."""
        refresh = self.tokens.read_refresh(form.get("refresh_token", ""))
        approved = await self.store.turned(refresh.grant, refresh.turn) if refresh is not None else None
        if refresh is None or approved is None or approved.user not in self._snapshot.users:
            raise OAuthFault("invalid_grant", "this sign-in has ended", 401)
        return self._tokens(approved, Refresh(refresh.grant, refresh.turn + 1))

    def _tokens(self, approved: Approved, refresh: Refresh) -> Response:
        claims = Claims(approved.user, refresh.grant, approved.wanted.resource)
        told: dict[str, Any] = {
            "access_token": self.tokens.make(claims),
            "token_type": "Bearer",
            "expires_in": ACCESS_SECONDS,
            "refresh_token": self.tokens.make_refresh(refresh),
            "scope": SCOPE,
        }
        email = self._snapshot.users[approved.user].email
        return JSONResponse(told | ({"email": email} if email else {}), headers=_NO_STORE)

    async def _revoke(self, request: Request) -> Response:
        """End the grant of a token. An unknown one is as good as revoked."""
        token = (await _form(request)).get("token", "")
        refresh, claims = self.tokens.read_refresh(token), self.tokens.read(token)
        grant = refresh.grant if refresh is not None else claims.grant if claims is not None else ""
        if grant:
            await self.store.end(grant)
        return Response(status_code=200, headers=_NO_STORE)

    @property
    def _snapshot(self) -> Snapshot:
        return self.resources.snapshot()

    def routes(self) -> list[Route]:
        """The routes, to be mounted at the root."""
        return [
            Route("/.well-known/oauth-authorization-server", self._server, methods=["GET"]),
            Route("/.well-known/oauth-protected-resource/mcp/{profile}", self._resource, methods=["GET"]),
            Route("/oauth/authorize", self._authorize, methods=["GET"]),
            Route("/oauth/authorize", self._decide, methods=["POST"]),
            Route("/oauth/verify", self._device_page, methods=["GET"]),
            Route("/oauth/verify", self._device_decide, methods=["POST"]),
            Route("/oauth/register", _worded(self._register), methods=["POST"]),
            Route("/oauth/device", _worded(self._device), methods=["POST"]),
            Route("/oauth/token", _worded(self._token), methods=["POST"]),
            Route("/oauth/revoke", _worded(self._revoke), methods=["POST"]),
            Route("/.well-known/{rest:path}", _nothing, methods=["GET"]),
        ]


def _worded(endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint for programs, whose faults are told as OAuth words them."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except OAuthFault as fault:
            told = {"error": fault.error} | ({"error_description": fault.description} if fault.description else {})
            return JSONResponse(told, fault.status, _NO_STORE)

    return answer


async def _nothing(request: Request) -> Response:
    """Programs look for metadata in many places. What is not there is said in a way that all of them understand."""
    del request
    return JSONResponse({"error": "not_found"}, 404, _NO_STORE)


async def _form(request: Request) -> dict[str, str]:
    form = await request.form(max_files=0, max_fields=20, max_part_size=16_384)
    return {name: value for name, value in form.items() if isinstance(value, str)}


def _bound(user: str) -> bytes:
    return b"oauth consent|" + user.encode()


def _code(typed: str) -> str:
    """The code that a device shows, as it is kept: four letters, a dash, four letters."""
    letters = "".join(char for char in typed.upper()[:32] if char.isalpha())
    return f"{letters[:4]}-{letters[4:8]}" if len(letters) == 8 else ""


def _origin_of(redirect: str) -> str:
    """Where the browser will be sent, as a source for its content security policy."""
    parts = urlsplit(redirect)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") else f"{parts.scheme}:"
