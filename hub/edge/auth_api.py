"""Signing in to the web apps: one-time links, and signing out."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from hub.core.refusal import Unauthenticated
from hub.edge.visitors import check_same_site, cookie_name
from hub.store import Actor, Resources, SignIns

Render = Callable[[Request], Awaitable[Response]]


class AuthApi:
    """`/login`, `/login/link`, `/logout`. `page` renders the sign-in page."""

    def __init__(self, sign_ins: SignIns, resources: Resources, page: Render) -> None:
        self._sign_ins = sign_ins
        self._resources = resources
        self._page = page

    async def _redeem(self, request: Request) -> Response:
        """Trade the one-time token for a sign-in. A POST, so that a link preview does not use the link up."""
        check_same_site(request)
        form = await request.form(max_files=0, max_fields=4, max_part_size=1024)
        token = form.get("token")
        sign_in = await self._sign_ins.redeem(token) if isinstance(token, str) else None
        if sign_in is None:
            raise Unauthenticated(
                "invalid_key", "This sign-in link was used already or has expired. Make a new one with 'hub user link'."
            )
        await self._resources.note(
            Actor(f"user:{sign_in.user}", source="ui", address=request.client.host if request.client else ""), "sign-in"
        )
        response = RedirectResponse("/console", status_code=303)
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
            Route("/login", self._redeem, methods=["POST"]),
            Route("/logout", self._logout, methods=["POST"]),
        ]
