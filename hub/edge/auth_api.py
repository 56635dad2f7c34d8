"""Signing in to the web apps: one-time links, passwords of local users, and signing out."""

import re
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from hub.core.refusal import Unauthenticated
from hub.edge.visitors import check_same_site, cookie_name
from hub.identity import Passwords
from hub.store import Actor, Browser, Resources, SignIn, SignIns

Render = Callable[[Request], Awaitable[Response]]


# Where a sign-in may lead on to: nothing of another site, and nothing that acts by being looked at.
_ONWARDS = re.compile(r"/oauth/(authorize|verify)(\?[\x21-\x7e]*)?")


def onwards(wanted: object) -> str:
    """Where a browser goes once it is signed in."""
    return wanted if isinstance(wanted, str) and _ONWARDS.fullmatch(wanted) else "/console"


class AuthApi:
    """`/login`, `/login/link`, `/logout`. `page` renders the sign-in page."""

    def __init__(self, sign_ins: SignIns, resources: Resources, passwords: Passwords, page: Render) -> None:
        self._sign_ins = sign_ins
        self._resources = resources
        self._passwords = passwords
        self._page = page

    async def _sign_in(self, request: Request) -> Response:
        """Sign a browser in, by a one-time token or by name and password. A POST, so that no preview uses a link up."""
        check_same_site(request)
        form = await request.form(max_files=0, max_fields=4, max_part_size=8192)
        token, name, password = (form.get(field) for field in ("token", "user", "password"))
        address = request.client.host if request.client else ""
        agent = request.headers.get("user-agent", "")
        browser = Browser(address, agent)
        if isinstance(name, str) and isinstance(password, str):
            sign_in = await self._by_password(name, password, browser)
        else:
            sign_in = await self._sign_ins.redeem(token, browser) if isinstance(token, str) else None
        if sign_in is None:
            raise Unauthenticated(
                "invalid_key", "This sign-in link was used already or has expired. Make a new one with 'hub user link'."
            )
        await self._resources.note(Actor(f"user:{sign_in.user}", source="ui", address=address), "sign-in")
        response = RedirectResponse(onwards(form.get("next")), status_code=303)
        response.set_cookie(
            cookie_name(request),
            sign_in.token,
            max_age=12 * 3600,
            path="/",
            httponly=True,
            secure=request.url.scheme == "https",
            samesite="lax",
        )
        return response

    async def _by_password(self, name: str, password: str, browser: Browser) -> SignIn:
        """Raises Unauthenticated with the same words for whoever does not exist, Throttled after too many attempts."""
        known = name in self._resources.snapshot().users
        good = await self._passwords.check(name, password, browser.address)
        if not (good and known):
            # A name that nobody has may be a password, typed into the wrong field.
            who = f"users/{name}" if known else "a user who does not exist"
            await self._resources.note(
                Actor("anonymous", source="ui", address=browser.address), "sign-in-failed", detail=who
            )
            raise Unauthenticated("invalid_key", "The name or the password is wrong.")
        return await self._sign_ins.open(name, browser)

    async def _logout(self, request: Request) -> Response:
        check_same_site(request)
        name = cookie_name(request)
        await self._sign_ins.end(request.cookies.get(name, ""))
        response = RedirectResponse("/login", status_code=303)
        response.delete_cookie(name, path="/")
        return response

    def routes(self) -> list[Route]:
        """The routes, to be mounted at the root."""
        return [
            Route("/login", self._page, methods=["GET"]),
            Route("/login", self._sign_in, methods=["POST"]),
            Route("/logout", self._logout, methods=["POST"]),
        ]
